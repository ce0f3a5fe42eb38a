//! How much a worker may ask at a time and a minute.

use doorward_policy::{Limits, Reason, Refusal};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// What a request is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Looks at something.
    Reads,
    /// Changes something.
    Writes,
    /// Stays open: logs, wait, pull, attach.
    Streams,
}

/// The counters of one worker. They outlive its connections and changes of the policy.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    reads: Mutex<Counter>,
    writes: Mutex<Counter>,
    streams: Mutex<Counter>,
}

#[derive(Debug, Default)]
struct Counter {
    open: u32,
    /// When a bucket that is filled evenly would be full again.
    full_at: Option<Instant>,
}

/// A request that is counted as open until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    counters: Arc<Counters>,
    class: Class,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counter = self.counters.lock(self.class);
        counter.open = counter.open.saturating_sub(1);
    }
}

impl Counters {
    /// Counts a request, or says when to try again.
    pub(crate) fn enter(self: &Arc<Self>, class: Class, limits: &Limits) -> Result<Permit, Refusal> {
        let (what, concurrent, per_minute) = match class {
            Class::Reads => ("reads", limits.reads_concurrent, Some(limits.reads_per_minute)),
            Class::Writes => ("writes", limits.writes_concurrent, Some(limits.writes_per_minute)),
            Class::Streams => ("streams", limits.streams_concurrent, None),
        };
        let mut counter = self.lock(class);
        if counter.open >= concurrent {
            return Err(refusal(format!("{what} of the Engine API: {concurrent} are open already"))
                .nearest(format!("up to {concurrent} at a time; try again when one has ended")));
        }
        if let Some(per_minute) = per_minute {
            counter.take(Instant::now(), per_minute).map_err(|pause| {
                refusal(format!("{what} of the Engine API: over {per_minute} a minute"))
                    .nearest(format!("try again in {} s", pause.as_secs().saturating_add(1)))
            })?;
        }
        counter.open = counter.open.saturating_add(1);
        drop(counter);
        Ok(Permit { counters: Arc::clone(self), class })
    }

    fn lock(&self, class: Class) -> std::sync::MutexGuard<'_, Counter> {
        let counter = match class {
            Class::Reads => &self.reads,
            Class::Writes => &self.writes,
            Class::Streams => &self.streams,
        };
        counter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counter {
    /// Takes one of `per_minute` tokens that flow back evenly; the time until there is one again when there
    /// is none. A rested bucket holds a minute's worth.
    fn take(&mut self, now: Instant, per_minute: u32) -> Result<(), Duration> {
        let Some(interval) = MINUTE.checked_div(per_minute) else { return Err(MINUTE) };
        let full_at = self.full_at.unwrap_or(now).max(now);
        let owed = full_at.duration_since(now).saturating_add(interval);
        if owed > MINUTE {
            return Err(owed.saturating_sub(MINUTE));
        }
        self.full_at = full_at.checked_add(interval);
        Ok(())
    }
}

fn refusal(message: String) -> Refusal {
    Refusal::new(Reason::RateLimited, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { reads_concurrent: 2, reads_per_minute: 6, streams_concurrent: 1, ..Limits::default() }
    }

    #[test]
    fn an_open_request_is_counted_until_it_is_dropped() {
        let counters = Arc::new(Counters::default());
        let first = counters.enter(Class::Reads, &limits()).unwrap();
        let _second = counters.enter(Class::Reads, &limits()).unwrap();
        let refused = counters.enter(Class::Reads, &limits()).unwrap_err();
        assert_eq!(refused.reason, Reason::RateLimited);
        drop(first);
        assert!(counters.enter(Class::Reads, &limits()).is_ok());
    }

    #[test]
    fn each_class_is_counted_by_itself() {
        let counters = Arc::new(Counters::default());
        let _stream = counters.enter(Class::Streams, &limits()).unwrap();
        assert!(counters.enter(Class::Streams, &limits()).is_err());
        assert!(counters.enter(Class::Reads, &limits()).is_ok());
        assert!(counters.enter(Class::Writes, &limits()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_minutes_worth_may_come_at_once_and_flows_back_evenly() {
        let counters = Arc::new(Counters::default());
        for _ in 0..6 {
            drop(counters.enter(Class::Reads, &limits()).unwrap());
        }
        let refused = counters.enter(Class::Reads, &limits()).unwrap_err();
        assert!(refused.nearest.unwrap().contains("try again in"), "it says when");
        tokio::time::advance(Duration::from_secs(10)).await;
        drop(counters.enter(Class::Reads, &limits()).unwrap());
        assert!(counters.enter(Class::Reads, &limits()).is_err(), "one token came back, not two");
    }

    #[test]
    fn a_limit_of_zero_lets_nothing_through() {
        let counters = Arc::new(Counters::default());
        let none = Limits { writes_per_minute: 0, streams_concurrent: 0, ..Limits::default() };
        assert!(counters.enter(Class::Writes, &none).is_err());
        assert!(counters.enter(Class::Streams, &none).is_err());
    }
}
