//! When a record is written.

use rustix::time::{ClockId, clock_gettime};

/// The host's clocks and the id of this boot.
#[derive(Debug)]
pub(crate) struct Clock {
    boot: String,
}

impl Clock {
    /// Reads the kernel's boot id (`random(4)`); `unknown` when there is none.
    pub(crate) fn new() -> Clock {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot: String = boot.trim().chars().filter(|c| c.is_ascii_hexdigit() || *c == '-').collect();
        Clock { boot: if boot.is_empty() { "unknown".to_owned() } else { boot } }
    }

    /// The kernel's boot id.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Now, as RFC 3339 in UTC with milliseconds.
    pub(crate) fn wall(&self) -> String {
        format!("{:.3}", jiff::Timestamp::now())
    }

    /// Nanoseconds since boot, time asleep included.
    pub(crate) fn mono(&self) -> u64 {
        let now = clock_gettime(ClockId::Boottime);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
        seconds.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(nanos.unwrap_or(0))
    }
}
