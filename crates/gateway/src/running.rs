//! The runs that run now: so that one can be ended, or waited for, by somebody other than its session.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use tokio::sync::watch;

/// The session went away.
pub(crate) const DISCONNECT: &str = "disconnect";
/// There was more output than may be.
pub(crate) const OUTPUT_LIMIT: &str = "output_limit";
/// Somebody said so.
pub(crate) const CANCELLED: &str = "cancelled";

/// The wish that a line should end. Cloned handles share it; the first reason stays.
#[derive(Debug, Clone)]
pub(crate) struct Stop(Rc<watch::Sender<Option<&'static str>>>);

impl Stop {
    pub(crate) fn new() -> Self {
        Stop(Rc::new(watch::Sender::new(None)))
    }

    /// Wants the line ended.
    pub(crate) fn now(&self, why: &'static str) {
        self.0.send_if_modified(|now| {
            let first = now.is_none();
            if first {
                *now = Some(why);
            }
            first
        });
    }

    /// Why the line should end, when it should.
    pub(crate) fn why(&self) -> Option<&'static str> {
        *self.0.borrow()
    }

    /// Comes back when the line should end.
    pub(crate) async fn wanted(&self) -> &'static str {
        let mut wish = self.0.subscribe();
        // This handle has the sender, so the wait does not end without a reason.
        let why = wish.wait_for(Option::is_some).await.ok().and_then(|why| *why);
        why.unwrap_or(CANCELLED)
    }
}

#[derive(Debug)]
struct Entry {
    worker: String,
    stop: Stop,
    ended: watch::Sender<()>,
}

/// The runs that have not ended, by their ids.
#[derive(Debug, Default)]
pub(crate) struct RunningRuns {
    runs: RefCell<HashMap<String, Entry>>,
}

/// A run's entry; dropped when its row tells its end.
#[derive(Debug)]
pub(crate) struct Entered {
    all: Rc<RunningRuns>,
    run: String,
}

impl RunningRuns {
    /// Enters a run of `worker` that `stop` ends.
    pub(crate) fn enter(self: &Rc<Self>, run: &str, worker: &str, stop: Stop) -> Entered {
        let entry = Entry { worker: worker.to_owned(), stop, ended: watch::Sender::new(()) };
        self.runs.borrow_mut().insert(run.to_owned(), entry);
        Entered { all: Rc::clone(self), run: run.to_owned() }
    }

    /// Ends a run of this worker, or of anybody's without a worker; whether there was one. Its end is awaited
    /// with [`RunningRuns::ended`].
    pub(crate) fn cancel(&self, run: &str, worker: Option<&str>) -> bool {
        let runs = self.runs.borrow();
        match runs.get(run).filter(|entry| worker.is_none_or(|worker| worker == entry.worker)) {
            Some(entry) => {
                entry.stop.now(CANCELLED);
                true
            }
            None => false,
        }
    }

    /// Comes back when the run has ended and its row says how; at once when it does not run.
    pub(crate) async fn ended(&self, run: &str) {
        let ended = self.runs.borrow().get(run).map(|entry| entry.ended.subscribe());
        if let Some(mut ended) = ended {
            while ended.changed().await.is_ok() {}
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.all.runs.borrow_mut().remove(&self.run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_run_is_cancelled_by_its_worker_or_the_operator_and_by_no_other() {
        let runs = Rc::new(RunningRuns::default());
        let stop = Stop::new();
        let entered = runs.enter("A", "w", stop.clone());
        assert!(!runs.cancel("A", Some("other")));
        assert!(!runs.cancel("B", Some("w")));
        assert_eq!(stop.why(), None);
        assert!(runs.cancel("A", Some("w")));
        stop.now(DISCONNECT);
        assert_eq!(stop.wanted().await, CANCELLED);
        assert!(runs.cancel("A", None));
        drop(entered);
        assert!(!runs.cancel("A", None));
    }

    #[tokio::test]
    async fn a_run_is_waited_for_until_its_entry_is_gone() {
        let runs = Rc::new(RunningRuns::default());
        let entered = runs.enter("A", "w", Stop::new());
        let wait = runs.ended("A");
        tokio::pin!(wait);
        let soon = std::time::Duration::from_millis(10);
        assert!(tokio::time::timeout(soon, &mut wait).await.is_err());
        drop(entered);
        wait.await;
        runs.ended("A").await;
    }
}
