//! What holds for any input.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use doorward_policy::{Bundle, Pattern, Policy, Source, include_paths};
use proptest::prelude::*;
use std::collections::BTreeSet;

const WHOLE: &str = include_str!("data/whole.toml");
const ROLES: &str = include_str!("data/host-audit.toml");

fn bundle(main: String, roles: String) -> Bundle {
    let file = |path: &str, text| Source { path: path.into(), text };
    Bundle { files: vec![file("/policy.toml", main), file("/roles/host-audit.toml", roles)] }
}

/// Loading is total: a policy, or mistakes that each have a place in a file and can be shown.
fn loads(main: String, roles: String) {
    let _ = include_paths(&main);
    let bundle = bundle(main, roles);
    let Err(errors) = Policy::load(&bundle) else { return };
    assert!(!errors.is_empty());
    for error in errors {
        let file = bundle.files.iter().find(|file| file.path == error.at.file).expect("a file of the bundle");
        assert!(error.at.line >= 1 && error.at.column >= 1);
        assert!(error.render(&file.text).contains(&error.message));
        assert!(!error.message.contains('\n'), "{}", error.message);
    }
}

/// A piece of TOML put in place of some characters: likelier to get past the parser than noise.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[\\PC\n]{0,12}",
        Just("\"\"".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("-1".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("inf".to_owned()),
        Just("1979-05-27".to_owned()),
        Just("\n[role.x.docker.exec]\nown = [\"a {b:/(/}\"]\n".to_owned()),
        "[a-z]{1,8} = ",
    ]
}

fn spliced(text: &str, at: usize, cut: usize, piece: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = at % (chars.len() + 1);
    let end = (at + cut).min(chars.len());
    chars[..at].iter().collect::<String>() + piece + &chars[end..].iter().collect::<String>()
}

