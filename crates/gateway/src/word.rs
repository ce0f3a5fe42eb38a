//! Built-in words: always allowed, about the worker's own things. One row each; what they mean, help, the
//! greeting and the refusals are made from the rows.

use doorward_policy::{Reason, Refusal};

/// A built-in word.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The line's first word.
    pub(crate) name: &'static str,
    /// Every way to use it.
    pub(crate) usage: &'static [&'static str],
    /// For people.
    pub(crate) about: &'static str,
    /// Among which other commands of a line it may stand.
    pub(crate) stands: Stands,
    pub(crate) does: Does,
}

/// Among which other commands of a line a word may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    /// Wherever a pipeline begins.
    Anywhere,
    /// With nothing behind it but filters: it takes a line, and what follows must not be taken for a part of it.
    BeforeFilters,
    /// With nothing: it takes a line, and its answer is short.
    Alone,
}

/// What answers a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    Help,
    Whoami,
    Explain,
    Runs,
    Submit,
    /// Comes with a later version.
    Later,
}

/// The table.
pub(crate) const WORDS: &[Word] = &[
    Word {
        name: "help",
        usage: &["help [WORDS]"],
        about: "What you may do; with words, only what begins with them.",
        stands: Stands::Anywhere,
        does: Does::Help,
    },
    Word {
        name: "whoami",
        usage: &["whoami"],
        about: "Which worker you are, with which roles and limits.",
        stands: Stands::Anywhere,
        does: Does::Whoami,
    },
    Word {
        name: "explain",
        usage: &["explain [--json] -- LINE"],
        about: "Whether a line would be allowed, and why. Nothing is run. Of a docker line only the words are judged ('allow so far').",
        stands: Stands::BeforeFilters,
        does: Does::Explain,
    },
    Word {
        name: "runs",
        usage: &[
            "runs [COUNT]",
            "runs show ID",
            "runs wait ID [--timeout 120s]",
            "runs cancel ID",
            "runs export [ID…] [--format json|csv|tar]",
        ],
        about: "Your lines, newest first; the saved output of one; its end; all of them as data.",
        stands: Stands::Anywhere,
        does: Does::Runs,
    },
    Word {
        name: "submit",
        usage: &["submit -- LINE"],
        about: "A run that outlives the connection. Answers with its id; 'runs wait ID' waits for its end.",
        stands: Stands::Alone,
        does: Does::Submit,
    },
    Word {
        name: "bench",
        usage: &["bench ollama --model M"],
        about: "The Ollama benchmark (comes with a later version).",
        stands: Stands::Anywhere,
        does: Does::Later,
    },
];

/// Every way to use these words, on one line.
pub(crate) fn usage_of(words: &str) -> String {
    let usages = WORDS.iter().flat_map(|word| word.usages_of(words));
    usages.collect::<Vec<_>>().join("  |  ")
}

/// The row of a word.
pub(crate) fn named(name: &str) -> Option<&'static Word> {
    WORDS.iter().find(|word| word.name == name)
}

impl Word {
    /// Its usage lines that begin with `words`.
    pub(crate) fn usages_of(&self, words: &str) -> impl Iterator<Item = &'static str> {
        let begins = move |usage: &&str| {
            usage.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        self.usage.iter().copied().filter(begins)
    }

    /// How a whole line is given to a word that takes one: also through a shell, which takes quotes away.
    pub(crate) fn quoted(&self) -> Option<String> {
        let own = format!("{} -- 'A && B'", self.name);
        (self.stands != Stands::Anywhere).then(|| format!("{own}   from a shell: ssh HOST \"{own}\""))
    }

    /// Whether this version has it.
    pub(crate) fn judge(&self) -> Result<(), Refusal> {
        match self.does {
            Does::Later => {
                let message = format!("'{}' comes with a later version", self.name);
                Err(Refusal::new(Reason::NotYet, message).nearest("help"))
            }
            Does::Help | Does::Whoami | Does::Explain | Does::Runs | Does::Submit => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_usage_lines_that_begin_with_it() {
        for word in WORDS {
            assert!(!word.about.is_empty());
            assert!(!word.usage.is_empty());
            assert!(word.usage.iter().all(|usage| usage.split(' ').next() == Some(word.name)));
            assert_eq!(named(word.name), Some(word));
        }
    }
}
