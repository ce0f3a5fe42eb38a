//! What is refused, in every spelling, and how.

use super::{judge, words};
use doorward_policy::{FILTERS, Filter, FilterOption, Operands, Reason};

/// Words with which a filter is content, so that what is added is what is judged.
fn content(filter: &Filter) -> Vec<&'static str> {
    match filter.operands {
        Operands::Pattern | Operands::Program => vec!["."],
        Operands::Sets => vec!["a", "b"],
        Operands::Stdin | Operands::Words => vec![],
    }
}

fn refused(filter: &'static Filter, argv: &[&str]) {
    let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
    let refusal = filter.judge(&argv).expect_err(&format!("{} {argv:?}", filter.name));
    assert_eq!(refusal.reason, Reason::NotInPolicy, "{} {argv:?}: {refusal}", filter.name);
    assert!(refusal.nearest.is_some(), "{refusal}");
}

fn refused_options() -> impl Iterator<Item = (&'static Filter, &'static FilterOption, &'static str)> {
    FILTERS.iter().flat_map(|filter| {
        let refused = filter.options.iter().filter(|option| !option.allowed);
        refused.flat_map(move |option| option.spellings().map(move |name| (filter, option, name)))
    })
}

/// A flag without a value, to build clusters with.
fn harmless(filter: &Filter) -> &'static str {
    match filter.name {
        "grep" => "i",
        "tail" => "q",
        "sort" => "r",
        "jq" => "c",
        other => panic!("{other} has refused options and no harmless flag here"),
    }
}

#[test]
fn every_refused_option_is_refused_in_every_spelling() {
    let mut seen = 0;
    for (filter, option, name) in refused_options() {
        seen += 1;
        let rest = content(filter);
        let with = |before: &[&'static str], spelled: &str, after: &[&str]| {
            let argv: Vec<&str> =
                before.iter().copied().chain([spelled]).chain(after.iter().copied()).collect();
            refused(filter, &argv);
        };
        let first = |spelled: &str| with(&[], spelled, &[&["decoy"], rest.as_slice()].concat());
        first(name);
        with(&rest, name, &["decoy"]);
        with(&[&rest[..], &["-"]].concat(), name, &["decoy"]);
        with(&rest, name, &[]);
        if name.starts_with("--") {
            first(&format!("{name}=decoy"));
            with(&rest, &format!("{name}=decoy"), &[]);
            // What glibc takes for the whole name, unless another name begins so too.
            for cut in 3..name.len() {
                let abbreviated = &name[..cut];
                let whole = filter
                    .options
                    .iter()
                    .any(|other| other.allowed && other.spellings().any(|spelling| spelling == abbreviated));
                if !whole {
                    first(abbreviated);
                    first(&format!("{abbreviated}=decoy"));
                }
            }
        } else {
            let letter = name.trim_start_matches('-');
            first(&format!("-{}{letter}", harmless(filter)));
            first(&format!("-{letter}{}", harmless(filter)));
            first(&format!("-{}{letter}decoy", harmless(filter)));
            first(&format!("-{letter}decoy"));
        }
        assert!(!option.about.is_empty());
    }
    assert!(seen > 30, "the table has lost its refused options: {seen}");
}

#[test]
fn no_word_names_a_file() {
    for line in [
        "grep x /etc/shadow",
        "grep -e x file",
        "grep -ex -i file",
        "grep x - file",
        "grep x - -",
        "grep -- -e x",
        "head /etc/shadow",
        "head -n 5 file",
        "head -5 file",
        "tail file",
        "tail -5 file",
        "tail +5 file",
        "tail -n 5 +3",
        "wc -l file",
        "sort file",
        "sort +1",
        "sort +1 -2",
        "sort - file",
        "uniq in",
        "uniq in out",
        "uniq - out",
        "uniq - -",
        "uniq +3",
        "cut -f1 file",
        "cut -f 1 -- file",
        "cat /etc/shadow",
        "cat -n file",
        "cat ./-",
        "jq . file",
        "jq . - file",
        "jq . file --args",
        "jq --arg a b . file",
        "jq -- . file",
        "jq . -5",
        "tr a b file",
    ] {
        let refusal = judge(line).expect_err(line);
        assert_eq!(refusal.reason, Reason::NotInPolicy, "{line}: {refusal}");
    }
}

