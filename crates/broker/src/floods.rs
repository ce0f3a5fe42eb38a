//! Refusals for being too fast, or of what could not even be read, when they themselves come too fast: the first of a
//! minute are recorded one by one, the others are counted and told with the worker's next record. Otherwise a worker could fill the
//! log's disk with refusals, and then nobody's requests could be recorded.

use doorward_policy::Reason;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many are recorded one by one in a minute, for each worker.
pub(crate) const RECORDED: u32 = 1000;
const MINUTE: Duration = Duration::from_secs(60);

/// Why what is refused may be a flood: it is cheap to send, and means nothing.
const CHEAP: [Reason; 4] = [Reason::RateLimited, Reason::BadRequest, Reason::BadEncoding, Reason::TooLarge];

/// Whether refusals for this reason are bounded.
pub(crate) fn is_cheap(reason: Option<&str>) -> bool {
    reason.and_then(Reason::named).is_some_and(|reason| CHEAP.contains(&reason))
}

/// The counts of all workers.
#[derive(Debug, Default)]
pub(crate) struct Floods(Mutex<HashMap<String, Window>>);

#[derive(Debug)]
struct Window {
    since: Instant,
    recorded: u32,
    left_out: u64,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// It is written, and tells how many before it were not.
    Write { left_out: u64 },
    /// It is only counted.
    LeaveOut,
}

impl Floods {
    /// Counts a record of `worker`; `cheap` when it is a refusal of that kind.
    pub(crate) fn course(&self, worker: &str, cheap: bool, now: Instant) -> Course {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !cheap && !windows.contains_key(worker) {
            return Course::Write { left_out: 0 };
        }
        let fresh = Window { since: now, recorded: 0, left_out: 0 };
        let window = windows.entry(worker.to_owned()).or_insert(fresh);
        let over = now.saturating_duration_since(window.since) >= MINUTE;
        if !over && cheap && window.recorded >= RECORDED {
            window.left_out = window.left_out.saturating_add(1);
            return Course::LeaveOut;
        }
        if !over {
            window.recorded = window.recorded.saturating_add(u32::from(cheap));
            return Course::Write { left_out: 0 };
        }
        let left_out = window.left_out;
        if cheap {
            *window = Window { since: now, recorded: 1, left_out: 0 };
        } else {
            windows.remove(worker);
        }
        Course::Write { left_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_recorded_up_to_a_bound_and_the_rest_is_told_later() {
        let (floods, begin) = (Floods::default(), Instant::now());
        for _ in 0..RECORDED {
            assert_eq!(floods.course("w", true, begin), Course::Write { left_out: 0 });
        }
        for _ in 0..7 {
            assert_eq!(floods.course("w", true, begin), Course::LeaveOut);
        }
        assert_eq!(
            floods.course("w", false, begin),
            Course::Write { left_out: 0 },
            "others are always written"
        );
        assert_eq!(floods.course("other", true, begin), Course::Write { left_out: 0 });
        assert_eq!(floods.course("w", false, begin + MINUTE), Course::Write { left_out: 7 });
        assert_eq!(floods.course("w", true, begin + MINUTE), Course::Write { left_out: 0 });
    }
}
