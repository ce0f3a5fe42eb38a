//! `runs` and `runs show ID`, for a worker about its own runs and for the operator about all.

use super::Speaker;
use super::usage_of;
use crate::clock;
use crate::conversation::Gone;
use crate::record::Request;
use crate::refuse::one_line;
use crate::session::Answer;
use crate::store::{Found, Row, SavedOutput, Scope, State};
use doorward_policy::{Reason, Refusal};
use std::fmt::Write;

/// Runs that a list shows unless more are asked for.
const SHOWN: u32 = 50;
/// Most runs of a list: it is made in memory.
const MOST: u32 = 1000;
/// Words after `runs` that come with a later version.
const LATER: &[&str] = &["wait", "cancel", "export"];

impl Speaker<'_> {
    pub(crate) async fn runs(
        &mut self,
        request: Request,
        scope: Scope,
        words: &[String],
    ) -> Result<Answer, Gone> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => self.list(request, scope, SHOWN).await,
            ["show", id] => self.show_run(request, scope, id).await,
            [later, ..] if LATER.contains(later) => {
                let refusal =
                    Refusal::new(Reason::NotYet, format!("'runs {later}' comes with a later version"))
                        .nearest(usage_of("runs"));
                self.refuse(request, refusal).await
            }
            [count] => match count.parse() {
                Ok(count @ 1..=MOST) => self.list(request, scope, count).await,
                _ => self.refuse_usage(request, "runs").await,
            },
            _ => self.refuse_usage(request, "runs").await,
        }
    }

    async fn list(&mut self, request: Request, scope: Scope, count: u32) -> Result<Answer, Gone> {
        let _place =
            match self.asking.gateway.counts.showing(&self.asking.asker.worker, &self.asking.limits()) {
                Ok(place) => place,
                Err(refusal) => return self.refuse(request, refusal).await,
            };
        let all = matches!(scope, Scope::All);
        match self.asking.gateway.store.list(scope, count).await {
            Ok(rows) => self.show(request, &lines(&rows, all)).await,
            Err(_) => self.refuse(request, unreadable()).await,
        }
    }

    async fn show_run(&mut self, request: Request, scope: Scope, prefix: &str) -> Result<Answer, Gone> {
        let row = match self.asking.gateway.store.find(scope, prefix).await {
            Ok(Found::One(row)) => row,
            Ok(found) => return self.refuse(request, not_one(prefix, &found)).await,
            Err(_) => return self.refuse(request, unreadable()).await,
        };
        let _place =
            match self.asking.gateway.counts.showing(&self.asking.asker.worker, &self.asking.limits()) {
                Ok(place) => place,
                Err(refusal) => return self.refuse(request, refusal).await,
            };
        // A saved output may hold what other processes wrote: it is not shown without a record.
        if let Err(refusal) = self.asking.record_allowed(&request, "built-in").await {
            return self.tell_refusal(&refusal).await;
        }
        let shown = match self.asking.gateway.store.output(&row) {
            Ok(saved) => self.show_saved(&row, saved).await,
            Err(_) => self.outlet.stderr(&unread_note(&row)).await,
        };
        self.asking.record_outcome(&request, 0);
        shown.map(|()| Answer::Exit(0))
    }

    /// One piece at a time, at the session's pace. Reading happens on another thread.
    async fn show_saved(&mut self, row: &Row, mut saved: SavedOutput) -> Result<(), Gone> {
        self.outlet.stderr(&header(row)).await?;
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let piece = saved.next();
                (saved, piece)
            });
            let piece = match read.await {
                Ok((back, Ok(piece))) => {
                    saved = back;
                    piece
                }
                Ok((_, Err(_))) | Err(_) => return self.outlet.stderr(&unread_note(row)).await,
            };
            match piece {
                None => return Ok(()),
                Some((stream, bytes)) => self.outlet.put(stream, bytes).await?,
            }
        }
    }
}

/// The list as text; with the worker's name when it is about `all`.
pub(crate) fn lines(rows: &[Row], all: bool) -> String {
    let mut text = String::new();
    let worker = |name: &str| if all { format!("{name:<16}  ") } else { String::new() };
    let _ = writeln!(
        text,
        "{:<26}  {:<19}  {:>7}  {:>10}  {}LINE",
        "ID",
        "STARTED (UTC)",
        "EXIT",
        "BYTES",
        worker("WORKER")
    );
    for row in rows {
        let _ = writeln!(
            text,
            "{:<26}  {:<19}  {:>7}  {:>10}  {}{}",
            row.id,
            clock::shown(row.started),
            exit(row),
            row.bytes,
            worker(&row.worker),
            one_line(&row.line),
        );
    }
    if rows.is_empty() {
        text.push_str("(no runs yet)\n");
    }
    text
}

fn exit(row: &Row) -> String {
    match (row.state, row.exit) {
        (State::Ended, Some(exit)) => exit.to_string(),
        (state, _) => state.name().into(),
    }
}

fn header(row: &Row) -> String {
    let mut text = format!("doorward: run {}, started {} UTC", row.id, clock::shown(row.started));
    if let Some(ended) = row.ended {
        let millis = ended.saturating_sub(row.started);
        let _ = write!(text, ", took {}.{:03} s", millis / 1000, millis % 1000);
    }
    let _ = write!(text, ", {}", clock::size(row.bytes));
    let _ = write!(text, ", {}", row.state.name());
    if let Some(exit) = row.exit {
        let _ = write!(text, " with exit {exit}");
    }
    if let Some(how) = row.how.as_deref().filter(|how| *how != "exited") {
        let _ = write!(text, " ({how})");
    }
    let _ = write!(text, "\ndoorward: line: {}\n", one_line(&row.line));
    if let (Some(reason), Some(message)) = (&row.reason, &row.message) {
        let _ = writeln!(text, "doorward: {reason}: {}", one_line(message));
    }
    if row.truncated {
        text.push_str("doorward: the saved output is not whole\n");
    }
    text
}

fn not_one(prefix: &str, found: &Found) -> Refusal {
    let prefix = one_line(prefix);
    let message = match found {
        Found::Several => format!("several runs begin with '{prefix}'"),
        _ => format!("no run of yours begins with '{prefix}'"),
    };
    Refusal::new(Reason::ObjectNotAllowed, message)
        .nearest("an id from 'runs', or as much of it as only one has")
}

fn unreadable() -> Refusal {
    Refusal::new(Reason::Internal, "the saved runs cannot be read now").nearest("tell the operator")
}

fn unread_note(row: &Row) -> String {
    match row.state {
        State::Running => "doorward: the run has not ended; this is what is saved so far\n".into(),
        State::CutOff => "doorward: the run was cut off; nothing more is saved\n".into(),
        _ => "doorward: the saved output cannot be read further\n".into(),
    }
}
