//! Between clone and exec. Only system calls: no allocation, no locks, nothing that another thread of the
//! broker could have held at the moment of the fork.
//!
//! Two processes: *init*, the first of the PID namespace, prepares what both share (steps 6 to 10), starts
//! the *command* (steps 11 to 18) and waits. When init ends, the kernel kills whatever is left.

use crate::caps::{self, CapSet};
use crate::landlock;
use crate::plan::{Isolation, Plan, slot};
use crate::root;
use crate::step::Step;
use crate::sys::{self, Sys, call, prctl};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

/// `SECBIT_NOROOT`, `SECBIT_NO_CAP_AMBIENT_RAISE` and the locks of these and of `KEEP_CAPS`
/// (`linux/securebits.h`): uid 0 gives no capabilities, and the ambient set does not grow.
const SECUREBITS: u64 = 0b1 | 0b10 | 0b10_0000 | 0b100_0000 | 0b1000_0000;
/// Exit code of a child that has told its failure through the pipe.
const FAILED: libc::c_int = 127;

/// What a failed step writes: step, two bytes of detail (the operation's place in a list), the error number.
pub(crate) const REPORT: usize = 8;

/// The raw numbers that init was cloned with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) errors: RawFd,
    pub(crate) status: RawFd,
}

/// Everything that runs in the first child; never returns.
pub(crate) fn init(plan: &Plan, ends: Ends) -> ! {
    // Before any step, so that what another thread just opened does not stay open here.
    if let Err(error) = arrange(plan, ends) {
        fail_on(ends.errors, Step::Fork, error, 0);
    }
    step(plan, Step::Fork, || Ok(()));
    step(plan, Step::Dispositions, || dispositions(plan));
    step(plan, Step::Session, || session(plan));
    step(plan, Step::Limits, || limits(plan));
    // Nothing yet, on any host: `no_cgroup` says so in `status` and in every record that it concerns.
    step(plan, Step::Cgroup, || Ok(()));
    let mut place = 0;
    let namespaces = checked(plan, Step::Namespaces, || root::enter(plan, &mut place));
    if let Err(error) = namespaces {
        fail(Step::Namespaces, error, place);
    }
    match fork(plan) {
        Ok(child) => watch(plan, child),
        Err(error) => fail(Step::Namespaces, error, u16::MAX),
    }
}

extern "C" fn command_of(plan: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `fork` passes a plan that outlives the command's use of this memory, which nobody writes to.
    command(unsafe { &*plan.cast::<Plan>() })
}

fn command(plan: &Plan) -> ! {
    step(plan, Step::CloseRange, || {
        sys::close(slot::STATUS);
        sys::close_range(slot::FIRST_FREE, u32::MAX)
    });
    step(plan, Step::BoundingSet, || bounding(plan));
    step(plan, Step::Identity, || identity(plan));
    step(plan, Step::Capabilities, || capabilities(plan));
    step(plan, Step::NoNewPrivs, || prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop));
    step(plan, Step::Landlock, || landlock::restrict(plan));
    step(plan, Step::Seccomp, || seccomp(plan));
    step(plan, Step::Exec, || exec(plan));
    fail(Step::Exec, libc::ENOEXEC, 0)
}

/// Does one step, or reports and ends.
fn step(plan: &Plan, step: Step, act: impl FnOnce() -> Sys<()>) {
    if let Err(error) = checked(plan, step, act) {
        fail(step, error, 0);
    }
}

/// One step with the tests' hooks around it. A step is traced before it acts, since nothing comes after exec.
fn checked(plan: &Plan, step: Step, act: impl FnOnce() -> Sys<()>) -> Sys<()> {
    #[cfg(test)]
    {
        if plan.hooks.trace.is_some() {
            crate::tests::trace(slot::TRACE, step);
        }
        if plan.hooks.fail == Some(step) {
            return Err(libc::ENOTRECOVERABLE);
        }
    }
    let _ = (plan, step);
    act()
}

fn fail(step: Step, error: i32, place: u16) -> ! {
    fail_on(slot::ERRORS, step, error, place)
}

fn fail_on(pipe: RawFd, step: Step, error: i32, place: u16) -> ! {
    let [a, b] = place.to_ne_bytes();
    let [e0, e1, e2, e3] = error.to_ne_bytes();
    // When even this cannot be written, the pipe's end without exec still tells that it failed.
    let _ = sys::write(pipe, &[step.number(), 0, a, b, e0, e1, e2, e3]);
    sys::exit(FAILED)
}

