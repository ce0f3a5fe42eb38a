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

/// Waits until nothing of the command runs any more, ending it at the deadline or when `cancel` fires. What
/// remains, the end of an init without anything in its namespaces, is waited for when `child` is dropped.
pub(crate) fn wait(child: &Child, deadline: Duration, cancel: &Cancel) -> End {
    let cut = match watch(child, Some(deadline), Some(cancel)) {
        Woken::Told => None,
        Woken::Time => Some(End::Deadline),
        Woken::Cancelled => Some(End::Cancelled { why: cancel.why() }),
    };
    if cut.is_some() {
        signal(child, Signal::TERM);
        if watch(child, Some(GRACE), None) != Woken::Told {
            signal(child, Signal::KILL);
        }
    }
    let status = gather(child);
    cut.or(status).unwrap_or(End::Signaled { signal: 9 })
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

#[derive(Debug, PartialEq, Eq)]
enum Woken {
    /// Init has told the status, or has ended without.
    Told,
    Time,
    Cancelled,
}

fn watch(child: &Child, within: Option<Duration>, cancel: Option<&Cancel>) -> Woken {
    let until = within.and_then(|within| Instant::now().checked_add(within));
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut fds = vec![PollFd::new(&child.status, PollFlags::IN)];
        fds.extend(cancel.map(|cancel| PollFd::new(&cancel.event, PollFlags::IN)));
        match rustix::event::poll(&mut fds, left.as_ref()) {
            Ok(0) => return Woken::Time,
            Err(rustix::io::Errno::INTR) => continue,
            // Cannot happen with valid descriptors; the command is then ended rather than left.
            Err(_) => return Woken::Time,
            Ok(_) => {}
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        if ready.next() == Some(true) {
            return Woken::Told;
        }
        return Woken::Cancelled;
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
