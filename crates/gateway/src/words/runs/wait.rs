//! `runs wait ID [--timeout 120s]` and `runs cancel ID`.

use super::show::{cut_off, left, took};
use super::unreadable;
use crate::answer::Answer;
use crate::conversation::Gone;
use crate::record::Request;
use crate::refuse;
use crate::store::{Row, Scope, State};
use crate::words::{Speaker, shown};
use doorward_policy::{BUILT_IN, Reason, Refusal, duration};
use std::time::Duration;

/// How long a cancelled run may take to end before that is no longer waited for: a little longer than a
/// command has between the two signals that end it.
const ENDING: Duration = Duration::from_secs(5);

/// What is waited for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wait<'w> {
    id: &'w str,
    /// `None`: as long as a line may run.
    timeout: Option<u64>,
}

impl<'w> Wait<'w> {
    /// The words after `wait`, or what is wrong with them.
    pub(super) fn read(words: &[&'w str]) -> Result<Self, String> {
        let (mut id, mut timeout) = (None, None);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let time = match *word {
                "--timeout" => Some(*words.next().ok_or("'--timeout' has no time behind it")?),
                word => word.strip_prefix("--timeout="),
            };
            match time {
                Some(_) if timeout.is_some() => return Err("'--timeout' is there twice".into()),
                Some(time) => timeout = Some(seconds(time)?),
                None if word.starts_with('-') => {
                    return Err(format!("'runs wait' has no option {}", shown(word)));
                }
                None if id.is_some() => return Err("'runs wait' takes one id".into()),
                None => id = Some(*word),
            }
        }
        Ok(Wait { id: id.ok_or("'runs wait' takes one id")?, timeout })
    }
}

fn seconds(time: &str) -> Result<u64, String> {
    let seconds = duration(time).or_else(|| time.parse().ok());
    seconds.ok_or_else(|| format!("{} is no length of time; one is 90, 120s, 2m or 1h", shown(time)))
}

impl Speaker<'_> {
    /// Ends with the run's exit code, with 124 when the time is over, with 125 when the run was cut off.
    pub(super) async fn wait(
        &mut self,
        request: Request,
        scope: Scope,
        wait: Wait<'_>,
    ) -> Result<Answer, Gone> {
        let (row, _place) = match (self.named_run(scope.clone(), wait.id).await, self.waiting_place()) {
            (Ok(row), Ok(place)) => (row, place),
            (Err(refusal), _) | (_, Err(refusal)) => return self.refuse(request, refusal).await,
        };
        if let Err(refusal) = self.asking.record_allowed(&request, BUILT_IN).await {
            return self.tell_refusal(&refusal).await;
        }
        let seconds = wait.timeout.unwrap_or_else(|| self.asking.limits().lines_seconds);
        let row = self.ended_within(*row, scope, Duration::from_secs(seconds)).await;
        let (exit, words) =
            row.as_ref().map_or_else(|refusal| (refuse::FAILED, refusal.message.clone()), end);
        let words = words + &row.as_ref().map(also).unwrap_or_default();
        self.asking.record_outcome(&request, exit);
        self.outlet.stderr(&format!("doorward: {words}\n")).await?;
        Ok(Answer::Exit(exit))
    }

    /// Ends a run that goes on, and says what became of it.
    pub(super) async fn cancel(
        &mut self,
        request: Request,
        scope: Scope,
        prefix: &str,
    ) -> Result<Answer, Gone> {
        let row = match self.named_run(scope.clone(), prefix).await {
            Ok(row) => row,
            Err(refusal) => return self.refuse(request, refusal).await,
        };
        if let Err(refusal) = self.asking.record_allowed(&request, BUILT_IN).await {
            return self.tell_refusal(&refusal).await;
        }
        let worker = match &scope {
            Scope::Worker(worker) => Some(worker.as_str()),
            Scope::All => None,
        };
        self.asking.gateway.running.cancel(&row.id, worker);
        let row = self.ended_within(*row, scope, ENDING).await;
        let (exit, words) = match &row {
            Ok(row) if row.state == State::Running => (0, format!("run {} is being ended", row.id)),
            Ok(row) => (0, end(row).1),
            Err(refusal) => (refuse::FAILED, refusal.message.clone()),
        };
        let words = words + &row.as_ref().map(also).unwrap_or_default();
        self.asking.record_outcome(&request, exit);
        self.outlet.stderr(&format!("doorward: {words}\n")).await?;
        Ok(Answer::Exit(exit))
    }

    /// The run's row once it has ended, or as it is after `patience`.
    async fn ended_within(&self, row: Row, scope: Scope, patience: Duration) -> Result<Row, Refusal> {
        if row.state != State::Running {
            return Ok(row);
        }
        let ended = self.asking.gateway.running.ended(&row.id);
        if tokio::time::timeout(patience, ended).await.is_err() {
            return Ok(row);
        }
        let row = *self.named_run(scope, &row.id).await?;
        // It does not run any more, and its row could not be written.
        if row.state == State::Running { Err(unwritten()) } else { Ok(row) }
    }
}