/// Puts the descriptors where [`slot`] says and closes all others. The plan's own numbers lie above
/// (`spawn` sees to it), so none is overwritten before it is copied.
fn arrange(plan: &Plan, ends: Ends) -> Sys<()> {
    sys::dup_to(plan.streams.stdin.as_raw_fd(), 0, false)?;
    sys::dup_to(plan.streams.stdout.as_raw_fd(), 1, false)?;
    sys::dup_to(plan.streams.stderr.as_raw_fd(), 2, false)?;
    sys::dup_to(ends.errors, slot::ERRORS, true)?;
    sys::dup_to(ends.status, slot::STATUS, true)?;
    match &plan.program.interpreter {
        Some(interpreter) => {
            sys::dup_to(interpreter.fd.as_raw_fd(), slot::PROGRAM, true)?;
            sys::dup_to(plan.program.fd.as_raw_fd(), slot::SCRIPT, false)?;
        }
        None => {
            sys::dup_to(plan.program.fd.as_raw_fd(), slot::PROGRAM, true)?;
            sys::close(slot::SCRIPT);
        }
    }
    match plan.room.namespace() {
        Some(namespace) => sys::dup_to(namespace, slot::ROOM, true)?,
        None => sys::close(slot::ROOM),
    }
    sys::close(slot::TRACE);
    #[cfg(test)]
    if let Some(trace) = &plan.hooks.trace {
        sys::dup_to(trace.as_raw_fd(), slot::TRACE, true)?;
    }
    sys::close_range(slot::FIRST_FREE, u32::MAX)
}

/// Clone has taken the broker's handlers away; what it ignores is still ignored.
fn dispositions(plan: &Plan) -> Sys<()> {
    // SAFETY: all zeros is the default disposition without flags, for both the kernel's and libc's layout.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    for signal in plan.ignored {
        // SAFETY: a valid structure. KILL, STOP and libc's own two answer EINVAL and have no handler anyway.
        unsafe { libc::sigaction(*signal, &raw const default, ptr::null_mut()) };
    }
    Ok(())
}

fn session(plan: &Plan) -> Sys<()> {
    if plan.own_session {
        return call!(libc::SYS_setsid).map(drop);
    }
    call!(libc::SYS_setpgid, 0, 0).map(drop)
}

fn limits(plan: &Plan) -> Sys<()> {
    for limit in &plan.limits {
        let value = libc::rlimit { rlim_cur: limit.value, rlim_max: limit.value };
        let none = ptr::null_mut::<libc::rlimit>();
        // A hard limit that is already lower stays.
        match call!(libc::SYS_prlimit64, 0, limit.resource, &raw const value, none) {
            Err(error) if error != libc::EPERM || plan.isolation == Isolation::Full => return Err(error),
            _ => {}
        }
    }
    // When the host's memory ends, what a worker runs goes first: all of it together is not limited here.
    root::put(c"/proc/self/oom_score_adj", c"1000")?;
    call!(libc::SYS_umask, 0o077_u32)?;
    call!(libc::SYS_chdir, c"/".as_ptr()).map(drop)
}

/// Starts the command on its own stack in this process' memory, which stands still until exec: nothing is
/// copied that exec would throw away.
fn fork(plan: &Plan) -> Sys<i32> {
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let argument = ptr::from_ref(plan).cast_mut().cast();
    // SAFETY: the stack is the plan's and used by nothing else; the function never returns and writes to no
    // memory but its stack, errno and the kernel's answers.
    let pid = unsafe { libc::clone(command_of, plan.stack.top(), flags, argument) };
    if pid == -1 { Err(sys::errno()) } else { Ok(pid) }
}

fn bounding(plan: &Plan) -> Sys<()> {
    if plan.isolation == Isolation::Bare { Ok(()) } else { caps::bound(plan.caps) }
}

fn identity(plan: &Plan) -> Sys<()> {
    if plan.isolation != Isolation::Full {
        return Ok(());
    }
    let ids = &plan.ids;
    prctl(libc::PR_SET_KEEPCAPS, 1, 0)?;
    call!(libc::SYS_setgroups, ids.groups.len(), ids.groups.as_ptr())?;
    call!(libc::SYS_setresgid, ids.gid, ids.gid, ids.gid)?;
    call!(libc::SYS_setresuid, ids.uid, ids.uid, ids.uid).map(drop)
}

