//! `runs [COUNT]`.

use super::unreadable;
use crate::answer::Answer;
use crate::clock;
use crate::conversation::Gone;
use crate::record::Request;
use crate::refuse::one_line;
use crate::store::{Row, Scope, State};
use crate::words::Speaker;
use std::fmt::Write;

/// Runs that a list shows unless more are asked for.
pub(super) const SHOWN: u32 = 50;
/// Most runs of a list: it is made in memory.
pub(super) const MOST: u32 = 1000;

impl Speaker<'_> {
    pub(super) async fn list(&mut self, request: Request, scope: Scope, count: u32) -> Result<Answer, Gone> {
        let _place = match self.place() {
            Ok(place) => place,
            Err(refusal) => return self.refuse(request, refusal).await,
        };
        let all = matches!(scope, Scope::All);
        match self.asking.gateway.store.list(scope, count).await {
            Ok(rows) => self.show(request, &lines(&rows, all)).await,
            Err(_) => self.refuse(request, unreadable()).await,
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
