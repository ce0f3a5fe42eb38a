//! `runs` and what follows it, for a worker about its own runs and for the operator about all.

mod export;
mod list;
mod show;
mod tables;
mod wait;

pub(crate) use list::lines;

use super::Speaker;
use crate::conversation::Gone;
use crate::limits::Slot;
use crate::record::Request;
use crate::refuse::one_line;
use crate::session::Answer;
use crate::store::{Found, Row, Scope};
use doorward_policy::{Reason, Refusal};

impl Speaker<'_> {
    pub(crate) async fn runs(
        &mut self,
        request: Request,
        scope: Scope,
        words: &[String],
    ) -> Result<Answer, Gone> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => self.list(request, scope, list::SHOWN).await,
            ["show", id] => self.show_run(request, scope, id).await,
            ["wait", rest @ ..] => match wait::Wait::read(rest) {
                Some(wait) => self.wait(request, scope, wait).await,
                None => self.refuse_usage(request, "runs").await,
            },
            ["cancel", id] => self.cancel(request, scope, id).await,
            ["export", rest @ ..] => match export::Export::read(rest) {
                Some(export) => self.export(request, scope, export).await,
                None => self.refuse_usage(request, "runs").await,
            },
            [count] => match count.parse() {
                Ok(count @ 1..=list::MOST) => self.list(request, scope, count).await,
                _ => self.refuse_usage(request, "runs").await,
            },
            _ => self.refuse_usage(request, "runs").await,
        }
    }

    /// The run that a prefix names.
    async fn named_run(&self, scope: Scope, prefix: &str) -> Result<Box<Row>, Refusal> {
        match self.asking.gateway.store.find(scope, prefix).await {
            Ok(Found::One(row)) => Ok(row),
            Ok(found) => Err(not_one(prefix, &found)),
            Err(_) => Err(unreadable()),
        }
    }

    /// A place for what takes long or holds memory.
    fn place(&self) -> Result<Slot, Refusal> {
        self.asking.gateway.counts.showing(&self.asking.asker.worker, &self.asking.limits())
    }
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
