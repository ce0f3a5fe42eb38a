//! What the line language accepts and refuses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_line::{Line, MAX_LINE, MAX_WORD, Simple, quote, read};
use doorward_policy::{Reason, Refusal};
use proptest::prelude::*;
use support::properties;

fn simple(line: &str) -> Simple {
    match read(line.as_bytes()) {
        Ok(Line::List(mut list)) if list.rest.is_empty() && list.first.stages.len() == 1 => {
            list.first.stages.remove(0).command
        }
        other => panic!("{line:?}: {other:?}"),
    }
}

fn refusal(line: &[u8]) -> Refusal {
    read(line).expect_err(&format!("{:?} is accepted", String::from_utf8_lossy(line)))
}

/// Reason and path, and that the refusal is one clean line with an alternative.
fn refused(line: &[u8]) -> (Reason, String) {
    let refusal = refusal(line);
    assert!(!refusal.to_string().chars().any(char::is_control), "{refusal:?}");
    assert!(refusal.nearest.is_some(), "{refusal:?}");
    (refusal.reason, refusal.path.unwrap_or_default())
}

#[test]
fn quoting_is_that_of_a_shell() {
    let cases: &[(&str, &[&str])] = &[
        ("docker ps -a", &["docker", "ps", "-a"]),
        ("  docker\tps  ", &["docker", "ps"]),
        ("a 'b  c' \"d e\"", &["a", "b  c", "d e"]),
        ("a''b \"\" ''", &["ab", "", ""]),
        (r#"a\ b "c\"d\\e\$f\`g" "\n""#, &["a b", r#"c"d\e$f`g"#, r"\n"]),
        (r"'a\b' \'", &[r"a\b", "'"]),
        ("docker run \\\n --rm \"a\\\nb\"", &["docker", "run", "--rm", "ab"]),
        ("\n docker ps \n\n", &["docker", "ps"]),
        ("docker ps --format {{.ID}},{{.Names}}", &["docker", "ps", "--format", "{{.ID}},{{.Names}}"]),
        ("grep 'a$b|c' a#b x~y a=b c! ]", &["grep", "a$b|c", "a#b", "x~y", "a=b", "c!", "]"]),
        ("'A=b' x", &["A=b", "x"]),
        ("'if' x", &["if", "x"]),
        ("echo '*' \\* \"?\" ä", &["echo", "*", "*", "?", "ä"]),
    ];
    for (line, words) in cases {
        assert_eq!(simple(line).argv(), *words, "{line:?}");
    }
}

#[test]
fn an_empty_line_is_a_greeting() {
    for line in ["", " ", "\n", " \t\n ", "\\\n"] {
        assert_eq!(read(line.as_bytes()), Ok(Line::Greeting), "{line:?}");
    }
}

#[test]
fn constructs_are_refused_by_name_where_they_stand() {
    let cases = [
        ("a |& b", "pipe of both outputs", 3),
        ("a; b;; c", "case separator", 5),
        ("a &", "background job", 3),
        ("a & b", "background job", 3),
        ("a > /etc/x", "redirection to a file", 3),
        ("ä | b 2> '/dev/null ' ", "redirection to a file", 7),
        ("a >>x", "redirection to a file", 3),
        ("a >>/dev/null", "redirection to a file", 3),
        ("a >|/dev/null", "redirection to a file", 3),
        ("a >&2", "`>&` (redirection)", 3),
        ("a 1>&2", "`1>&` (redirection)", 3),
        ("a 2>&'1'", "redirection", 3),
        ("a 2>&-", "redirection", 3),
        ("a 3>/dev/null", "`3>` (redirection)", 3),
        ("a 12>/dev/null", "redirection", 3),
        ("a {x}>/dev/null", "redirection", 3),
        ("a &> x", "redirection of both outputs", 3),
        ("a &>/dev/null", "redirection of both outputs", 3),
        ("a </dev/null", "redirection from a file", 3),
        ("a < /etc/shadow", "redirection from a file", 3),
        ("a <<EOF", "here-document", 3),
        ("a <<< x", "here-string", 3),
        ("a <(id)", "process substitution", 3),
        ("(id)", "subshell", 1),
        ("a $HOME", "variable", 3),
        ("a ${HOME}", "variable", 3),
        ("ä \"x$HOME\"", "variable", 5),
        ("a $(id)", "command substitution", 3),
        ("a $((1+1))", "arithmetic", 3),
        ("a `id`", "command substitution", 3),
        ("a \"`id`\"", "command substitution", 4),
        ("a $'\\x41'", "quoting of bash", 3),
        ("ls *.rs", "file name pattern", 4),
        ("ls a?", "file name pattern", 5),
        ("ls [ab]", "file name pattern", 4),
        ("ls ~/x", "home folder", 4),
        ("a {b,c}", "brace expansion", 5),
        ("a {1..9}", "brace expansion", 5),
        ("a {1.\\\n.3}", "brace expansion", 8),
        ("a b=~", "home folder", 5),
        ("a b=x:~/y", "home folder", 7),
        ("a b+=\\\n~", "home folder", 8),
        ("! a", "negation", 1),
        ("A=b cmd", "assignment", 1),
        ("LD_PRELOAD=/x docker ps", "assignment", 1),
        ("PATH+=x docker ps", "assignment", 1),
        ("# a", "comment", 1),
        ("a #b", "comment", 3),
        ("if true", "reserved word", 1),
        ("{ a", "reserved word", 1),
        ("a | if", "reserved word", 5),
        ("a && ! b", "negation", 6),
        ("a; A=b c", "assignment", 4),
        ("a; # b", "comment", 4),
        ("cd /tmp && ls", "command of a shell", 1),
        ("docker ps; 'exit' 1", "command of a shell", 12),
        ("sudo . x", "command of a shell", 6),
    ];
    for (line, name, column) in cases {
        let refusal = refusal(line.as_bytes());
        assert_eq!(refused(line.as_bytes()), (Reason::Construct, format!("column {column}")), "{line:?}");
        assert!(refusal.message.contains(name), "{line:?}: {}", refusal.message);
    }
}

#[test]
fn unclean_bytes_are_refused_and_not_repeated() {
    for (line, column) in [
        (&b"a\xffb"[..], 2),
        (b"\xc3\xa4\xed\xa0\x80", 2),
        (b"a\0b", 2),
        (b"a\rb", 2),
        (b"a \x1b[2J", 3),
        (b"a\x7f", 2),
        ("a\u{9b}".as_bytes(), 2),
        ("a\u{2028}b".as_bytes(), 2),
        ("'a\u{202e}b'".as_bytes(), 3),
        ("a\u{200b}".as_bytes(), 2),
        ("a\u{e0041}".as_bytes(), 2),
        ("a\u{ad}b".as_bytes(), 2),
        ("a\u{200d}b".as_bytes(), 2),
        ("'\u{2764}\u{fe0f}'".as_bytes(), 3),
        ("a\u{e0100}".as_bytes(), 2),
        ("\u{3164}".as_bytes(), 1),
        (b"a 'x\ny'", 5),
        (b"a \"x\ty\"", 5),
        (b"a x\\\ty", 5),
    ] {
        assert_eq!(refused(line), (Reason::BadEncoding, format!("column {column}")), "{line:?}");
    }
}

#[test]
fn a_newline_a_tab_and_a_carriage_return_are_named_with_what_to_do_instead() {
    for (line, name, instead) in [
        ("echo 'one\ntwo'", "a word holds a newline inside quotes", "`\\n` where the command"),
        ("echo \"one\ntwo\"", "a word holds a newline inside quotes", "`\\n` where the command"),
        ("cut -d '\t' -f 1", "a word holds a tab in quotes", "`\\t` where the command"),
        ("cut -d \\\t -f 1", "after a backslash", "`\\t` where the command"),
        ("docker ps\r\ndocker images\r\n", "the line holds a carriage return", "a newline alone"),
        ("docker ps \u{7}", "the line holds the control character U+0007", "clean UTF-8"),
    ] {
        let refusal = refusal(line.as_bytes());
        assert_eq!(refusal.reason, Reason::BadEncoding, "{line:?}");
        assert!(refusal.message.contains(name), "{line:?}: {}", refusal.message);
        assert!(refusal.nearest.as_ref().is_some_and(|it| it.contains(instead)), "{line:?}: {refusal:?}");
    }
    assert_eq!(simple("docker\tps\t").argv(), ["docker", "ps"], "a tab between words is a blank");
}

#[test]
fn the_limits_are_exact() {
    let words = |count| vec!["w"; count].join(" ");
    assert_eq!(simple(&words(64)).argv().len(), 64);
    assert_eq!(refused(words(65).as_bytes()).0, Reason::TooLarge);
    assert_eq!(simple(&"x".repeat(MAX_WORD)).argv()[0].len(), MAX_WORD);
    assert_eq!(refused("x".repeat(MAX_WORD + 1).as_bytes()).0, Reason::TooLarge);
    assert_eq!(simple(&format!("a{}", " ".repeat(MAX_LINE - 1))).argv(), ["a"]);
    assert_eq!(refused(" ".repeat(MAX_LINE + 1).as_bytes()).0, Reason::TooLarge);
}

#[test]
fn what_is_not_finished_is_refused_where_it_began() {
    for (line, column) in [("a 'b", 3), ("a \"b\\\"", 3), ("a \\", 3)] {
        assert_eq!(refused(line.as_bytes()), (Reason::BadRequest, format!("column {column}")), "{line:?}");
    }
}

#[test]
fn leading_sudo_with_harmless_options_is_dropped() {
    for line in [
        "sudo docker ps",
        "sudo -n docker ps",
        "sudo -S -p '' docker ps",
        "sudo -nSp '' -- docker ps",
        "sudo sudo -n docker ps",
        "sudo --non-interactive --prompt= --stdin docker ps",
        "'sudo' --prompt '' -n docker ps",
    ] {
        assert_eq!(simple(line).argv(), ["docker", "ps"], "{line:?}");
        assert_eq!(simple(line).words()[0], "sudo");
    }
    assert_eq!(simple("docker sudo").argv(), ["docker", "sudo"]);
    assert_eq!(simple("sudo -- -x").argv(), ["-x"]);
}

#[test]
fn other_sudo_options_are_refused_by_name() {
    for (line, option) in [
        ("sudo -u root id", "sudo -u"),
        ("sudo -E id", "sudo -E"),
        ("sudo -ni", "sudo -i"),
        ("sudo --user=root id", "sudo --user"),
        ("sudo --non-interactive=x id", "sudo --non-interactive"),
        ("sudo -n sudo -s", "sudo -s"),
    ] {
        assert_eq!(refused(line.as_bytes()).0, Reason::Construct, "{line:?}");
        assert!(refusal(line.as_bytes()).message.contains(option), "{line:?}");
    }
    assert_eq!(refused(b"sudo LD_PRELOAD=x id").0, Reason::Construct);
    for line in ["sudo", "sudo -n", "sudo -p", "sudo --", "sudo sudo"] {
        assert_eq!(refused(line.as_bytes()).0, Reason::BadRequest, "{line:?}");
    }
}

#[test]
fn quote_shows_what_no_line_may_hold_escaped() {
    assert_eq!(quote(&["a b".into(), "it's".into(), "\u{1b}".into()]), r"'a b' 'it'\''s' '\u{1b}'");
}

/// What a shell makes of the words after `printf`.
fn made_by(shell: &str, line: &str) -> Vec<String> {
    let out = std::process::Command::new(shell)
        .arg("-c")
        .arg(format!("printf '%s\\0' . {line}"))
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{line:?}: {out:?}");
    let text = String::from_utf8(out.stdout).unwrap();
    let mut words: Vec<String> = text.split('\0').map(str::to_owned).collect();
    assert_eq!((words.remove(0).as_str(), words.pop().as_deref()), (".", Some("")));
    words
}

/// Pieces that quoting is made of, and those it protects from.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zäß0-9=:.,/-]{1,4}",
        3 => Just(" ".to_owned()),
        1 => Just("\t".to_owned()),
        2 => "'[^'\\p{C}]{0,6}'",
        2 => "\"([a-z *?~#!{}();|&<>']|\\\\[\\\\\"$`a-z]){0,6}\"",
        2 => "\\\\[^\\p{C}]",
        1 => Just("\\\n".to_owned()),
        1 => Just("''".to_owned()),
        1 => "[$`*?\\[\\]~#!{}();|&<>\"'\\\\]",
        1 => prop::sample::select(vec!["a=", "~", "{1", "{a", ".", ",", "}", "=~", ":~", "+="]).prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_a_line_or_a_refusal(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        properties::of_line(&bytes);
    }

    #[test]
    fn any_text_gives_a_line_or_a_refusal(text in prop_oneof![".{0,200}", pieces()]) {
        properties::of_line(text.as_bytes());
    }

    #[test]
    fn what_is_quoted_reads_back_as_it_was(words in proptest::collection::vec("[^\\p{C}\\p{Zl}\\p{Zp}]{0,40}", 1..20)) {
        prop_assume!(!["sudo", ".", ":"].contains(&words[0].as_str()));
        prop_assume!(!words.iter().flat_map(|word| word.chars()).any(doorward_policy::is_hidden));
        let line = quote(&words);
        let read = simple(&line);
        prop_assert_eq!(read.words(), &words[..]);
    }

    #[test]
    fn accepted_lines_mean_to_shells_what_they_mean_here(line in pieces()) {
        if let Ok(Line::List(list)) = read(format!("printf {line}").as_bytes())
            && list.stages().count() == 1
        {
            for shell in ["dash", "bash"] {
                let made = made_by(shell, &line);
                prop_assert_eq!(&list.first.stages[0].command.argv()[1..], &made[..], "{} {:?}", shell, line);
            }
        }
    }
}
