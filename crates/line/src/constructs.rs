//! What a shell has and the line language has not: the name, and what to do instead.

use crate::characters::column;
use doorward_policy::{Reason, Refusal};

/// One construct, as a refusal tells it.
pub(crate) struct Construct {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What to do instead.
    pub(crate) instead: &'static str,
}

impl Construct {
    /// Refuses the construct, spelled `spelling`, that stands after `before` characters.
    pub(crate) fn refuse(&self, spelling: &str, before: usize) -> Refusal {
        let shown = match spelling {
            "\n" => "a newline".to_owned(),
            other => format!("`{other}`"),
        };
        let message = format!("{shown} ({}) is not part of the line language", self.name);
        Refusal::new(Reason::Construct, message).nearest(self.instead).path(column(before))
    }
}

const NEXT: &str = "one command; send the next one by itself";
const FILTER: &str = "one command; filter its output on your side";
const OUTPUT: &str = "the command without it: its output and its errors come back to you";
const INPUT: &str = "the command without it";
const VALUE: &str = "the value itself; a `$` or a backtick as text in single quotes";
const AS_TEXT: &str = "the names themselves; the character as text in single quotes";

const fn construct(name: &'static str, instead: &'static str) -> Construct {
    Construct { name, instead }
}

/// Unquoted operators by spelling, longer ones before those that they begin with.
pub(crate) const OPERATORS: &[(&str, Construct)] = &[
    ("&&", construct("and-list", NEXT)),
    ("&>", construct("redirection", OUTPUT)),
    ("&", construct("background job", "the command without it")),
    ("||", construct("or-list", NEXT)),
    ("|&", construct("pipe", FILTER)),
    ("|", construct("pipe", FILTER)),
    (";;", construct("case separator", NEXT)),
    (";", construct("command separator", NEXT)),
    ("\n", construct("command separator", NEXT)),
    ("<<<", construct("here-string", INPUT)),
    ("<<", construct("here-document", INPUT)),
    ("<(", construct("process substitution", INPUT)),
    ("<", construct("redirection from a file", INPUT)),
    (">(", construct("process substitution", OUTPUT)),
    (">>", construct("redirection to a file", OUTPUT)),
    (">&", construct("redirection", OUTPUT)),
    (">", construct("redirection to a file", OUTPUT)),
    ("(", construct("subshell", NEXT)),
    (")", construct("subshell", NEXT)),
];

/// What is expanded, unquoted and inside double quotes, by spelling, longer ones first.
pub(crate) const EXPANSIONS: &[(&str, Construct)] = &[
    ("$((", construct("arithmetic", VALUE)),
    ("$(", construct("command substitution", VALUE)),
    ("${", construct("variable", VALUE)),
    ("$'", construct("quoting of bash", "plain single quotes")),
    ("$\"", construct("quoting of bash", "plain double quotes")),
    ("$", construct("variable", VALUE)),
    ("`", construct("command substitution", VALUE)),
];

/// Unquoted characters that match file names.
pub(crate) const GLOBS: &[(&str, Construct)] = &[
    ("*", construct("file name pattern", AS_TEXT)),
    ("?", construct("file name pattern", AS_TEXT)),
    ("[", construct("file name pattern", AS_TEXT)),
];

/// `~` where a word begins.
pub(crate) const TILDE: Construct =
    construct("home folder", "the whole path; the character as text in quotes");
/// `#` where a word begins.
pub(crate) const COMMENT: Construct =
    construct("comment", "the command without it; the character as text in quotes");
/// `{a,b}` and `{1..9}`.
pub(crate) const BRACE: Construct =
    construct("brace expansion", "each word by itself; braces as text in single quotes");
/// `NAME=value` before a command.
pub(crate) const ASSIGNMENT: Construct =
    construct("assignment", "the command without it; its environment is fixed");
/// `!` before a command.
pub(crate) const NEGATION: Construct = construct("negation", "the command without it");

/// Words that begin a compound command, when they stand first and unquoted (POSIX.1-2017, 2.4, and bash).
pub(crate) struct Reserved {
    pub(crate) words: &'static [&'static str],
    pub(crate) construct: Construct,
}

/// See [`Reserved`].
pub(crate) const RESERVED: Reserved = Reserved {
    words: &[
        "{", "}", "if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for",
        "in", "function", "select", "time", "coproc", "[[", "]]",
    ],
    construct: construct("reserved word of the shell", NEXT),
};

/// The first of `table` that `rest` begins with.
pub(crate) fn lookup<'t>(
    table: &'t [(&'static str, Construct)],
    rest: &str,
) -> Option<&'t (&'static str, Construct)> {
    table.iter().find(|(spelling, _)| rest.starts_with(spelling))
}
