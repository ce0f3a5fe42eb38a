//! Built-in words: always allowed, about the worker's own things. One row each; help, the greeting and the
//! refusals are made from the rows.

mod explain;
pub use explain::explain;
mod help;
mod runs;
mod submit;
mod voice;
mod whoami;

pub(crate) use runs::lines as list_runs;
pub(crate) use voice::Voice;

use crate::asking::Asking;
use crate::conversation::Gone;
use crate::record::Request;
use crate::refuse;
use crate::session::Answer;
use crate::store::Scope;
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
    /// Whether it stands alone on its line.
    pub(crate) alone: bool,
    does: Does,
}

/// What answers a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
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
        alone: false,
        does: Does::Help,
    },
    Word {
        name: "whoami",
        usage: &["whoami"],
        about: "Which worker you are, with which roles and limits.",
        alone: false,
        does: Does::Whoami,
    },
    Word {
        name: "explain",
        usage: &["explain [--json] -- LINE"],
        about: "Whether a line would be allowed, and why. Nothing is run.",
        alone: false,
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
        alone: false,
        does: Does::Runs,
    },
    submit::WORD,
    Word {
        name: "bench",
        usage: &["bench ollama --model M"],
        about: "The Ollama benchmark (comes with a later version).",
        alone: false,
        does: Does::Later,
    },
];

/// Every way to use a word, on one line.
fn usage_of(name: &str) -> String {
    named(name).map(|word| word.usage.join("  |  ")).unwrap_or_default()
}

/// The row of a word.
pub(crate) fn named(name: &str) -> Option<&'static Word> {
    WORDS.iter().find(|word| word.name == name)
}

impl Word {
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

/// Answers built-in words: who asks, and where the answer goes.
pub(crate) struct Speaker<'a> {
    pub(crate) asking: &'a Asking,
    pub(crate) outlet: Voice<'a>,
    /// Whether there is no run that the answer is part of.
    pub(crate) is_alone: bool,
}

impl Speaker<'_> {
    /// Answers a command that begins with a built-in word.
    pub(crate) async fn answer(
        &mut self,
        word: &'static Word,
        request: Request,
        argv: &[String],
    ) -> Result<Answer, Gone> {
        let rest = argv.get(1..).unwrap_or_default();
        match word.does {
            Does::Help => self.help(request, rest).await,
            Does::Whoami => self.whoami(request, rest).await,
            Does::Explain => self.explain(request, rest).await,
            Does::Runs => {
                let scope = Scope::Worker(self.asking.asker.worker.clone());
                self.runs(request, scope, rest).await
            }
            Does::Submit => self.submit(request, rest).await,
            Does::Later => match word.judge() {
                Ok(()) => Ok(Answer::Exit(0)),
                Err(refusal) => self.refuse(request, refusal).await,
            },
        }
    }

    /// Records a refusal and tells it.
    pub(crate) async fn refuse(&mut self, request: Request, refusal: Refusal) -> Result<Answer, Gone> {
        let told = self.asking.refused(&request, refusal, self.is_alone).await;
        self.tell_refusal(&told).await
    }

    /// Tells a refusal that is recorded, or cannot be.
    pub(crate) async fn tell_refusal(&mut self, refusal: &Refusal) -> Result<Answer, Gone> {
        self.outlet.stderr(&refuse::lines(refusal)).await?;
        Ok(Answer::Exit(refuse::exit_code(refusal.reason)))
    }

    /// Shows text about the worker's own things. It is recorded as well; when that is impossible the text is
    /// shown all the same, since it changes nothing and helps to understand why nothing else works.
    pub(crate) async fn show(&mut self, request: Request, text: &str) -> Result<Answer, Gone> {
        match self.asking.record_allowed(&request, "built-in").await {
            Ok(()) => self.asking.record_outcome(&request, 0),
            Err(refusal) => {
                let text = format!(
                    "doorward: only this is answered now ({}): {}\n",
                    refusal.reason, refusal.message
                );
                self.outlet.stderr(&text).await?;
            }
        }
        self.outlet.stdout(text).await?;
        Ok(Answer::Exit(0))
    }

    /// A built-in word with words that it does not have.
    async fn refuse_usage(&mut self, request: Request, word: &str) -> Result<Answer, Gone> {
        let refusal = Refusal::new(Reason::BadRequest, format!("'{word}' is not used like this"))
            .nearest(usage_of(word));
        self.refuse(request, refusal).await
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
