//! Records that nobody waits for: they are kept for a moment and sent together, in their order.

use crate::broker::{MAX_REQUEST, RequestId, ToBroker};
use crate::frame::{FrameError, append};
use std::collections::HashSet;
use std::time::Duration;

/// Longest that a record is kept before it is sent.
pub(crate) const MOMENT: Duration = Duration::from_millis(2);
/// Most bytes that are kept.
const KEPT: usize = 64 * 1024;
/// Most intents that were not waited for and have no answer yet.
const MOST_OPEN: usize = 1024;

/// What is kept, and what became of the last that was sent.
#[derive(Debug, Default)]
pub(crate) struct Soon {
    /// Whole frames.
    frames: Vec<u8>,
    /// Intents that the broker has not answered.
    open: HashSet<RequestId>,
    /// The last answer was a refusal: until there is a better one, intents are waited for.
    doubt: bool,
}

/// What must be done after something was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Nothing: there was something before it.
    Behind,
    /// To be sent in a moment.
    First,
    /// To be sent now.
    Full,
}

impl Soon {
    /// Whether an intent may be kept without waiting: the last records stood, and not too many are open.
    pub(crate) fn trusts(&self) -> bool {
        !self.doubt && self.open.len() < MOST_OPEN
    }

    /// Keeps an intent that is not waited for.
    pub(crate) fn intend(&mut self, request: RequestId, message: &ToBroker) -> Result<Kept, FrameError> {
        let kept = self.keep(message)?;
        self.open.insert(request);
        Ok(kept)
    }

    /// Keeps a message that has no answer.
    pub(crate) fn keep(&mut self, message: &ToBroker) -> Result<Kept, FrameError> {
        let first = self.frames.is_empty();
        append(&mut self.frames, message, 0, MAX_REQUEST)?;
        Ok(match first {
            _ if self.frames.len() >= KEPT => Kept::Full,
            true => Kept::First,
            false => Kept::Behind,
        })
    }

    /// What was kept so far; to be sent before anything else.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.frames)
    }

    /// The broker has answered an intent, and whether its record stands; `true` when nobody waited for it.
    pub(crate) fn answered(&mut self, request: &RequestId, stands: bool) -> bool {
        self.doubt = !stands;
        self.open.remove(request)
    }

    /// How many intents were not waited for and have no answer.
    pub(crate) fn unanswered(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> ToBroker {
        ToBroker::CheckBinds { request: RequestId::new(), paths: vec!["/".repeat(30_000)] }
    }

    #[test]
    fn what_is_kept_is_sent_in_a_moment_or_when_it_is_much() {
        let mut soon = Soon::default();
        assert_eq!(soon.keep(&message()).unwrap(), Kept::First);
        assert_eq!(soon.keep(&message()).unwrap(), Kept::Behind);
        assert_eq!(soon.keep(&message()).unwrap(), Kept::Full);
        assert!(soon.take().len() > KEPT);
        assert_eq!(soon.keep(&message()).unwrap(), Kept::First);
    }

    #[test]
    fn after_a_refusal_intents_are_waited_for_until_one_stands() {
        let mut soon = Soon::default();
        let request = RequestId::new();
        soon.intend(request.clone(), &message()).unwrap();
        assert!(soon.trusts());
        assert!(soon.answered(&request, false), "nobody waited for it");
        assert!(!soon.trusts());
        assert!(!soon.answered(&RequestId::new(), true), "somebody waited for this one");
        assert!(soon.trusts());
    }

    #[test]
    fn too_many_without_an_answer_are_not_added_to() {
        let mut soon = Soon::default();
        for _ in 0..MOST_OPEN {
            assert!(soon.trusts());
            soon.intend(RequestId::new(), &message()).unwrap();
            soon.take();
        }
        assert!(!soon.trusts());
        assert_eq!(soon.unanswered(), MOST_OPEN);
    }
}
