//! `runs show ID`.

use crate::answer::Answer;
use crate::clock;
use crate::conversation::Gone;
use crate::ending::{LEFT, may_have_left};
use crate::record::Request;
use crate::refuse::one_line;
use crate::store::{Row, SavedOutput, Scope, StageEnd, State, Stream};
use crate::words::Speaker;
use doorward_policy::BUILT_IN;
use std::fmt::Write;

impl Speaker<'_> {
    pub(super) async fn show_run(
        &mut self,
        request: Request,
        scope: Scope,
        prefix: &str,
    ) -> Result<Answer, Gone> {
        let (row, _place) = match (self.named_run(scope, prefix).await, self.place()) {
            (Ok(row), Ok(place)) => (row, place),
            (Err(refusal), _) | (_, Err(refusal)) => return self.refuse(request, refusal).await,
        };
        // A saved output may hold what other processes wrote: it is not shown without a record.
        if let Err(refusal) = self.asking.record_allowed(&request, BUILT_IN).await {
            return self.tell_refusal(&refusal).await;
        }
        if row.state == State::Running {
            // What cannot be flushed is missing below, and told with the run's end.
            let _ = self.asking.gateway.store.flush(&row.id).await;
        }
        let shown = self.show_saved(&row).await;
        self.asking.record_outcome(&request, 0);
        shown.map(|()| Answer::Exit(0))
    }

    async fn show_saved(&mut self, row: &Row) -> Result<(), Gone> {
        self.outlet.stderr(&header(row)).await?;
        let whole = match self.asking.gateway.store.output(row) {
            Ok(saved) => self.put_saved(saved).await?,
            Err(_) => false,
        };
        self.outlet.stderr(&mark(row, whole)).await
    }

    /// One piece at a time, at the reader's pace; whether it could be read to its end.
    async fn put_saved(&mut self, mut saved: SavedOutput) -> Result<bool, Gone> {
        loop {
            let (back, piece) = next(saved).await;
            match (back, piece) {
                (Some(back), Some((stream, bytes))) => {
                    saved = back;
                    self.outlet.put(stream, bytes).await?;
                }
                (Some(_), None) => return Ok(true),
                (None, _) => return Ok(false),
            }
        }
    }
}

/// A piece of an output, with the stream that it was on; `None` at the end.
type Piece = Option<(Stream, Vec<u8>)>;

/// The next piece, read on a thread that may wait for the disk; the output back unless it cannot be read.
pub(super) async fn next(mut saved: SavedOutput) -> (Option<SavedOutput>, Piece) {
    let read = tokio::task::spawn_blocking(move || {
        let piece = saved.next();
        (saved, piece)
    });
    match read.await {
        Ok((saved, Ok(piece))) => (Some(saved), piece),
        Ok((_, Err(_))) | Err(_) => (None, None),
    }
}

fn header(row: &Row) -> String {
    let mut text = format!("doorward: run {}, started {} UTC", row.id, clock::shown(row.started));
    if let Some(ended) = row.ended {
        let _ = write!(text, ", took {}", took(ended.saturating_sub(row.started)));
    }
    let _ = write!(text, ", {}, {}", clock::size(row.bytes), row.state.name());
    if let Some(exit) = row.exit {
        let _ = write!(text, " with exit {exit}");
    }
    if let Some(how) = row.how.as_deref().filter(|how| *how != "exited") {
        let _ = write!(text, " ({how})");
    }
    let job = if row.job { "submitted " } else { "" };
    let _ = write!(text, "\ndoorward: {job}line: {}\n", one_line(&row.line));
    for (number, stage) in (1..).zip(&row.stages) {
        let _ = writeln!(text, "doorward: command {number}: {}", command(stage));
    }
    if let (Some(reason), Some(message)) = (&row.reason, &row.message) {
        let _ = writeln!(text, "doorward: {reason}: {}", one_line(message));
    }
    if let Some(words) = cut_off(row) {
        let _ = writeln!(text, "doorward: {words}");
    }
    if let Some(left) = left(row) {
        let _ = writeln!(text, "doorward: {left}");
    }
    if row.removed > 0 {
        let _ = writeln!(text, "doorward: {} of control sequences are left out", clock::size(row.removed));
    }
    if row.truncated {
        text.push_str("doorward: the saved output is not whole\n");
    }
    text
}

/// `12.345 s`.
pub(super) fn took(millis: i64) -> String {
    format!("{}.{:03} s", millis / 1000, millis % 1000)
}

fn command(stage: &StageEnd) -> String {
    let mut text = one_line(&stage.line);
    match (stage.exit, stage.how.as_str()) {
        (Some(exit), "exited") => text.push_str(&format!(": exit {exit}")),
        (Some(exit), how) => text.push_str(&format!(": exit {exit} ({how})")),
        (None, how) => text.push_str(&format!(": {how}")),
    }
    text.push_str(&format!(", by {}", stage.rule));
    text
}

/// In words, why a run has no end of its own.
pub(super) fn cut_off(row: &Row) -> Option<&'static str> {
    match (row.state, row.how.as_deref()) {
        (State::CutOff, Some("broker_gone")) => {
            Some("the service that runs commands stopped while the run went on, and ended it")
        }
        (State::CutOff, _) => Some("the gateway stopped while the run went on, and ended it"),
        _ => None,
    }
}

/// What is said of a run that may have left something in the engine.
pub(super) fn left(row: &Row) -> Option<&'static str> {
    let how = match row.state {
        State::CutOff => "broker_gone",
        _ => row.how.as_deref().unwrap_or_default(),
    };
    let may = match row.stages.as_slice() {
        [] => may_have_left(row.rule.as_deref().unwrap_or_default(), how),
        stages => stages.iter().any(|stage| may_have_left(&stage.rule, &stage.how)),
    };
    may.then_some(LEFT)
}

/// What stands after the saved output when there may have been more.
fn mark(row: &Row, whole: bool) -> String {
    let text = match (row.state, row.how.as_deref()) {
        (State::Running, _) => "the run has not ended; this is what is saved so far",
        (State::CutOff, _) => "the run was cut off here; nothing more is saved",
        _ if !whole => "the saved output cannot be read further",
        (_, Some("output_limit")) => "the output was cut here, at the limit of the line",
        _ if row.truncated => "what came after this is not saved",
        _ => return String::new(),
    };
    format!("doorward: {text}\n")
}
