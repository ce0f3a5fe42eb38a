//! `runs` and what follows it, for a worker about its own runs and for the operator about all.

mod export;
mod list;
mod show;
mod tables;
mod wait;

pub(crate) use list::lines;

use super::{Speaker, shown};
use crate::answer::Answer;
use crate::conversation::Gone;
use crate::limits::Slot;
use crate::record::Request;
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
                Ok(wait) => self.wait(request, scope, wait).await,
                Err(wrong) => self.refuse_usage(request, wrong, "runs wait").await,
            },
            ["cancel", id] => self.cancel(request, scope, id).await,
            ["export", rest @ ..] => match export::Export::read(rest) {
                Ok(export) => self.export(request, scope, export).await,
                Err(wrong) => self.refuse_usage(request, wrong, "runs export").await,
            },
            [word @ ("show" | "cancel"), ..] => {
                let wrong = format!("'runs {word}' takes one id");
                self.refuse_usage(request, wrong, &format!("runs {word}")).await
            }
            [first, rest @ ..] => match (first.parse(), rest) {
                (Ok(count @ 1..=list::MOST), []) => self.list(request, scope, count).await,
                (count, _) => self.refuse_usage(request, no_word(first, count.is_ok()), "runs").await,
            },
        }
    }

    /// The run that a prefix names.
    async fn named_run(&self, scope: Scope, prefix: &str) -> Result<Box<Row>, Refusal> {
        match self.asking.gateway.store.find(scope.clone(), prefix).await {
            Ok(Found::One(row)) => Ok(row),
            Ok(found) => Err(not_one(prefix, &found, &scope)),
            Err(_) => Err(unreadable()),
        }
    }

    /// A place for what takes long or holds memory.
    fn place(&self) -> Result<Slot, Refusal> {
        self.asking.gateway.counts.showing(&self.asking.asker.worker, &self.asking.limits())
    }

    /// A place for waiting.
    fn waiting_place(&self) -> Result<Slot, Refusal> {
        self.asking.gateway.counts.waiting(&self.asking.asker.worker, &self.asking.limits())
    }
}

fn no_word(word: &str, is_number: bool) -> String {
    match is_number {
        true => format!("'runs' takes one number, from 1 to {}", list::MOST),
        false => format!("{} is no word of 'runs'", shown(word)),
    }
}

fn not_one(prefix: &str, found: &Found, scope: &Scope) -> Refusal {
    let (prefix, whose, list) = match scope {
        Scope::Worker(_) => (shown(prefix), " of yours", "runs"),
        Scope::All => (shown(prefix), "", "doorward runs"),
    };
    let message = match found {
        Found::Several => format!("several runs begin with {prefix}"),
        _ => format!("no run{whose} begins with {prefix}"),
    };
    Refusal::new(Reason::ObjectNotAllowed, message)
        .nearest(format!("an id from '{list}', or as much of it as only one has"))
}

fn unreadable() -> Refusal {
    Refusal::new(Reason::Internal, "the saved runs cannot be read now").nearest("tell the operator")
}
