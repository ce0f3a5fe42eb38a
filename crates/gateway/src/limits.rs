//! What a worker may use at one time and in a minute. Beyond it a request is refused, never queued: an agent
//! that is told to wait can decide; one that hangs cannot.

use doorward_policy::{Limits, Reason, Refusal};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Tokens that come back evenly over a minute, as many at most as a minute's.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn full(per_minute: u32, now: Instant) -> Self {
        Bucket { tokens: f64::from(per_minute), filled: now }
    }

    /// Takes one token, or says how long until there is one.
    fn take(&mut self, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let most = f64::from(per_minute);
        let rate = most / 60.0;
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * rate).min(most);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - self.tokens) / rate;
        Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::from_secs(60)))
    }
}

#[derive(Debug)]
struct Usage {
    lines: Bucket,
    dials: Bucket,
    running: Rc<Cell<u32>>,
    showing: Rc<Cell<u32>>,
    waiting: Rc<Cell<u32>>,
}

/// Refusals a minute that are recorded of uids that are no worker's, together.
const STRANGERS: u32 = 60;

/// The counts of all workers.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    workers: RefCell<HashMap<String, Usage>>,
    strangers: RefCell<Option<Bucket>>,
}

/// A running command's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Rc<Cell<u32>>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Counts {
    /// Counts one line against `lines.per_minute`.
    pub(crate) fn line(&self, worker: &str, limits: &Limits, now: Instant) -> Result<(), Refusal> {
        self.with(worker, limits, now, |usage| usage.lines.take(limits.lines_per_minute, now))
            .map_err(|wait| too_fast(&format!("{} lines", limits.lines_per_minute), wait))
    }

    /// Counts one `docker system dial-stdio`. A client opens one for each of its API requests, which have
    /// limits of their own, so they are counted like `reads.per_minute` and not as lines.
    pub(crate) fn dial(&self, worker: &str, limits: &Limits, now: Instant) -> Result<(), Refusal> {
        self.with(worker, limits, now, |usage| usage.dials.take(limits.reads_per_minute, now))
            .map_err(|wait| too_fast(&format!("{} connections", limits.reads_per_minute), wait))
    }

    /// Whether one more refusal of an unknown uid may be recorded.
    pub(crate) fn stranger(&self, now: Instant) -> bool {
        let mut strangers = self.strangers.borrow_mut();
        strangers.get_or_insert_with(|| Bucket::full(STRANGERS, now)).take(STRANGERS, now).is_ok()
    }

    /// Takes one of the worker's `lines.concurrent`.
    pub(crate) fn slot(&self, worker: &str, limits: &Limits) -> Result<Slot, Refusal> {
        let running = self.with(worker, limits, Instant::now(), |usage| Rc::clone(&usage.running));
        take(running, limits).ok_or_else(|| {
            let message =
                format!("{} of your lines run now, as many as may at one time", limits.lines_concurrent);
            Refusal::new(Reason::RateLimited, message).nearest("wait until one of them ends")
        })
    }

    /// Takes one of as many places for showing saved runs, each of which holds memory while it is read.
    pub(crate) fn showing(&self, worker: &str, limits: &Limits) -> Result<Slot, Refusal> {
        let showing = self.with(worker, limits, Instant::now(), |usage| Rc::clone(&usage.showing));
        take(showing, limits).ok_or_else(|| {
            let message =
                format!("you are being shown {} runs now, as many as may be", limits.lines_concurrent);
            Refusal::new(Reason::RateLimited, message).nearest("read one of them to its end")
        })
    }

    /// Takes one of as many places for waiting for runs: who only waits keeps nobody from looking.
    pub(crate) fn waiting(&self, worker: &str, limits: &Limits) -> Result<Slot, Refusal> {
        let waiting = self.with(worker, limits, Instant::now(), |usage| Rc::clone(&usage.waiting));
        take(waiting, limits).ok_or_else(|| {
            let message = format!("you wait for {} runs now, as many as may be", limits.lines_concurrent);
            Refusal::new(Reason::RateLimited, message)
                .nearest("end one of your 'runs wait'; 'runs' shows which runs have ended, without waiting")
        })
    }

    /// How many commands of the worker run now.
    pub(crate) fn running(&self, worker: &str) -> u32 {
        self.workers.borrow().get(worker).map_or(0, |usage| usage.running.get())
    }

    fn with<T>(&self, worker: &str, limits: &Limits, now: Instant, work: impl FnOnce(&mut Usage) -> T) -> T {
        let mut workers = self.workers.borrow_mut();
        let usage = workers.entry(worker.to_owned()).or_insert_with(|| Usage {
            lines: Bucket::full(limits.lines_per_minute, now),
            dials: Bucket::full(limits.reads_per_minute, now),
            running: Rc::default(),
            showing: Rc::default(),
            waiting: Rc::default(),
        });
        work(usage)
    }
}

fn take(places: Rc<Cell<u32>>, limits: &Limits) -> Option<Slot> {
    if places.get() >= limits.lines_concurrent {
        return None;
    }
    places.set(places.get().saturating_add(1));
    Some(Slot(places))
}

fn too_fast(limit: &str, wait: Duration) -> Refusal {
    let seconds = wait.as_secs().saturating_add(1);
    let message = format!("the {limit} a minute are used up");
    Refusal::new(Reason::RateLimited, message).nearest(format!("try again in {seconds} s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { lines_per_minute: 60, lines_concurrent: 2, reads_per_minute: 1, ..Limits::default() }
    }

    #[test]
    fn a_minutes_lines_may_come_at_once_and_then_one_a_second() {
        let (counts, start) = (Counts::default(), Instant::now());
        for _ in 0..60 {
            counts.line("w", &limits(), start).unwrap();
        }
        let refusal = counts.line("w", &limits(), start).unwrap_err();
        assert_eq!(refusal.reason, Reason::RateLimited);
        assert_eq!(refusal.nearest.unwrap(), "try again in 2 s");
        let later = start + Duration::from_millis(1001);
        counts.line("w", &limits(), later).unwrap();
        assert!(counts.line("w", &limits(), later).is_err());
    }

    #[test]
    fn workers_and_kinds_are_counted_apart() {
        let (counts, now) = (Counts::default(), Instant::now());
        counts.dial("a", &limits(), now).unwrap();
        assert!(counts.dial("a", &limits(), now).is_err());
        counts.dial("b", &limits(), now).unwrap();
        counts.line("a", &limits(), now).unwrap();
    }

    #[test]
    fn a_slot_is_free_again_when_dropped() {
        let counts = Counts::default();
        let first = counts.slot("w", &limits()).unwrap();
        let _second = counts.slot("w", &limits()).unwrap();
        assert!(counts.slot("w", &limits()).is_err());
        drop(first);
        assert_eq!(counts.running("w"), 1);
        let _third = counts.slot("w", &limits()).unwrap();
    }

    #[test]
    fn who_waits_takes_no_place_of_who_looks() {
        let counts = Counts::default();
        let _waits = [counts.waiting("w", &limits()).unwrap(), counts.waiting("w", &limits()).unwrap()];
        let refusal = counts.waiting("w", &limits()).unwrap_err();
        assert!(refusal.nearest.unwrap().contains("'runs wait'"));
        let _look = counts.showing("w", &limits()).unwrap();
    }

    #[test]
    fn a_limit_of_nothing_allows_nothing() {
        let nothing = Limits { lines_per_minute: 0, lines_concurrent: 0, ..Limits::default() };
        let counts = Counts::default();
        assert!(counts.line("w", &nothing, Instant::now()).is_err());
        assert!(counts.slot("w", &nothing).is_err());
    }
}
