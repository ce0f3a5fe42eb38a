//! Filters: programs that read stdin and write stdout, allowed for every worker, run without a file system,
//! a network or new processes. One row each; judging, help and docs are made from the rows.

use crate::{Reason, Refusal};

/// A built-in filter.
#[derive(Debug, PartialEq, Eq)]
pub struct Filter {
    /// The program's bare name.
    pub name: &'static str,
    /// For people, one line.
    pub about: &'static str,
}

/// The table.
pub const FILTERS: &[Filter] = &[];

impl Filter {
    /// The row of a program.
    pub fn named(name: &str) -> Option<&'static Filter> {
        FILTERS.iter().find(|filter| filter.name == name)
    }

    /// Whether the words after the program's name may be used.
    ///
    /// # Errors
    /// For an option that reads or writes files or starts programs, one that is not known, and an operand
    /// that would name a file.
    pub fn judge(&self, words: &[String]) -> Result<(), Refusal> {
        let _ = words;
        Err(Refusal::new(Reason::NotYet, format!("`{}` comes with a later version", self.name)))
    }

    /// Whether it reads its stdin at all when it is used with these words.
    pub fn reads_stdin(&self, words: &[String]) -> bool {
        let _ = words;
        true
    }

    /// What `help` says: the usage line, then the options, one to a line.
    pub fn help(&self) -> String {
        format!("{}\n", self.about)
    }
}
