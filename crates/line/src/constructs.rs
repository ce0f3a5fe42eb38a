//! What the line language has of a shell, and what it has not: the name, and what to do instead.

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
        let message = format!("`{spelling}` ({}) is not part of the line language", self.name);
        Refusal::new(Reason::Construct, message).nearest(self.instead).path(column(before))
    }
}

/// An unquoted operator.
#[derive(Clone, Copy)]
pub(crate) enum Operator {
    /// It stands between commands.
    Between(Separator),
    /// It stands before the word that it redirects to.
    Redirect(Redirect),
    /// The line language has it not.
    Not(&'static Construct),
}

/// What stands between two commands, or ends the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Separator {
    Pipe,
    And,
    Or,
    Semicolon,
    Newline,
}

/// `>` or `>&`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redirect {
    ToFile,
    ToDescriptor,
}

const ALONE: &str = "commands joined by `|`, `&&`, `||` or `;`";
const OUTPUT: &str =
    "`>/dev/null`, `2>/dev/null` or `2>&1`; without any, output and errors come back to you: keep them there";
const BOTH: &str = "`>/dev/null 2>&1`, or `2>&1 |` to pipe both";
const INPUT: &str = "the command without it; send data on stdin";
const VALUE: &str = "the value itself; a `$` or a backtick as text in single quotes";
const AS_TEXT: &str = "the names themselves; the character as text in single quotes";

const fn construct(name: &'static str, instead: &'static str) -> Construct {
    Construct { name, instead }
}

const PIPE_OF_BOTH: Construct = construct("pipe of both outputs", "`2>&1 |`");
const REDIRECTION_OF_BOTH: Construct = construct("redirection of both outputs", BOTH);
const BACKGROUND: Construct = construct("background job", "`submit -- 'LINE'`: it runs on when you are gone");
const CASE_SEPARATOR: Construct = construct("case separator", ALONE);
const HERE_STRING: Construct = construct("here-string", INPUT);
const HERE_DOCUMENT: Construct = construct("here-document", INPUT);
const SUBSTITUTION: Construct = construct("process substitution", ALONE);
const SUBSHELL: Construct = construct("subshell", ALONE);
const FROM_FILE: Construct = construct("redirection from a file", INPUT);
/// `>`, `>>` and their kin, to anything but `/dev/null`.
pub(crate) const TO_FILE: Construct = construct("redirection to a file", OUTPUT);
/// Any redirection of a descriptor but those that the line language has.
pub(crate) const REDIRECTION: Construct = construct("redirection", OUTPUT);

/// Unquoted operators by spelling, longer ones before those that they begin with.
pub(crate) const OPERATORS: &[(&str, Operator)] = &[
    ("&&", Operator::Between(Separator::And)),
    ("&>>", Operator::Not(&TO_FILE)),
    ("&>", Operator::Not(&REDIRECTION_OF_BOTH)),
    ("&", Operator::Not(&BACKGROUND)),
    ("||", Operator::Between(Separator::Or)),
    ("|&", Operator::Not(&PIPE_OF_BOTH)),
    ("|", Operator::Between(Separator::Pipe)),
    (";;", Operator::Not(&CASE_SEPARATOR)),
    (";&", Operator::Not(&CASE_SEPARATOR)),
    (";", Operator::Between(Separator::Semicolon)),
    ("\n", Operator::Between(Separator::Newline)),
    ("<<<", Operator::Not(&HERE_STRING)),
    ("<<", Operator::Not(&HERE_DOCUMENT)),
    ("<(", Operator::Not(&SUBSTITUTION)),
    ("<", Operator::Not(&FROM_FILE)),
    (">(", Operator::Not(&SUBSTITUTION)),
    (">>", Operator::Not(&TO_FILE)),
    (">|", Operator::Not(&TO_FILE)),
    (">&", Operator::Redirect(Redirect::ToDescriptor)),
    (">", Operator::Redirect(Redirect::ToFile)),
    ("(", Operator::Not(&SUBSHELL)),
    (")", Operator::Not(&SUBSHELL)),
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
pub(crate) const NEGATION: Construct =
    construct("negation", "the command without it; `&&` and `||` follow it");

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
    construct: construct("reserved word of the shell", ALONE),
};

/// What the first of `table` stands for that `rest` begins with, and its spelling.
pub(crate) fn lookup<'t, T>(table: &'t [(&'static str, T)], rest: &str) -> Option<&'t (&'static str, T)> {
    table.iter().find(|(spelling, _)| rest.starts_with(spelling))
}
