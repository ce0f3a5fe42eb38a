//! A line as a run: its place among the worker's, its row, its course, and its end.
//!
//! A run needs no session. [`Run::begin`] takes a judged line and gives what can be carried out on a task of
//! its own with a [`Delivery`] that leads nowhere but into the saved run:
//!
//! ```text
//! let nowhere = Rc::new(Delivery::new(None));
//! let run = Run::begin(asking, &request, plan, nowhere).await?;   // or a refusal to record and tell
//! tokio::task::spawn_local(async move { run.carry_out(None).await });
//! ```
//!
//! Until its end it stands in [`RunningRuns`](crate::running::RunningRuns), by which it can be cancelled and
//! waited for.

use crate::asking::Asking;
use crate::course::Course;
use crate::delivery::Delivery;
use crate::ending::{Ending, LEFT, may_have_left};
use crate::limits::Slot;
use crate::plan::Plan;
use crate::record::Request;
use crate::refuse;
use crate::running::{Entered, Stop};
use crate::stdin::Stdin;
use crate::store::StageEnd;
use doorward_policy::{Reason, Refusal};
use std::rc::Rc;
use std::sync::Arc;

/// A line that has its place and its row, and can be carried out.
#[derive(Debug)]
pub(crate) struct Run {
    asking: Asking,
    request: Request,
    plan: Plan,
    delivery: Rc<Delivery>,
    /// Ends it.
    pub(crate) stop: Stop,
    _slot: Slot,
    _entered: Entered,
}

impl Run {
    /// Takes one of the worker's places and makes the row; `Err` is to be refused.
    pub(crate) async fn begin(
        asking: &Asking,
        request: &Request,
        plan: Plan,
        delivery: Rc<Delivery>,
    ) -> Result<Self, Refusal> {
        let (worker, limits) = (&asking.asker.worker, asking.limits());
        let slot = asking.gateway.counts.slot(worker, &limits)?;
        let row = request.row(&asking.known, worker);
        let policy = Arc::clone(&asking.known.policy);
        let recorder = asking.gateway.store.begin(row, plan.rules(), policy).await.map_err(|_| {
            Refusal::new(Reason::Internal, "its output could not be saved, so it was not run")
                .nearest("tell the operator to look at the gateway's log")
        })?;
        delivery.keep(recorder, plan.output(&limits), Rc::clone(&asking.gateway)).await;
        let stop = Stop::new();
        let entered = asking.gateway.running.enter(&request.id.0, worker, stop.clone());
        let (asking, request) = (asking.clone(), request.clone());
        Ok(Run { asking, request, plan, delivery, stop, _slot: slot, _entered: entered })
    }

    /// Carries it out, writes its end to its row, and tells it to the session, if there is one. Gives the exit
    /// code.
    pub(crate) async fn carry_out(self, stdin: Option<&Stdin>) -> u8 {
        let mut course = Course::new(&self.asking, &self.request, &self.plan, &self.delivery, &self.stop);
        course.stdin = stdin;
        let finished = course.carry_out().await;
        let left = finished.stages.iter().any(|stage| may_have_left(&stage.rule, &stage.how));
        let saved = self.save(&finished.ending, finished.stages).await;
        // A session that is gone hears nothing any more.
        if !saved {
            let run = &self.request.id.0;
            let text =
                format!("doorward: the output of run {run} could not be saved whole; tell the operator\n");
            let _ = self.delivery.message(&text).await;
        }
        let _ = self.delivery.message(&told(&finished.ending)).await;
        if left {
            let _ = self.delivery.message(&format!("doorward: {LEFT}\n")).await;
        }
        finished.ending.exit
    }

    async fn save(&self, ending: &Ending, stages: Vec<StageEnd>) -> bool {
        let (Some(recorder), delivered) = self.delivery.settle().await else { return false };
        let single = self.plan.single().is_some();
        let rule = stages.first().filter(|_| single).map(|stage| stage.rule.clone());
        let message = ending.message.as_deref().map(|message| self.asking.kept_of(&self.request, message));
        let stages = if single { Vec::new() } else { stages };
        recorder.finish(ending.row(rule, message, delivered, stages)).await.is_ok()
    }
}

/// What the session is told of an end, on stderr.
fn told(ending: &Ending) -> String {
    match (ending.refusal(), &ending.message) {
        (Some(refusal), _) => refuse::lines(&refusal),
        (None, Some(message)) => format!("doorward: {message}\n"),
        (None, None) => String::new(),
    }
}
