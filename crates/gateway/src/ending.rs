//! How commands and lines end, as it is told and saved.

use crate::clock;
use crate::delivery::Delivered;
use crate::refuse;
use crate::running::{DISCONNECT, OUTPUT_LIMIT};
use crate::store::{Ended, StageEnd, State};
use doorward_policy::{Reason, Refusal};
use doorward_wire::broker::End;

/// How a command that doorward ended appears: as one that SIGTERM ended.
const TERMINATED: u8 = 128 + 15;

/// How a command or a line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) exit: u8,
    /// As in [`Ended::how`].
    pub(crate) how: &'static str,
    pub(crate) state: State,
    pub(crate) reason: Option<Reason>,
    pub(crate) message: Option<String>,
    pub(crate) nearest: Option<String>,
    /// Whether nothing else of the line may run after it.
    pub(crate) is_last: bool,
}

/// Ends that doorward put to a command, as in [`Ended::how`].
const CUT: &[&str] = &["cancelled", DISCONNECT, "deadline", OUTPUT_LIMIT, "broker_gone"];

/// What is said of a docker command that doorward ended.
pub(crate) const LEFT: &str =
    "what the docker command started may go on: docker ps shows it, docker rm -f NAME ends it";

/// Whether a command of this rule that ended like this may have left something in the engine: what is ended
/// is docker's client alone, and what it asked for is the engine's.
pub(crate) fn may_have_left(rule: &str, how: &str) -> bool {
    rule.split(", ").any(|rule| rule.ends_with(".docker")) && CUT.contains(&how)
}

impl Ending {
    /// By itself.
    pub(crate) fn exited(exit: u8) -> Self {
        Ending {
            exit,
            how: "exited",
            state: State::Ended,
            reason: None,
            message: None,
            nearest: None,
            is_last: false,
        }
    }

    fn last(exit: u8, how: &'static str, message: Option<String>) -> Self {
        Ending { how, message, is_last: true, ..Ending::exited(exit) }
    }

    /// After `seconds` of the line, or of less when its rule says so.
    pub(crate) fn deadline(seconds: u64) -> Self {
        let message =
            format!("ended at its deadline; a line may run for {seconds} s unless its rule says less");
        Ending::last(refuse::DEADLINE, "deadline", Some(message))
    }

    /// By doorward, for this reason.
    pub(crate) fn stopped(why: &str) -> Self {
        match why {
            OUTPUT_LIMIT => Ending::last(TERMINATED, OUTPUT_LIMIT, None),
            DISCONNECT => Ending::last(TERMINATED, DISCONNECT, None),
            _ => Ending::last(TERMINATED, "cancelled", Some("ended because somebody cancelled it".into())),
        }
    }

    /// Because the reader of its output went away.
    pub(crate) fn unread() -> Self {
        Ending { how: "signaled", ..Ending::exited(128 + 13) }
    }

    /// Refused when its turn came; commands before it may have run.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        Ending {
            state: State::Refused,
            reason: Some(refusal.reason),
            nearest: refusal.nearest,
            ..Ending::last(refuse::exit_code(refusal.reason), "refused", Some(refusal.message))
        }
    }

    /// What the broker says of one command; `seconds` is the line's limit.
    pub(crate) fn of(end: &End, seconds: u64) -> Self {
        match end {
            End::Exited { code } => Ending::exited(*code),
            End::Signaled { signal } => {
                Ending { how: "signaled", ..Ending::exited(signal.saturating_add(128)) }
            }
            End::Deadline => Ending::deadline(seconds),
            End::Cancelled { why } => Ending::stopped(why),
            End::SpawnFailed { step, error } => {
                let message =
                    format!("the sandbox could not be built (step {step}: {error}), so nothing was run");
                Ending {
                    reason: Some(Reason::SpawnFailed),
                    ..Ending::last(refuse::FAILED, "spawn_failed", Some(message))
                }
            }
        }
    }

    /// The broker went away.
    pub(crate) fn broker_gone() -> Self {
        let message = "the service that runs commands went away, and the command with it";
        Ending {
            state: State::CutOff,
            reason: Some(Reason::BrokerUnavailable),
            ..Ending::last(refuse::FAILED, "broker_gone", Some(message.into()))
        }
    }

    /// Of a pipeline whose commands ended like this, from left to right: the last one's, unless doorward
    /// ended one. What failed in doorward comes before what a limit ended.
    pub(crate) fn of_pipeline(ends: &[Ending]) -> Self {
        let failed = ends.iter().find(|end| end.reason.is_some());
        let ended = || ends.iter().find(|end| end.is_last);
        failed.or_else(ended).or(ends.last()).cloned().unwrap_or_else(Ending::broker_gone)
    }

    /// The refusal that it is, when it is one or a failure.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let (reason, message) = (self.reason?, self.message.as_ref()?);
        let refusal = Refusal::new(reason, message.clone());
        Some(match &self.nearest {
            Some(nearest) => refusal.nearest(nearest.clone()),
            None => refusal,
        })
    }

    /// The end of one command of several.
    pub(crate) fn of_stage(&self, line: String, rule: String) -> StageEnd {
        let ran = self.how != "spawn_failed" && self.how != "refused";
        StageEnd { line, rule, exit: ran.then_some(self.exit), how: self.how.to_owned() }
    }

    /// The run's row. `stages` is empty when there is only one command, `message` without secrets.
    pub(crate) fn row(
        &self,
        rule: Option<String>,
        message: Option<String>,
        delivered: Delivered,
        stages: Vec<StageEnd>,
    ) -> Ended {
        let ran = stages.iter().any(|stage| stage.exit.is_some());
        Ended {
            // A line whose first commands ran was not refused as a whole.
            state: if ran && self.state == State::Refused { State::Ended } else { self.state },
            rule,
            reason: self.reason.map(|reason| reason.code().to_owned()),
            message,
            exit: Some(self.exit),
            how: (ran || self.state != State::Refused).then(|| self.how.to_owned()),
            at: clock::now(),
            bytes: delivered.bytes,
            truncated: delivered.cut,
            removed: delivered.removed,
            stages,
        }
    }
}

/// A command that was not run, because a `&&` or `||` passed over it or the line ended before.
pub(crate) fn skipped(line: String, rule: String) -> StageEnd {
    StageEnd { line, rule, exit: None, how: "skipped".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ends: &[End]) -> Ending {
        Ending::of_pipeline(&ends.iter().map(|end| Ending::of(end, 9)).collect::<Vec<_>>())
    }

    #[test]
    fn every_end_has_its_exit_code() {
        let cancelled = |why: &str| End::Cancelled { why: why.into() };
        let spawn_failed = End::SpawnFailed { step: "16 landlock".into(), error: "EPERM".into() };
        let cases = [
            (vec![End::Exited { code: 3 }], 3),
            (vec![End::Signaled { signal: 9 }], 137),
            (vec![End::Signaled { signal: 255 }], 255),
            (vec![End::Deadline], 124),
            (vec![cancelled("output_limit")], 143),
            (vec![cancelled("anything")], 143),
            (vec![spawn_failed.clone()], 125),
            (vec![End::Exited { code: 3 }, End::Exited { code: 0 }], 0),
            (vec![End::Signaled { signal: 13 }, End::Exited { code: 1 }], 1),
            (vec![End::Deadline, End::Exited { code: 0 }], 124),
            (vec![cancelled("x"), spawn_failed, cancelled("x")], 125),
            (vec![], 125),
        ];
        for (ends, exit) in cases {
            assert_eq!(of(&ends).exit, exit, "{ends:?}");
        }
    }
}
