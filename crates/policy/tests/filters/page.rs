//! `docs/filters.md` is made from the table.

use doorward_policy::{FILTERS, Filter, Operands};

const INTRODUCTION: &str = "# Filters

Programs that read stdin and write stdout. Every worker may use them, alone or as stages of a pipeline, \
without a rule: they run as the real programs, in a sandbox without a file system, a network or new \
processes. What a worker's rules allow is looked at first, so a rule may allow `cat /proc/net/tcp`.

- They read stdin only. No word may name a file; `-` is stdin.
- Options are written in full: what GNU programs take for a longer name when it is cut short is refused.
- An option that is not on this page is refused.
- `sort` holds what it sorts in memory, since there is no folder for its temporary files: it gets a buffer of \
512 MiB, and ends with an error when more comes. `-S` can only give it more, up to what a process may hold.

The options are those of GNU grep 3.8, GNU coreutils 9.1 and jq 1.6. This page is made from the table that \
judges.
";

fn page() -> String {
    FILTERS.iter().fold(INTRODUCTION.to_owned(), |page, filter| page + &section(filter))
}

fn section(filter: &Filter) -> String {
    let mut text = format!(
        "\n## {}\n\n{} Like `{}`.\n\n```text\n{}\n```\n",
        filter.name, filter.about, filter.example, filter.usage
    );
    if filter.operands == Operands::Program {
        text += "\nA program that begins with `module`, `import` or `include`, or holds \
                 `modulemeta`, is refused: it reads files. `input_filename` is null and `env` is what doorward sets.\n";
    }
    if !filter.always.is_empty() {
        text += &format!("\nIt is always given `{}`, before the worker's words.\n", filter.always.join(" "));
    }
    if filter.options.is_empty() {
        return text;
    }
    text += "\n| option | |\n|---|---|\n";
    for option in filter.options {
        let about = option.about.replace('|', "\\|");
        let about = if option.allowed { about } else { format!("**refused**: {about}") };
        text += &format!("| `{}` | {about} |\n", option.usage().replace('|', "\\|"));
    }
    text
}

#[test]
fn the_page_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/filters.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, page(), "docs/filters.md is not current: run the tests with UPDATE=1");
}

#[test]
fn each_filter_helps_with_every_option() {
    for filter in FILTERS {
        let help = filter.help();
        assert!(help.starts_with(filter.usage), "{help}");
        assert!(filter.usage.split(' ').next() == Some(filter.name) && filter.about.ends_with('.'), "{help}");
        assert!(filter.always.iter().all(|word| help.contains(word)), "{help}");
        for option in filter.options {
            assert!(help.contains(&option.usage()) && help.contains(option.about), "{help}");
        }
    }
}
