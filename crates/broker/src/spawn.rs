//! Steps 3 to 5 and what the parent hears of the others: either the program runs, or which step failed.

use crate::child::{self, Ends, REPORT};
use crate::plan::{Isolation, Plan};
use crate::step::Step;
use crate::sys::{Sys, call};
use doorward_policy::Network;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::fcntl_dupfd_cloexec;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// Lowest descriptor of a plan, above the child's slots.
const LOWEST: RawFd = 32;
/// Longest time from fork to exec; mounts of a dead network file system would hang.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// A started command.
#[derive(Debug)]
pub(crate) struct Child {
    /// Of init: readable when everything is gone.
    pub(crate) pidfd: OwnedFd,
    /// The number of init, which is also the process group.
    pub(crate) pid: i32,
    /// Four bytes of wait status when the command has ended and, but without namespaces, nothing else of it
    /// is left; its end without them when init was killed.
    pub(crate) status: OwnedFd,
    /// How it is shut in, and so how it is ended.
    pub(crate) isolation: Isolation,
}

/// The step that failed before exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpawnError {
    pub(crate) step: Step,
    /// The system's number.
    pub(crate) error: i32,
    /// Place in the step's list, for the operator.
    pub(crate) place: u16,
}

impl std::fmt::Display for SpawnError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step {}: {}", self.step, std::io::Error::from_raw_os_error(self.error))?;
        if self.place != 0 {
            write!(f, " (operation {})", self.place)?;
        }
        Ok(())
    }
}

/// Starts a plan and waits until its program runs.
pub(crate) fn spawn(plan: &mut Plan) -> Result<Child, SpawnError> {
    begin(plan)?.finish()
}

/// Starts plans beside each other and waits until each has come to its program or failed.
pub(crate) fn spawn_all<'p>(plans: impl Iterator<Item = &'p mut Plan>) -> Vec<Result<Child, SpawnError>> {
    let begun: Vec<_> = plans.map(begin).collect();
    begun.into_iter().map(|begun| begun.and_then(Begun::finish)).collect()
}

/// A child on its way to exec.
struct Begun {
    child: Child,
    heard: OwnedFd,
}

impl Begun {
    fn finish(self) -> Result<Child, SpawnError> {
        // A child that did not come to exec is ended by being dropped.
        hear(&self.heard).map(|()| self.child)
    }
}

fn begin(plan: &mut Plan) -> Result<Begun, SpawnError> {
    let at = |step| move |error: i32| SpawnError { step, error, place: 0 };
    trace(plan, Step::ErrorPipe).map_err(at(Step::ErrorPipe))?;
    raise_all(plan).map_err(at(Step::ErrorPipe))?;
    let (heard, errors) = pipe().map_err(at(Step::ErrorPipe))?;
    let (status, status_end) = pipe().map_err(at(Step::ErrorPipe))?;
    trace(plan, Step::BlockSignals).map_err(at(Step::BlockSignals))?;
    let before = block_signals().map_err(at(Step::BlockSignals))?;
    let ends = Ends { errors: errors.as_raw_fd(), status: status_end.as_raw_fd() };
    let forked = clone(plan, ends);
    let restored = set_signals(before);
    let (pid, pidfd) = forked.map_err(at(Step::Fork))?;
    let child = Child { pidfd, pid, status, isolation: plan.isolation };
    restored.map_err(at(Step::BlockSignals)).map(|()| Begun { child, heard })
}

/// The tests' hooks for the steps of the parent.
fn trace(plan: &Plan, step: Step) -> Sys<()> {
    #[cfg(test)]
    {
        if let Some(trace) = &plan.hooks.trace {
            crate::tests::trace(trace.as_raw_fd(), step);
        }
        if plan.hooks.fail == Some(step) {
            return Err(libc::ENOTRECOVERABLE);
        }
    }
    let _ = (plan, step);
    Ok(())
}

fn pipe() -> Sys<(OwnedFd, OwnedFd)> {
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(rustix::io::Errno::raw_os_error)?;
    Ok((read, raised(write)?))
}

