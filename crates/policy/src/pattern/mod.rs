//! Usage-line patterns, matched word by word against argv, never against a joined string.
//!
//! ```text
//! line   = word …                     words are parted by spaces; the first one is a literal
//! word   = literal | value | literal value | [ line | line … ] | ( line | line … ) | word …N
//! value  = { name : type }
//! type   = name | container | image | duration | A..B | x|y|z | path:/under/this | /regex/
//! ```
//!
//! A literal may stand in single quotes, so that it can hold spaces or one of `[](){}|`. `…N` (also `...N`)
//! stands after a value or a group without a space and allows it up to N times in a row.

mod automaton;
mod parse;
mod value;

use automaton::Automaton;
use parse::{Atom, Node};
use std::fmt;

pub(crate) use value::{is_beneath, is_clean_path};

/// A compiled usage line. Matching takes time linear in the number of words, whatever the pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    usage: String,
    line: Vec<Node>,
    automaton: Automaton,
}

/// Why a usage line does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// Byte offset in the usage line.
    pub offset: usize,
    /// One line.
    pub message: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PatternError {}

/// Where an argv leaves a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// How many leading words the pattern accepts.
    pub matched: usize,
    /// What could have stood there instead, as in the usage line; the end of the line is not among them.
    pub expected: Vec<String>,
}

impl Pattern {
    /// Compiles a usage line of at most 4 KiB whose repetitions come to at most 256 words.
    pub fn compile(usage: &str) -> Result<Pattern, PatternError> {
        let line = parse::parse(usage)?;
        let automaton = Automaton::build(&line).map_err(|message| PatternError { offset: 0, message })?;
        Ok(Pattern { usage: usage.trim().to_owned(), line, automaton })
    }

    /// Whether every word of `argv` is accounted for.
    pub fn matches(&self, argv: &[&str]) -> bool {
        self.automaton.run(argv.iter().copied()).is_ok()
    }

    /// Where `argv` leaves the pattern; `None` when it matches.
    pub fn miss(&self, argv: &[&str]) -> Option<Miss> {
        self.automaton.run(argv.iter().copied()).err()
    }

    /// As written in the policy.
    pub fn usage(&self) -> &str {
        &self.usage
    }

    /// The literal that every matching argv begins with.
    pub fn first_word(&self) -> &str {
        self.literal_prefix().next().unwrap_or_default()
    }

    /// The literals that every matching argv begins with, at least one.
    pub fn literal_prefix(&self) -> impl Iterator<Item = &str> {
        self.line.iter().map_while(|node| match node {
            Node::Atom(Atom::Literal(word)) => Some(word.as_str()),
            _ => None,
        })
    }

    /// Whether only one argv matches: no values, groups or repetitions.
    pub fn is_fixed(&self) -> bool {
        self.line.iter().all(|node| matches!(node, Node::Atom(Atom::Literal(_))))
    }

    /// The usage-line forms of the values that are open to free text or to file names (`/regex/`, `path:`).
    pub fn open_values(&self) -> Vec<String> {
        self.automaton.atoms().filter(|atom| atom.is_open()).map(ToString::to_string).collect()
    }

    /// Every literal word anywhere in the line.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.automaton.atoms().filter_map(|atom| match atom {
            Atom::Literal(word) => Some(word.as_str()),
            Atom::Value { .. } => None,
        })
    }
}

impl fmt::Display for Pattern {
    /// The usage line in its canonical spelling; it compiles to an equal pattern.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        parse::write_line(f, &self.line)
    }
}
