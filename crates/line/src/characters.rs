//! How a refusal tells of a character and of its place.

use doorward_policy::{Reason, Refusal};

/// What people write without meaning harm, by its usual name, and what to do instead.
const USUAL: &[(char, &str, &str)] = &[
    (
        '\n',
        "a newline inside quotes",
        "words of one line; `\\n` where the command understands it (`tr`, `echo -e`, `jq`); text on stdin",
    ),
    (
        '\t',
        "a tab in quotes or after a backslash",
        "a space there, or `\\t` where the command understands it (`tr`, `echo -e`, `jq`, `grep -P`)",
    ),
    ('\r', "a carriage return", "lines that end with a newline alone"),
];

/// A refusal of a hidden character that stands in `what`, after `before` others.
pub(crate) fn refuse_hidden(what: &str, c: char, before: usize) -> Refusal {
    match USUAL.iter().find(|(usual, ..)| *usual == c) {
        Some((_, name, instead)) => Refusal::new(Reason::BadEncoding, format!("{what} holds {name}"))
            .nearest(*instead)
            .path(column(before)),
        None => bad_encoding(format!("{what} holds {}", name(c)), before),
    }
}

/// A refusal of bytes or characters that begin after `before` others.
pub(crate) fn bad_encoding(what: String, before: usize) -> Refusal {
    Refusal::new(Reason::BadEncoding, what)
        .nearest("clean UTF-8 without control or hidden characters")
        .path(column(before))
}

/// How a refusal calls a hidden character, which must not appear in it.
fn name(c: char) -> String {
    let kind = match c {
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => "control character",
        '\u{2028}' | '\u{2029}' => "line separator",
        _ => "hidden or reordering character",
    };
    format!("the {kind} U+{:04X}", u32::from(c))
}

/// `column N` of the character after `before` others.
pub(crate) fn column(before: usize) -> String {
    format!("column {}", before.saturating_add(1))
}
