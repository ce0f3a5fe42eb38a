//! Builds: what is sent of any Dockerfile and any context.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

#[path = "support/builds.rs"]
mod builds;
mod support;

use proptest::prelude::*;

const WHOLE: &str = "ARG A=b\nFROM busybox AS one\nRUN a \\\n && b\nLABEL x=\"y\" z='w'\nENV A=b\nWORKDIR /x\n\
                     FROM scratch\nCOPY --from=one --chown=1 /a /b\nCOPY --from=busybox:latest /a /b\nCOPY . /\nFROM one\nCMD [\"x\"]\n";

#[test]
fn a_dockerfile_of_the_subset_is_let_through() {
    assert!(builds::of_dockerfile(WHOLE.as_bytes()));
    for file in
        ["FROM evil\n", "FROM busybox:labelled\n", "FROM busybox:inproc\n", "FROM busybox\nWORKDIR /proc\n"]
    {
        assert!(!builds::of_dockerfile(file.as_bytes()), "{file}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_dockerfile_is_sent_plain_or_not_at_all(place in any::<prop::sample::Index>(), text in "[ -~\\t\\n\\r\u{b}\u{a0}\u{2028}\\\\]{0,6}") {
        let (above, below) = WHOLE.split_at(place.index(WHOLE.len()));
        let file = [above, &text, below].concat();
        builds::of_dockerfile(file.as_bytes());
    }

    #[test]
    fn any_bytes_are_a_context_or_not(bytes in any::<Vec<u8>>()) {
        builds::of_context(&bytes);
    }
}
