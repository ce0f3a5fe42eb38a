//! Filters: programs that read stdin and write stdout, allowed for every worker, run without a file system,
//! a network or new processes. One row each; judging, help and docs are made from the rows.
//!
//! What is judged must be what the program does, so words are read as the program reads them: [`words`] has
//! the ways in which that is done. A filter's program is never handed the name of a file.

mod help;
mod jq;
mod judge;
mod table;
mod value;
mod words;

pub use table::FILTERS;
pub use value::Value;

/// A built-in filter.
#[derive(Debug, PartialEq, Eq)]
pub struct Filter {
    /// The program's bare name.
    pub name: &'static str,
    /// For people, one line.
    pub about: &'static str,
    /// The usual way to write it.
    pub usage: &'static str,
    /// A use that is allowed.
    pub example: &'static str,
    /// Every option that is known, also those that are refused.
    pub options: &'static [FilterOption],
    /// What its other words are.
    pub operands: Operands,
    /// What it is told before the worker's own words.
    pub always: &'static [&'static str],
    /// How the program tells options from other words.
    pub(crate) reading: Reading,
}

/// One option of a filter.
#[derive(Debug, PartialEq, Eq)]
pub struct FilterOption {
    /// Every spelling, like `-i --ignore-case`, parted by one space.
    pub names: &'static str,
    /// What follows it.
    pub takes: Takes,
    /// Whether it may be used.
    pub allowed: bool,
    /// What it does; for one that is refused, why. One line.
    pub about: &'static str,
}

/// What follows an option.
#[derive(Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A value, attached or as the next word. The first part is its name in help.
    Value(&'static str, Value),
    /// A value after `=`, or none.
    Maybe(&'static str, Value),
    /// The next two words, a name and a value.
    Two,
}

/// What the words that are no options are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operands {
    /// At most one `-`, which is stdin.
    Stdin,
    /// A pattern, unless `-e` gave one; then at most one `-`.
    Pattern,
    /// One or two sets of characters.
    Sets,
    /// A jq program, then at most one `-`; after `--args` or `--jsonargs`, values.
    Program,
    /// Any words; nothing is read.
    Words,
}

/// How a program tells options from other words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As `getopt_long`: options also after other words, until `--`.
    Gnu,
    /// The same, and a first word like `-5`.
    GnuHead,
    /// The same, and a first word like `-5` or `+5` when nothing but `-` follows.
    GnuTail,
    /// As `getopt_long` with `+`: the first word that is no option ends them.
    GnuInOrder,
    /// jq's own: clusters of flags, exact long names, values always in words of their own.
    Jq,
    /// No word is an option that does anything but print.
    Nothing,
}

impl Filter {
    /// The row of a program.
    pub fn named(name: &str) -> Option<&'static Filter> {
        FILTERS.iter().find(|filter| filter.name == name)
    }
}

impl FilterOption {
    /// Every spelling, with its dashes.
    pub fn spellings(&self) -> impl Iterator<Item = &'static str> {
        self.names.split(' ')
    }
}