fn raise_all(plan: &mut Plan) -> Sys<()> {
    let mut fds = vec![
        &mut plan.streams.stdin,
        &mut plan.streams.stdout,
        &mut plan.streams.stderr,
        &mut plan.program.fd,
    ];
    if let Some(interpreter) = &mut plan.program.interpreter {
        fds.push(&mut interpreter.fd);
    }
    #[cfg(test)]
    if let Some(trace) = &mut plan.hooks.trace {
        fds.push(trace);
    }
    for fd in fds {
        if fd.as_raw_fd() < LOWEST {
            *fd = fcntl_dupfd_cloexec(&*fd, LOWEST).map_err(rustix::io::Errno::raw_os_error)?;
        }
    }
    Ok(())
}

fn raised(fd: OwnedFd) -> Sys<OwnedFd> {
    if fd.as_raw_fd() >= LOWEST {
        return Ok(fd);
    }
    fcntl_dupfd_cloexec(&fd, LOWEST).map_err(rustix::io::Errno::raw_os_error)
}

fn block_signals() -> Sys<u64> {
    let all = u64::MAX;
    let mut before = 0_u64;
    let how = libc::SIG_SETMASK;
    call!(libc::SYS_rt_sigprocmask, how, &raw const all, &raw mut before, size_of::<u64>())?;
    Ok(before)
}

fn set_signals(mask: u64) -> Sys<()> {
    let none = ptr::null_mut::<u64>();
    call!(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, none, size_of::<u64>()).map(drop)
}

/// `CLONE_PIDFD`, `CLONE_CLEAR_SIGHAND` and the namespaces, as `clone3` takes them (`linux/sched.h`).
const PIDFD: u64 = 0x1000;
const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// UTS, IPC, PID.
const NAMESPACES: u64 = 0x0400_0000 | 0x0800_0000 | 0x2000_0000;
const NEW_MOUNTS: u64 = 0x0002_0000;
const NEW_NETWORK: u64 = 0x4000_0000;
const NEW_USER: u64 = 0x1000_0000;

fn clone(plan: &Plan, ends: Ends) -> Sys<(i32, OwnedFd)> {
    let mut flags = PIDFD | CLEAR_SIGHAND;
    if plan.isolation != Isolation::Bare {
        flags |= NAMESPACES;
        if plan.network == Network::None {
            flags |= NEW_NETWORK;
        }
    }
    if plan.isolation == Isolation::UserNamespace {
        // With root the prepared namespace is joined instead.
        flags |= NEW_USER | NEW_MOUNTS;
    }
    let mut pidfd: RawFd = -1;
    let arguments =
        [flags, address(&raw mut pidfd), 0, 0, u64::try_from(libc::SIGCHLD).unwrap_or(17), 0, 0, 0, 0, 0, 0];
    let pid = call!(libc::SYS_clone3, arguments.as_ptr(), size_of_val(&arguments))?;
    if pid == 0 {
        child::init(plan, ends);
    }
    // SAFETY: the kernel has just opened it for us (CLONE_PIDFD), close-on-exec.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok((i32::try_from(pid).map_err(|_| libc::ERANGE)?, pidfd))
}

fn address(pointer: *mut RawFd) -> u64 {
    u64::try_from(pointer.addr()).unwrap_or(0)
}

/// The pipe's end without a byte means that exec closed it.
fn hear(pipe: &OwnedFd) -> Result<(), SpawnError> {
    let broken = |error| SpawnError { step: Step::Fork, error, place: 0 };
    let mut report = [0; REPORT];
    let mut waited = [PollFd::new(pipe, PollFlags::IN)];
    loop {
        match rustix::event::poll(&mut waited, Some(&PATIENCE)) {
            Ok(0) => return Err(broken(libc::ETIMEDOUT)),
            Ok(_) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(broken(error.raw_os_error())),
        }
    }
    match rustix::io::read(pipe, &mut report) {
        Ok(0) => Ok(()),
        Ok(REPORT) => {
            let [step, _, a, b, e0, e1, e2, e3] = report;
            Err(SpawnError {
                step: Step::of(step).unwrap_or(Step::Fork),
                error: i32::from_ne_bytes([e0, e1, e2, e3]),
                place: u16::from_ne_bytes([a, b]),
            })
        }
        Ok(_) => Err(broken(libc::EIO)),
        Err(error) => Err(broken(error.raw_os_error())),
    }
}
