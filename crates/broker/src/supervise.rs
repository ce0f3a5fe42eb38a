//! Waits for a command and sees to it that nothing of it is left.

use crate::plan::Isolation;
use crate::spawn::Child;
use doorward_wire::broker::End;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// From TERM to KILL.
const GRACE: Duration = Duration::from_secs(2);

/// Lets another thread end a running command.
#[derive(Debug)]
pub(crate) struct Cancel {
    event: OwnedFd,
    why: Mutex<Option<String>>,
}

impl Cancel {
    pub(crate) fn new() -> std::io::Result<Cancel> {
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Cancel { event, why: Mutex::new(None) })
    }

    /// Ends the command, for the first reason that is given.
    pub(crate) fn fire(&self, why: &str) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
        // Full only when it has fired already.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    fn why(&self) -> String {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }
}

/// How a command of a pipeline ended, and how long after the wait for it began.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) end: End,
    pub(crate) after: Duration,
}

/// [`wait_all`] for a single command.
pub(crate) fn wait(child: &Child, deadline: Duration, cancel: &Cancel) -> End {
    wait_all(&[(child, deadline)], cancel).pop().map_or(End::Signaled { signal: 9 }, |past| past.end)
}

/// Waits until nothing of any command runs any more, ending each at its own deadline and all when `cancel`
/// fires. What remains, the end of an init without anything in its namespaces, is waited for when a child is
/// dropped. Gives as many ends as there are children, in their order.
pub(crate) fn wait_all(children: &[(&Child, Duration)], cancel: &Cancel) -> Vec<Past> {
    let began = Instant::now();
    let mut watched: Vec<Watched<'_>> = children
        .iter()
        .map(|(child, deadline)| Watched {
            child,
            cut: None,
            state: State::Running(began.checked_add(*deadline)),
        })
        .collect();
    let mut cancelled = false;
    while let Some(woken) = watch(&watched, (!cancelled).then_some(cancel)) {
        cancelled |= woken.cancelled;
        let now = Instant::now();
        for (one, told) in watched.iter_mut().zip(woken.told) {
            if told {
                one.gather(began);
            } else if woken.cancelled {
                one.end_with(End::Cancelled { why: cancel.why() }, now);
            }
            one.keep_time(now, began);
        }
    }
    watched.into_iter().map(Watched::past).collect()
}

/// One command that is waited for.
struct Watched<'c> {
    child: &'c Child,
    /// Why it was ended, when it was.
    cut: Option<End>,
    state: State,
}

enum State {
    /// Until its deadline; `None`: the clock does not reach that far.
    Running(Option<Instant>),
    /// Has got TERM, and gets KILL at this time.
    Ending(Instant),
    Gone(Past),
}

impl Watched<'_> {
    fn until(&self) -> Option<Instant> {
        match &self.state {
            State::Running(until) => *until,
            State::Ending(until) => Some(*until),
            State::Gone(_) => None,
        }
    }

    /// Asks a running command to end.
    fn end_with(&mut self, why: End, now: Instant) {
        if matches!(self.state, State::Running(_)) {
            signal(self.child, Signal::TERM);
            self.cut = Some(why);
            self.state = State::Ending(now.checked_add(GRACE).unwrap_or(now));
        }
    }

    /// What is due at its deadline and after the grace.
    fn keep_time(&mut self, now: Instant, began: Instant) {
        if self.until().is_none_or(|until| now < until) {
            return;
        }
        match self.state {
            State::Running(_) => self.end_with(End::Deadline, now),
            State::Ending(_) => {
                signal(self.child, Signal::KILL);
                self.gather(began);
            }
            State::Gone(_) => {}
        }
    }

    fn gather(&mut self, began: Instant) {
        let status = gather(self.child);
        let end = self.cut.take().or(status).unwrap_or(End::Signaled { signal: 9 });
        self.state = State::Gone(Past { end, after: began.elapsed() });
    }

    fn past(self) -> Past {
        match self.state {
            State::Gone(past) => past,
            // `wait_all` leaves none.
            State::Running(_) | State::Ending(_) => {
                Past { end: End::Signaled { signal: 9 }, after: Duration::ZERO }
            }
        }
    }
}

/// Why a wait was over.
struct Woken {
    /// Of each command: init has told the status, or has ended without.
    told: Vec<bool>,
    cancelled: bool,
}

/// Waits until something is to be done; `None` when all are gone.
fn watch(watched: &[Watched<'_>], cancel: Option<&Cancel>) -> Option<Woken> {
    let waits = |one: &Watched<'_>| !matches!(one.state, State::Gone(_));
    if !watched.iter().any(waits) {
        return None;
    }
    let left = watched.iter().filter_map(Watched::until).min();
    let left = left.map(|until| until.saturating_duration_since(Instant::now()));
    let left = left.and_then(|left| Timespec::try_from(left).ok());
    let statuses = watched.iter().filter(|one| waits(one)).map(|one| &one.child.status);
    let mut fds: Vec<PollFd<'_>> =
        statuses.chain(cancel.map(|cancel| &cancel.event)).map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    let polled = rustix::event::poll(&mut fds, left.as_ref());
    // Cannot fail with valid descriptors; the commands are then ended rather than left.
    let broken = !matches!(polled, Ok(_) | Err(rustix::io::Errno::INTR));
    let mut ready = fds.iter().map(|fd| polled.is_ok() && !fd.revents().is_empty());
    let told = watched.iter().map(|one| waits(one) && ready.next() == Some(true)).collect();
    Some(Woken { told, cancelled: broken || ready.next() == Some(true) })
}

impl Drop for Child {
    /// Kills what has not ended, and leaves no zombie.
    fn drop(&mut self) {
        signal(self, Signal::KILL);
        // Also when it had not come to make its process group.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        self.await_init(WaitIdOptions::EXITED);
    }
}

/// TERM goes to init, which forwards it; KILL ends init, and the kernel the rest. Without a namespace both
/// go to the process group, which seccomp keeps the command in.
fn signal(child: &Child, signal: Signal) {
    if child.isolation == Isolation::Bare {
        if let Some(group) = Pid::from_raw(child.pid) {
            let _ = rustix::process::kill_process_group(group, signal);
        }
        return;
    }
    let _ = rustix::process::pidfd_send_signal(&child.pidfd, signal);
}

/// Takes the command's status, once nothing of it runs any more.
fn gather(child: &Child) -> Option<End> {
    let mut bytes = [0; 4];
    let told = matches!(rustix::io::read(&child.status, &mut bytes), Ok(4));
    if child.isolation == Isolation::Bare {
        child.await_init(WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        // The group's number cannot be taken while init is not reaped.
        signal(child, Signal::KILL);
    } else if !told {
        // Init tells when all others are gone; without a word of it the kernel ends them with it.
        child.await_init(WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
    }
    told.then(|| decode(i32::from_ne_bytes(bytes)))
}

impl Child {
    fn await_init(&self, options: WaitIdOptions) {
        while matches!(
            rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options),
            Err(rustix::io::Errno::INTR)
        ) {}
    }
}

fn decode(status: i32) -> End {
    if libc::WIFEXITED(status) {
        return End::Exited { code: u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX) };
    }
    End::Signaled { signal: u8::try_from(libc::WTERMSIG(status)).unwrap_or(0) }
}
