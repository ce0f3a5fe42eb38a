//! The answers to built-in words.

mod explain;
pub use explain::explain;
mod help;
mod runs;
mod submit;
mod voice;
mod whoami;

pub(crate) use runs::lines as list_runs;
pub(crate) use voice::Voice;

use crate::answer::Answer;
use crate::asking::Asking;
use crate::conversation::Gone;
use crate::record::Request;
use crate::refuse;
use crate::store::Scope;
use crate::word::{Does, Word, usage_of};
use doorward_policy::{BUILT_IN, Reason, Refusal};

/// Answers built-in words: who asks, and where the answer goes.
pub(crate) struct Speaker<'a> {
    pub(crate) asking: &'a Asking,
    pub(crate) outlet: Voice<'a>,
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

    /// Records a refusal and tells it. Built-in words are no runs, also when they are refused.
    pub(crate) async fn refuse(&mut self, request: Request, refusal: Refusal) -> Result<Answer, Gone> {
        let exit = exit_code(refusal.reason);
        let told = self.asking.refused_with(&request, refusal, false, exit).await;
        self.outlet.stderr(&refuse::lines(&told)).await?;
        Ok(Answer::Exit(exit_code(told.reason)))
    }

    /// Tells a refusal that is recorded, or cannot be.
    pub(crate) async fn tell_refusal(&mut self, refusal: &Refusal) -> Result<Answer, Gone> {
        self.outlet.stderr(&refuse::lines(refusal)).await?;
        Ok(Answer::Exit(refuse::exit_code(refusal.reason)))
    }

    /// Shows text about the worker's own things. It is recorded as well; when that is impossible the text is
    /// shown all the same, since it changes nothing and helps to understand why nothing else works.
    pub(crate) async fn show(&mut self, request: Request, text: &str) -> Result<Answer, Gone> {
        self.note(&request, 0).await?;
        self.outlet.stdout(text).await?;
        Ok(Answer::Exit(0))
    }

    /// Says on stderr that the words ask for nothing that there is.
    async fn show_nothing(&mut self, request: Request, text: &str) -> Result<Answer, Gone> {
        self.note(&request, refuse::USAGE).await?;
        self.outlet.stderr(&format!("doorward: {text}\n")).await?;
        Ok(Answer::Exit(refuse::USAGE))
    }

    async fn note(&mut self, request: &Request, exit: u8) -> Result<(), Gone> {
        match self.asking.record_allowed(request, BUILT_IN).await {
            Ok(()) => self.asking.record_outcome(request, exit),
            Err(refusal) => {
                let text = format!(
                    "doorward: only this is answered now ({}): {}\n",
                    refusal.reason, refusal.message
                );
                self.outlet.stderr(&text).await?;
            }
        }
        Ok(())
    }

    /// A built-in word with words that it does not have: what is wrong with them, and how `words` are used.
    async fn refuse_usage(&mut self, request: Request, wrong: String, words: &str) -> Result<Answer, Gone> {
        self.refuse(request, Refusal::new(Reason::BadRequest, wrong).nearest(usage_of(words))).await
    }
}

/// A built-in word that is used in a way that there is not is no refusal: no policy would allow it.
fn exit_code(reason: Reason) -> u8 {
    if reason == Reason::BadRequest { refuse::USAGE } else { refuse::exit_code(reason) }
}

/// A word of the asker's in a message.
fn shown(word: &str) -> String {
    const MOST: usize = 60;
    let text = refuse::one_line(word);
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("'{}…'", text.get(..at).unwrap_or_default()),
        None => format!("'{text}'"),
    }
}