/// A usage line as a tree of its own, with a matcher that tries everything.
#[derive(Debug, Clone)]
enum Tree {
    Word(&'static str),
    Value(&'static str),
    Group(Vec<Vec<Tree>>, bool),
    Repeat(Box<Tree>, usize),
}

const WORDS: &[&str] = &["a", "b", "-n", "7", "42", "x.y", "a b", "", "-", "1a", "|", "é"];

impl Tree {
    fn write(&self) -> String {
        match self {
            Tree::Word(word) => (*word).to_owned(),
            Tree::Value(kind) => format!("{{v:{kind}}}"),
            Tree::Group(lines, optional) => {
                let inner = lines.iter().map(|line| written(line)).collect::<Vec<_>>().join(" | ");
                if *optional { format!("[{inner}]") } else { format!("({inner})") }
            }
            Tree::Repeat(tree, most) => format!("{}...{most}", tree.write()),
        }
    }

    fn ends(&self, argv: &[&str], at: usize) -> BTreeSet<usize> {
        let one = |fits: bool| if fits { BTreeSet::from([at + 1]) } else { BTreeSet::new() };
        match self {
            Tree::Word(word) => one(argv.get(at) == Some(word)),
            Tree::Value(kind) => one(argv.get(at).is_some_and(|word| naive_value(kind, word))),
            Tree::Group(lines, optional) => {
                let mut found: BTreeSet<usize> = lines.iter().flat_map(|line| ends(line, argv, at)).collect();
                if *optional {
                    found.insert(at);
                }
                found
            }
            Tree::Repeat(tree, most) => {
                let mut found = BTreeSet::new();
                let mut here = BTreeSet::from([at]);
                for _ in 0..*most {
                    here = here.iter().flat_map(|at| tree.ends(argv, *at)).collect();
                    found.extend(here.iter().copied());
                }
                found
            }
        }
    }
}

fn naive_value(kind: &str, word: &str) -> bool {
    match kind {
        "name" => ["a", "b", "7", "42", "x.y", "1a"].contains(&word),
        "1..9" => word == "7",
        "a|7" => word == "a" || word == "7",
        "/[ab1]+/" => ["a", "b", "1a"].contains(&word),
        _ => panic!("{kind}"),
    }
}

fn ends(line: &[Tree], argv: &[&str], at: usize) -> BTreeSet<usize> {
    line.iter().fold(BTreeSet::from([at]), |places, tree| {
        places.iter().flat_map(|at| tree.ends(argv, *at)).collect()
    })
}

fn written(line: &[Tree]) -> String {
    line.iter().map(Tree::write).collect::<Vec<_>>().join(" ")
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["a", "b", "-n", "7"]).prop_map(Tree::Word),
        prop::sample::select(vec!["name", "1..9", "a|7", "/[ab1]+/"]).prop_map(Tree::Value),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let line = prop::collection::vec(inner.clone(), 1..3);
        let group =
            (prop::collection::vec(line, 1..3), any::<bool>()).prop_map(|(lines, o)| Tree::Group(lines, o));
        prop_oneof![
            group.clone(),
            (group, 1..4_usize).prop_map(|(tree, most)| Tree::Repeat(Box::new(tree), most)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_a_policy_or_a_list_of_mistakes(main in "[\\PC\n\r\t]{0,200}", roles in "[\\PC\n]{0,100}") {
        loads(main, roles);
    }

    #[test]
    fn any_bytes_as_text_are_a_policy_or_mistakes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        loads(String::from_utf8_lossy(&bytes).into_owned(), String::new());
    }

    #[test]
    fn a_damaged_policy_is_a_policy_or_mistakes(
        at in any::<usize>(), cut in 0..20_usize, piece in piece(), in_roles in any::<bool>(),
    ) {
        if in_roles {
            loads(WHOLE.into(), spliced(ROLES, at, cut, &piece));
        } else {
            loads(spliced(WHOLE, at, cut, &piece), ROLES.into());
        }
    }

    #[test]
    fn any_usage_line_compiles_or_is_refused_within_itself(usage in "[ab \\[\\](){}|:/.'…0-9\\PC]{0,40}") {
        match Pattern::compile(&usage) {
            Ok(pattern) => {
                prop_assert!(!pattern.first_word().is_empty());
                let again = Pattern::compile(&pattern.to_string());
                prop_assert_eq!(again.map(|again| again.to_string()), Ok(pattern.to_string()));
            }
            Err(error) => prop_assert!(error.offset <= usage.len() && usage.is_char_boundary(error.offset)),
        }
    }

    #[test]
    fn matching_agrees_with_trying_everything(
        line in prop::collection::vec(tree(), 0..4),
        tail in prop::collection::vec(prop::sample::select(WORDS), 0..6),
    ) {
        let mut whole = vec![Tree::Word("a")];
        whole.extend(line);
        let Ok(pattern) = Pattern::compile(&written(&whole)) else {
            return Err(TestCaseError::reject("too many words"));
        };
        let again = Pattern::compile(&pattern.to_string()).unwrap();
        let mut argv = vec!["a"];
        argv.extend(tail);
        let wanted = ends(&whole, &argv, 0).contains(&argv.len());
        prop_assert_eq!(pattern.matches(&argv), wanted, "{} on {:?}", pattern.usage(), &argv);
        prop_assert_eq!(again.matches(&argv), wanted, "{} written again", again);
        prop_assert_eq!(pattern.miss(&argv).is_none(), wanted);
    }

    #[test]
    fn no_words_make_the_judges_panic_or_let_control_characters_through(
        mut argv in prop::collection::vec("\\PC{0,8}|[a-z-]{1,9}|docker|exec|ollama|-[a-zA-Z]", 0..6),
        place in any::<usize>(), bad in prop::sample::select(vec!['\0', '\n', '\u{7f}', '\u{85}', '\u{2028}', '\u{202e}']),
    ) {
        let policy = Policy::load(&bundle(WHOLE.into(), ROLES.into())).unwrap();
        let _ = policy.judge_argv("hermes", &argv).map(|_| ());
        let _ = policy.judge_docker_words("hermes", &argv).map(|_| ());
        argv.insert(0, "ss".into());
        let place = place % argv.len();
        argv[place].push(bad);
        prop_assert!(policy.judge_argv("hermes", &argv).is_err());
        prop_assert!(policy.judge_docker_words("hermes", &argv).is_err());
    }
}

#[test]
fn a_pattern_that_would_explode_by_backtracking_is_matched_at_once() {
    let pattern =
        Pattern::compile("a [(a|a a|[a])…60] b").or_else(|_| Pattern::compile("a [(a|a a|[a])…30] b"));
    let pattern = pattern.unwrap();
    let words = vec!["a"; 64];
    assert!(!pattern.matches(&words));
}