#[test]
fn what_agents_type_is_allowed() {
    for line in [
        "grep -i error",
        "grep error -i",
        "grep -n5 error -",
        "grep -vE ^#|^$",
        "grep -A3 -B 2 --context=1 x",
        "grep -5 x",
        "grep --color=always x",
        "grep -e a -e b",
        "grep -ie x",
        "grep -- -f",
        "grep -e -f",
        "grep -m1 -oP \\d+",
        "head",
        "head -50",
        "head -50 -q",
        "head -n50",
        "head -n -5",
        "head -c 1K",
        "head -qn5",
        "head --lines=5",
        "head --lines 5",
        "head -",
        "tail -20",
        "tail +3",
        "tail -20 -",
        "tail -n +2",
        "tail -n+2",
        "wc -l",
        "wc -lwc",
        "sort",
        "sort -rn",
        "sort -k2,2n -t: -u",
        "sort -t , -k 1",
        "sort --key=2 --reverse",
        "uniq -c",
        "uniq -3",
        "uniq -f 1 -w10",
        "uniq --all-repeated=separate",
        "cut -d: -f1",
        "cut -f 1,3-",
        "cut --output-delimiter=; -f1-2",
        "tr a-z A-Z",
        "tr -d \\n",
        "tr -s  x",
        "tr a -d",
        "jq .",
        "jq -r .[].Name",
        "jq -rc .",
        "jq --arg name value .x==$name",
        "jq . --args a b",
        "jq --indent 2 .",
        "jq . -",
        "jq .import",
        "jq .[]|.include",
        "cat",
        "cat -",
        "cat -n",
        "echo -f --file x",
        "true x --file",
        "false",
        "sort --version",
        "grep --help",
    ] {
        judge(line).unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
    }
}

#[test]
fn words_are_read_as_the_program_reads_them() {
    for (line, path, says) in [
        // A value that looks like an option is a value; the next word is not.
        ("grep -e -f -f x", "word 4", "grep -f"),
        ("sort -k -o -o x", "word 4", "sort -o"),
        // `tail -cf` is the old `tail -c -f`.
        ("tail -cf", "word 2", "`f`"),
        // Only at the beginning, and for tail alone.
        ("head -q -5", "word 3", "head -5"),
        ("tail -5 -q", "word 2", "tail -5"),
        ("tail -q +5", "word 3", "`+5`"),
        ("tail -5f", "word 2", "tail -5"),
        ("head --lin=5", "word 2", "cut short"),
        ("grep --file=x .", "word 2", "patterns from a file"),
        ("jq --indent=2 .", "word 2", "words of their own"),
        ("jq --indent 9 .", "word 3", "`9`"),
        ("wc --lines=5", "word 2", "takes no value"),
        ("cut -f", "word 2", "needs a value"),
        ("sort -y", "word 2", "no option"),
        ("cut -é", "word 2", "no option"),
        ("grep --=x .", "word 2", "no option"),
    ] {
        let refusal = judge(line).expect_err(line);
        assert_eq!(refusal.path.as_deref(), Some(path), "{line}: {refusal}");
        assert!(refusal.message.contains(says), "{line}: {refusal}");
    }
}

#[test]
fn a_jq_program_reads_no_module() {
    let refuse = |program: &str| {
        let argv = vec!["-n".to_owned(), program.to_owned()];
        Filter::named("jq").unwrap().judge(&argv).expect_err(program)
    };
    for program in [
        "import \"x\" as $x {search:\"/etc\"}; $x",
        "  include \"x\"; f",
        "include\"x\"; f",
        "module {}; .",
        "# a comment\nimport \"x\" as x; .",
        "#\r import \"x\" as x; .",
        "\t\n import \"x\" as x; .",
        "\"/etc/passwd\" | modulemeta",
    ] {
        assert!(refuse(program).message.contains("reads a file"), "{program}");
    }
}

#[test]
fn a_slip_is_answered_with_what_was_meant() {
    for (line, nearest) in [
        ("head --lines5", "head --lines"),
        ("grep --ignorecase x", "grep --ignore-case"),
        ("sort --rev", "sort --reverse"),
        ("sort --outp=x", "sort [OPTION…] [-k KEY] [-t SEPARATOR]"),
    ] {
        assert_eq!(judge(line).unwrap_err().nearest.as_deref(), Some(nearest), "{line}");
    }
}

#[test]
fn any_words_get_a_verdict() {
    use proptest::prelude::*;
    proptest!(|(filter in proptest::sample::select(FILTERS.iter().collect::<Vec<_>>()),
                argv in proptest::collection::vec("-{0,2}[a-zA-Z0-9=é .]{0,6}|\\PC{0,8}", 0..6))| {
        let _ = filter.judge(&argv);
        let _ = filter.reads_stdin(&argv);
    });
}

#[test]
fn only_those_that_read_stdin_say_so() {
    for (line, reads) in [
        ("cat", true),
        ("grep x", true),
        ("echo x", false),
        ("true", false),
        ("false", false),
        ("sort --version", false),
    ] {
        let argv = words(line);
        assert_eq!(Filter::named(&argv[0]).unwrap().reads_stdin(&argv[1..]), reads, "{line}");
    }
}
