//! Usage lines: every type, what it takes and what it never takes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

use doorward_policy::Pattern;

fn takes(kind: &str, word: &str) -> bool {
    Pattern::compile(&format!("x {{v:{kind}}}")).expect(kind).matches(&["x", word])
}

#[test]
fn each_type_takes_what_it_should_and_nothing_else() {
    let hex = "a".repeat(64);
    let digest = format!("ollama/ollama@sha256:{hex}");
    let long = "n".repeat(65);
    for (kind, yes, no) in [
        (
            "name",
            vec!["sshd", "a", "a_b.c-d", "7"],
            vec!["", "-x", "_a", ".", "..", "a/b", "a b", &long, "é"],
        ),
        ("container", vec!["web", "a_1", &hex], vec!["", "-web", "/web", "a/b", "{x}"]),
        (
            "image",
            vec!["busybox", "busybox:1", "ollama/ollama:latest", "localhost:5000/a/b:c", &digest],
            vec!["", "-x", "Busybox", "a:b:c", "a//b", "a@sha256:0", "http://a/b", "a:", ":x", "/a", "a/"],
        ),
        (
            "duration",
            vec!["10s", "1h30m", "250ms", "7d"],
            vec!["", "10", "s", "-1s", "1.5h", "10s ", "1h-3m"],
        ),
        (
            "1..500",
            vec!["1", "500", "42"],
            vec!["0", "501", "+5", "05", "-1", "1e2", "", "5 ", "99999999999999999999"],
        ),
        ("0..0", vec!["0"], vec!["00", "-0", "1"]),
        ("fail2ban|firewall", vec!["fail2ban", "firewall"], vec!["fail2ban|firewall", "ssh", ""]),
        (
            "path:/var/log",
            vec!["/var/log", "/var/log/a", "/var/log/a/b.c"],
            vec![
                "/var/logs",
                "/var/log/",
                "/var/log/../x",
                "/var/log/./x",
                "/var//log",
                "var/log",
                "/var",
                "/",
            ],
        ),
        ("/[a-z]{1,3}/", vec!["a", "abc"], vec!["abcd", "", "a\n", "xa1"]),
        ("/a|b/", vec!["a", "b"], vec!["ab", "ax", "xb"]),
        (r"/a\/b/", vec!["a/b"], vec!["a", "b", "ab"]),
        ("/.*/", vec!["anything", "a-b"], vec!["", "-x", "--file=/etc/shadow"]),
        ("/-[ab]/", vec!["-a"], vec!["-c", "a"]),
    ] {
        for word in yes {
            assert!(takes(kind, word), "{kind} should take {word:?}");
        }
        for word in no {
            assert!(!takes(kind, word), "{kind} should not take {word:?}");
        }
    }
}

#[test]
fn groups_options_and_repetition_account_for_every_word() {
    for (usage, yes, no) in [
        ("a [b] c", vec!["a c", "a b c"], vec!["a", "a b", "a b b c", "a c c", "b c"]),
        ("a (b|c d)", vec!["a b", "a c d"], vec!["a", "a c", "a d", "a b c d"]),
        ("a {n:1..3}…2", vec!["a 1", "a 1 2"], vec!["a", "a 1 2 3", "a 4"]),
        ("a ([b] c)...2", vec!["a c", "a b c c", "a b c b c"], vec!["a b", "a c c c"]),
        ("a [{n:1..3}…2]", vec!["a", "a 1 2"], vec!["a 1 2 3"]),
        (
            "a --tail={n:1..9} -n{m:1..9}",
            vec!["a --tail=3 -n4"],
            vec!["a --tail= -n4", "a --tail=33 -n4", "a 3 4"],
        ),
        ("a '[x]' 'y|z'", vec!["a [x] y|z"], vec!["a x y", "a [x] y"]),
        ("git diff a...b", vec!["git diff a...b"], vec!["git diff a"]),
    ] {
        let pattern = Pattern::compile(usage).expect(usage);
        for line in yes {
            assert!(pattern.matches(&line.split(' ').collect::<Vec<_>>()), "`{usage}` should allow `{line}`");
        }
        for line in no {
            assert!(
                !pattern.matches(&line.split(' ').collect::<Vec<_>>()),
                "`{usage}` should refuse `{line}`"
            );
        }
    }
}

#[test]
fn words_with_control_characters_never_match() {
    let pattern = Pattern::compile(r"a {x:/[\s\S]*/}").unwrap();
    assert!(pattern.matches(&["a", "b c"]));
    for bad in ["b\n", "\0", "b\u{1b}[1m", "\u{7f}", "\u{9b}", "\u{2028}", "\u{2029}", "\u{202e}x"] {
        assert!(!pattern.matches(&["a", bad]), "{bad:?}");
    }
}

#[test]
fn a_usage_line_that_does_not_compile_is_pointed_into() {
    for (usage, offset, message) in [
        ("", 0, "at least one word"),
        ("[a] b", 0, "first word must be a literal"),
        ("{a:name} b", 0, "first word must be a literal"),
        ("--x{a:name} b", 0, "first word must be a literal"),
        ("a (b", 2, "is not closed"),
        ("a b)", 3, "not opened"),
        ("a b|c", 3, "stands in a group"),
        ("a [b|]", 5, "a word is missing"),
        ("a {x:nmae}", 5, "did you mean `name`"),
        ("a {x:9..1}", 5, "A not above B"),
        ("a {x:path:var}", 5, "absolute folder"),
        ("a {x:/(/}", 5, "regex does not compile"),
        ("a {x:/a)|(b/}", 5, "regex does not compile"),
        ("a {name}", 2, "{name:type}"),
        ("a {x:name", 2, "not closed"),
        ("a b…3", 2, "only a value or a group repeats"),
        ("a {x:name}…0", 10, "from 1 to 64"),
        ("a {x:name}…", 10, "from 1 to 64"),
        ("a ({x:name}…64)…64", 0, "more than 256 words"),
        ("a 'b", 2, "quote"),
        ("a (b)c", 5, "a word ends here"),
        ("a {x:a|-b}", 5, "do not begin with `-`"),
        ("a\tb", 1, "control characters"),
    ] {
        let error = Pattern::compile(usage).map(|pattern| pattern.to_string()).expect_err(usage);
        assert!(error.message.contains(message), "`{usage}`: {error}");
        assert_eq!(error.offset, offset, "`{usage}`: {error}");
    }
}
