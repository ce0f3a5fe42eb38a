//! Tests that run real programs in the real sandbox. They need root.

use crate::step::Step;
use crate::sys;
use std::os::fd::RawFd;

/// One record of the trace: step, then nanoseconds of the monotonic clock.
pub(crate) fn trace(fd: RawFd, step: Step) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    let nanos = (now.tv_sec as u64) * 1_000_000_000 + now.tv_nsec as u64;
    let mut record = [0; 9];
    record[0] = step.number();
    record[1..].copy_from_slice(&nanos.to_ne_bytes());
    let _ = sys::write(fd, &record);
}
