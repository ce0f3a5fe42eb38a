//! Lists, pipelines, redirections; lines inside a shell's; file transfers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_line::{Line, List, MAX_STAGES, StageErr, StageOut, read};
use doorward_policy::{Reason, Refusal};
use proptest::prelude::*;
use support::interpreter::{self, Outcome};
use support::properties;

fn list(line: &str) -> List {
    match read(line.as_bytes()) {
        Ok(Line::List(list)) => list,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn refusal(line: &str) -> Refusal {
    read(line.as_bytes()).expect_err(line)
}

#[test]
fn operators_make_lists_and_pipelines() {
    let cases = [
        ("a|b&&c||d;e", "a | b && c || d; e"),
        ("a 'x y' |b 2>&1| c\n\n d ;\ne\n", "a 'x y' | b 2>&1 | c; d; e"),
        ("a |\n\n b &&\n c ||\n\t\n d", "a | b && c || d"),
        ("\n a;", "a"),
        ("a\\\n| b", "a | b"),
        (
            "docker logs ollama 2>&1 | tail -50 && docker ps",
            "docker logs ollama 2>&1 | tail -50 && docker ps",
        ),
        ("sudo a | sudo -n b", "sudo a | sudo -n b"),
        ("grep 'a|b' x\\;y \"&&\"", "grep 'a|b' 'x;y' '&&'"),
    ];
    for (line, shown) in cases {
        assert_eq!(list(line).to_string(), shown, "{line:?}");
    }
    let sudo = list("sudo a | sudo -n b");
    assert_eq!(sudo.stages().map(|stage| stage.command.argv()[0].as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn redirections_count_from_left_to_right() {
    use {StageErr as Err, StageOut as Out};
    let cases = [
        ("a", Out::Next, Err::Line),
        ("a 2>&1", Out::Next, Err::Next),
        ("a 2>/dev/null", Out::Next, Err::Null),
        ("a >/dev/null", Out::Null, Err::Line),
        ("a 1>/dev/null", Out::Null, Err::Line),
        ("a 2> /dev/null", Out::Next, Err::Null),
        ("a 2>& 1", Out::Next, Err::Next),
        ("a >/dev/null 2>&1", Out::Null, Err::Null),
        ("a 2>&1 >/dev/null", Out::Null, Err::Next),
        ("a 2>/dev/null >/dev/null", Out::Null, Err::Null),
        ("a 2>/dev/null 2>&1", Out::Next, Err::Next),
        ("2>&1 a >'/dev/null'", Out::Null, Err::Next),
        ("a>/dev/null", Out::Null, Err::Line),
    ];
    for (line, out, err) in cases {
        let list = list(line);
        let stage = &list.first.stages[0];
        assert_eq!(
            (stage.command.words(), stage.out, stage.err),
            (&["a".to_owned()][..], out, err),
            "{line:?}"
        );
    }
    for (line, words) in [
        ("a 2 >/dev/null", &["a", "2"][..]),
        ("a x2>/dev/null", &["a", "x2"]),
        ("a '2'>/dev/null", &["a", "2"]),
        ("a \\2>/dev/null b", &["a", "2", "b"]),
    ] {
        let list = list(line);
        assert_eq!(list.first.stages[0].command.words(), words, "{line:?}");
        assert_eq!((list.first.stages[0].out, list.first.stages[0].err), (Out::Null, Err::Line), "{line:?}");
    }
}

#[test]
fn an_operator_without_its_command_is_refused_where_it_stands() {
    let cases = [
        ("| a", 1),
        ("a | | b", 5),
        ("a |", 3),
        ("a && ", 3),
        ("a ||\n\n", 3),
        ("&& a", 1),
        ("a; ; b", 4),
        (";", 1),
        ("a\n; b", 3),
        ("a | ; b", 5),
        ("a |\n&& b", 5),
        ("a; >/dev/null", 4),
        ("2>&1 | a", 6),
        ("a >", 3),
        ("a 2> | b", 3),
        ("a >& ", 3),
        // Shells differ over whether the 1 is what the first goes to or what the second redirects.
        ("a 2>&1>/dev/null", 3),
    ];
    for (line, column) in cases {
        let refusal = refusal(line);
        assert_eq!(
            (refusal.reason, refusal.path),
            (Reason::BadRequest, Some(format!("column {column}"))),
            "{line:?}"
        );
        assert!(refusal.nearest.is_some_and(|nearest| !nearest.is_empty()));
    }
}

#[test]
fn the_limits_are_of_the_whole_line() {
    let commands = |count, between| vec!["w"; count].join(between);
    assert_eq!(list(&commands(64, ";")).rest.len(), 63);
    assert_eq!(list(&format!("{} >/dev/null 2>&1", commands(64, ";"))).rest.len(), 63);
    assert_eq!(refusal(&commands(65, ";")).reason, Reason::TooLarge);
    assert_eq!(list(&commands(MAX_STAGES, "|")).first.stages.len(), MAX_STAGES);
    assert_eq!(refusal(&commands(MAX_STAGES + 1, "|")).reason, Reason::TooLarge);
}

#[test]
fn a_line_given_to_a_shell_is_read_as_the_line() {
    for line in [
        "bash -c 'a | b'",
        "bash -lc \"a | b\"",
        "bash -c a\\ \\|\\ b",
        " bash  -c 'a |\nb'",
        "'bash' -c 'a\t|b'",
    ] {
        assert_eq!(list(line).to_string(), "a | b", "{line:?}");
    }
    assert_eq!(read(b"bash -c ''"), Ok(Line::Greeting));
    assert_eq!(refusal("bash -c 'a $x'").path.as_deref(), Some("column 3"));
    for line in [
        "bash -c",
        "bash -c a b",
        "bash -l -c a",
        "bash -xc a",
        "zsh -c a",
        "/bin/bash -c a",
        "bash -c a 2>&1",
        "bash -c a | b",
        "bash -c a; b",
        "sh -lc a",
        "sh -c a",
        "sudo bash -c a",
    ] {
        assert_eq!(
            list(line).first.stages[0].command.words()[0],
            line.split(' ').next().unwrap(),
            "{line:?}"
        );
    }
    assert_eq!(list("bash -c 'bash -c a'").to_string(), "bash -c a", "only once");
    assert_eq!(refusal("bash -c 'a\nb' c").reason, Reason::BadEncoding);
}

#[test]
fn file_transfers_are_refused_by_name_whatever_else_is_wrong() {
    let cases = [
        ("scp -t /tmp", "scp"),
        ("scp -r -p -d -t -- '/tmp/x", "scp"),
        ("scp -f *.txt", "scp"),
        ("/usr/lib/openssh/sftp-server", "sftp"),
        ("/usr/libexec/sftp-server -l INFO", "sftp"),
        ("internal-sftp", "sftp"),
        ("rsync --server -vlogDtpre.iLsfxCIvu . ~/x $y", "rsync"),
        ("rsync --server --sender -e.LsfxC . *", "rsync"),
        ("sudo rsync --server -e. . x", "rsync"),
        ("git-upload-pack '/x.git'", "git"),
        ("git-receive-pack 'x", "git"),
        ("git upload-pack x", "git"),
        ("git-upload-archive x", "git"),
        ("internal-sftp''", "sftp"),
        ("sudo -n 'scp' -f x", "scp"),
        ("true && scp -t x", "scp"),
        ("scp -qt /tmp", "scp"),
        ("scp -rpt -- /tmp", "scp"),
        ("scp -v -pf x", "scp"),
        ("sftp", "sftp"),
        ("sftp -b - host", "sftp"),
        ("git upload-archive x", "git"),
        ("git receive-pack 'x", "git"),
        ("git-lfs-authenticate x.git upload", "git"),
    ];
    for (line, name) in cases {
        let refusal = refusal(line);
        assert_eq!(refusal.reason, Reason::NotInPolicy, "{line:?}");
        assert!(refusal.message.contains(&format!("({name})")), "{line:?}: {}", refusal.message);
        assert!(refusal.nearest.is_some());
    }
    for line in
        ["scp a b", "rsync a b", "git status", "echo scp -t", "scp a -t", "'x/scp -t ' y", "sudo 'x scp' -t"]
    {
        assert_eq!(list(line).to_string(), line);
    }
}

/// Commands that do the same in the interpreter and in `sh`, and tell on both outputs apart.
fn stage() -> impl Strategy<Value = String> {
    let command = prop_oneof![
        3 => "[a-c]{1,2}".prop_map(|word| format!("printf '%s\\n' {word} \"{word} ;\"")),
        2 => Just("cat".to_owned()),
        1 => Just("true".to_owned()),
        2 => Just("false".to_owned()),
        2 => Just("ls /nonexistent-file".to_owned()),
        1 => Just("sort -r".to_owned()),
        1 => Just("grep a".to_owned()),
    ];
    let redirection = prop_oneof![
        Just(" 2>&1"),
        Just(" 2>/dev/null"),
        Just(" >/dev/null"),
        Just(" 1> /dev/null"),
        Just(" 2>&1 >/dev/null"),
    ];
    (
        command,
        prop_oneof![4 => Just(""), 1 => Just(">/dev/null")],
        proptest::collection::vec(redirection, 0..3),
    )
        .prop_map(|(command, first, redirections)| command + first + &redirections.concat())
}

fn line() -> impl Strategy<Value = String> {
    let between = prop_oneof![
        3 => Just(" | "), 1 => Just("|\n"), 2 => Just(" && "), 2 => Just("||"), 1 => Just(";"), 1 => Just("\n"),
        1 => Just(" &&\n\n"), 1 => Just(" ; \n "),
    ];
    let end = prop_oneof![Just(""), Just(";"), Just("\n"), Just(" ;\n\n")];
    (stage(), proptest::collection::vec((between, stage()), 0..6), end).prop_map(|(first, rest, end)| {
        rest.into_iter().fold(first, |line, (op, stage)| line + op + &stage) + end
    })
}

/// Anything that operators, words and redirections can be put together to.
fn jumble() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => "[a-z0-2]{1,3}",
        4 => Just(" ".to_owned()),
        4 => prop_oneof![Just("|"), Just("&&"), Just("||"), Just(";"), Just("\n")].prop_map(str::to_owned),
        3 => prop_oneof![Just("2>&1"), Just("2>/dev/null"), Just(">/dev/null"), Just(">"), Just("2>"), Just(">&")]
            .prop_map(str::to_owned),
        2 => "'[^'\\p{C}]{0,4}'",
        1 => Just("sudo -n ".to_owned()),
        1 => Just("bash -c ".to_owned()),
        1 => "[\\\\\"&<>(){}!#~=]",
    ];
    proptest::collection::vec(piece, 1..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_reads_back_as_the_same_list(line in prop_oneof![line(), jumble()]) {
        properties::of_line(line.as_bytes());
    }

    /// `sh -n` reads without running. Some lines that it takes are refused, but none the other way round.
    #[test]
    fn what_is_accepted_is_a_line_of_sh_too(line in jumble()) {
        if read(line.as_bytes()).is_ok() {
            let sh = std::process::Command::new("sh").args(["-n", "-c", &line]).output().unwrap();
            prop_assert!(sh.status.success(), "{:?}: {:?}", line, sh);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the list says, done by a small interpreter, is what `sh` does with the line.
    #[test]
    fn a_list_means_what_the_line_means_to_sh(line in line()) {
        let done = interpreter::run(&list(&line));
        prop_assert_eq!(done, Outcome::of_sh(&line), "{:?}", line);
    }
}
