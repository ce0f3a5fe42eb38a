//! `docs/reasons.md` lists every reason code.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use doorward_policy::Reason;

fn page() -> String {
    let mut page = "# Reason codes\n\nEvery refusal carries one of these. A code never changes its meaning; programs may rely on it.\n\n\
                    | code | what it means |\n|---|---|\n"
        .to_owned();
    for reason in Reason::ALL {
        page += &format!("| `{}` | {} |\n", reason.code(), reason.about().trim());
    }
    page
}

#[test]
fn the_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reasons.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, page(), "docs/reasons.md is not current: run the tests with UPDATE=1");
}

#[test]
fn codes_are_unique_and_have_one_line_of_meaning() {
    for reason in Reason::ALL {
        assert_eq!(Reason::ALL.iter().filter(|other| other.code() == reason.code()).count(), 1, "{reason}");
        assert!(reason.about().trim().ends_with('.') && !reason.about().contains('\n'), "{reason}");
    }
}