fn capabilities(plan: &Plan) -> Sys<()> {
    if plan.isolation == Isolation::Bare {
        return caps::set(CapSet(0), CapSet(0), CapSet(0));
    }
    let (permitted, _) = caps::get()?;
    caps::set(permitted, permitted, plan.caps)?;
    prctl(libc::PR_CAP_AMBIENT, ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL), 0)?;
    for number in 0..64 {
        if plan.caps.has(number) {
            prctl(libc::PR_CAP_AMBIENT, ambient(libc::PR_CAP_AMBIENT_RAISE), u64::from(number))?;
        }
    }
    prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0)?;
    caps::set(plan.caps, plan.caps, plan.caps)?;
    match caps::get()? {
        (permitted, effective) if permitted == plan.caps && effective == plan.caps => Ok(()),
        _ => Err(libc::EPERM),
    }
}

fn ambient(option: libc::c_int) -> u64 {
    u64::try_from(option).unwrap_or(0)
}

fn seccomp(plan: &Plan) -> Sys<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(plan.calls.len()).map_err(|_| libc::EINVAL)?,
        filter: plan.calls.as_ptr().cast_mut(),
    };
    call!(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0_u32, &raw const program).map(drop)
}

fn exec(plan: &Plan) -> Sys<()> {
    let none = 0_u64;
    let no_set = ptr::null_mut::<u64>();
    call!(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, no_set, size_of::<u64>())?;
    call!(
        libc::SYS_execveat,
        slot::PROGRAM,
        c"".as_ptr(),
        plan.argv.as_ptr(),
        plan.envp.as_ptr(),
        libc::AT_EMPTY_PATH
    )
    .map(drop)
}

/// The init of the namespace, once the command is started: it keeps only the right to signal, forwards TERM
/// to all, reaps, and when the command has ended ends all others, tells the command's status and ends.
fn watch(plan: &Plan, command: i32) -> ! {
    if give_up(plan).is_err() {
        // Ends the namespace and the command with it.
        sys::exit(FAILED);
    }
    // CHLD and TERM are blocked, and so stay pending until they are taken here.
    let wanted: u64 = bit(libc::SIGCHLD) | bit(libc::SIGTERM);
    loop {
        let (no_info, no_time) = (ptr::null_mut::<libc::siginfo_t>(), ptr::null::<libc::timespec>());
        let signal = call!(libc::SYS_rt_sigtimedwait, &raw const wanted, no_info, no_time, size_of::<u64>());
        if signal == Ok(libc::c_long::from(libc::SIGTERM)) {
            // All but this process; without a namespace the process group.
            let whom = if plan.isolation == Isolation::Bare { 0 } else { -1 };
            let _ = call!(libc::SYS_kill, whom, libc::SIGTERM);
        }
        if let Some(status) = reap(command) {
            if plan.isolation != Isolation::Bare {
                clear();
            }
            let _ = sys::write(slot::STATUS, &status.to_ne_bytes());
            sys::exit(0)
        }
    }
}

fn bit(signal: libc::c_int) -> u64 {
    u32::try_from(signal).ok().and_then(|n| 1_u64.checked_shl(n.saturating_sub(1))).unwrap_or(0)
}

/// Takes the ends of all that have ended; gives the command's status when it is among them.
fn reap(command: i32) -> Option<libc::c_int> {
    let mut of_command = None;
    loop {
        match wait_any(libc::WNOHANG) {
            Ok((pid, status)) if pid == libc::c_long::from(command) => of_command = Some(status),
            Ok((0, _)) | Err(_) => return of_command,
            Ok(_) => {}
        }
    }
}

/// Kills everything else in the namespace and waits until it is gone.
fn clear() {
    loop {
        let _ = call!(libc::SYS_kill, -1, libc::SIGKILL);
        match wait_any(0) {
            Ok(_) | Err(libc::EINTR) => {}
            // ECHILD: init is the parent of all that lost theirs, so nothing is left.
            Err(_) => return,
        }
    }
}

fn wait_any(options: libc::c_int) -> Sys<(libc::c_long, libc::c_int)> {
    let mut status: libc::c_int = 0;
    let no_usage = ptr::null_mut::<libc::rusage>();
    let pid = call!(libc::SYS_wait4, -1, &raw mut status, options, no_usage)?;
    Ok((pid, status))
}

/// The bounding set stays: it matters to exec alone, and init executes nothing.
fn give_up(plan: &Plan) -> Sys<()> {
    sys::close_range(0, 3)?;
    sys::close_range(u32::try_from(slot::PROGRAM).unwrap_or(5), u32::MAX)?;
    prctl(libc::PR_SET_DUMPABLE, 0, 0)?;
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0)?;
    let keep = if plan.isolation == Isolation::Bare { CapSet(0) } else { CapSet::KILL };
    caps::set(keep, keep, CapSet(0))
}