/// The exit code that a run's end means to who waits for it, and its words.
fn end(row: &Row) -> (u8, String) {
    let id = &row.id;
    if let Some(words) = cut_off(row) {
        return (refuse::FAILED, format!("run {id} was cut off: {words}"));
    }
    match (row.state, row.ended) {
        (State::Running, _) => (refuse::DEADLINE, format!("run {id} has not ended yet")),
        (State::Refused, _) => (row.exit.unwrap_or(refuse::REFUSED), format!("run {id} was refused")),
        (_, ended) => {
            let exit = row.exit.unwrap_or(refuse::FAILED);
            let millis = ended.unwrap_or(row.started).saturating_sub(row.started);
            let how = row.how.as_deref().filter(|how| *how != "exited");
            let how = how.map(|how| format!(" ({how})")).unwrap_or_default();
            (exit, format!("run {id} ended with exit {exit}{how} after {}", took(millis)))
        }
    }
}

/// A further line about what a run may have left.
fn also(row: &Row) -> String {
    left(row).map(|left| format!("\ndoorward: {left}")).unwrap_or_default()
}

fn unwritten() -> Refusal {
    Refusal::new(Reason::Internal, "the run has ended, but its end could not be saved; tell the operator")
        .nearest(unreadable().nearest.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_stands_before_or_after_the_id() {
        let wait = |id, timeout| Ok(Wait { id, timeout });
        let cases: &[(&[&str], Result<Wait<'_>, &str>)] = &[
            (&["A"], wait("A", None)),
            (&["A", "--timeout", "2m"], wait("A", Some(120))),
            (&["--timeout", "90", "A"], wait("A", Some(90))),
            (&["--timeout=1h", "A"], wait("A", Some(3600))),
            (&["A", "--timeout=1s"], wait("A", Some(1))),
            (&["A", "--timeout", "soon"], Err("'soon' is no length of time")),
            (&["A", "--timeout", "99999999999999999999d"], Err("'99999999999999999999d' is no")),
            (&["A", "--timeout"], Err("'--timeout' has no time")),
            (&["A", "--timeout=1", "--timeout=2"], Err("'--timeout' is there twice")),
            (&["A", "B"], Err("'runs wait' takes one id")),
            (&["--timeout=1s"], Err("'runs wait' takes one id")),
            (&["-f"], Err("'runs wait' has no option '-f'")),
            (&[], Err("'runs wait' takes one id")),
        ];
        for (words, expected) in cases {
            match (Wait::read(words), expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, *expected, "{words:?}"),
                (Err(wrong), Err(begin)) => assert!(wrong.starts_with(begin), "{words:?}: {wrong}"),
                (read, _) => panic!("{words:?}: {read:?}"),
            }
        }
    }
}
