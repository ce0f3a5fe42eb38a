//! The process closes itself in: no files, no programs, no processes, no network but unix sockets.
//!
//! What is left is what it needs: the descriptors it has, connections to unix sockets, memory, time. Whoever
//! takes this process over still holds the engine's socket; the seal keeps them from everything else.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use std::collections::BTreeMap;

/// Most descriptors: three for each of a worker's connections, for a few workers.
const DESCRIPTORS: u64 = 65_536;

/// Why the process could not be closed in. It must not serve then.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A call of the first steps failed.
    #[error("the proxy cannot close itself in: {0}: {1}")]
    Call(&'static str, rustix::io::Errno),
    /// Landlock is there and failed.
    #[error("the proxy cannot close itself in: landlock: {0}")]
    Landlock(#[from] landlock::RulesetError),
    /// The filter cannot be made or set.
    #[error("the proxy cannot close itself in: seccomp: {0}")]
    Seccomp(String),
}

impl From<seccompiler::Error> for SealError {
    fn from(error: seccompiler::Error) -> Self {
        SealError::Seccomp(error.to_string())
    }
}

impl From<seccompiler::BackendError> for SealError {
    fn from(error: seccompiler::BackendError) -> Self {
        SealError::Seccomp(error.to_string())
    }
}

/// Closes the process in, for good. It should have one thread: Landlock holds for the calling one alone.
/// Gives one line for each thing that is weaker on this host than designed.
///
/// # Errors
/// When a step fails that every supported kernel has.
pub fn seal() -> Result<Vec<String>, SealError> {
    let mut weaker = Vec::new();
    if threads() != 1 {
        weaker.push("proxy: other threads of the process are not confined by Landlock".to_owned());
    }
    limit()?;
    let step = |name| move |error| SealError::Call(name, error);
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(step("dumpable"))?;
    drop_capabilities()?;
    set_no_new_privs(true).map_err(step("no_new_privs"))?;
    weaker.extend(close_files()?);
    seccompiler::apply_filter_all_threads(&filter()?)?;
    Ok(weaker)
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn limit() -> Result<(), SealError> {
    let hard = getrlimit(Resource::Nofile).maximum;
    let most = hard.unwrap_or(DESCRIPTORS).min(DESCRIPTORS);
    let limits = [
        ("RLIMIT_CORE", Resource::Core, 0),
        ("RLIMIT_NPROC", Resource::Nproc, 0),
        ("RLIMIT_NOFILE", Resource::Nofile, most),
    ];
    for (name, resource, value) in limits {
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        setrlimit(resource, limit).map_err(|error| SealError::Call(name, error))?;
    }
    Ok(())
}

/// A service that was started as root has none of root's capabilities from here on.
fn drop_capabilities() -> Result<(), SealError> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(|error| SealError::Call("capset", error))
}

/// A Landlock ruleset without a single rule: everything it handles is denied. Connecting to a unix socket by
/// its path is not among what ABI 6 handles, and so stays possible.
fn close_files() -> Result<Option<String>, SealError> {
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V5))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => None,
        RulesetStatus::PartiallyEnforced => Some("proxy: landlock is older than ABI 6".to_owned()),
        RulesetStatus::NotEnforced => {
            Some("proxy: landlock is not there; seccomp alone denies files".to_owned())
        }
    })
}

/// What a system call may be called with.
enum Allowed {
    /// Anything.
    Any,
    /// This argument must be one of these.
    OneOf(u8, &'static [i32]),
    /// This argument must have none of these bits.
    Without(u8, i32),
    /// This argument must be the process's own id.
    Own(u8),
}
use Allowed::{Any, OneOf, Own, Without};

/// Everything that is left: what tokio, hyper and the allocator use once descriptors are there. Numbers are
/// those of the architecture that this is built for; anything else is answered `EPERM`.
const LEFT: &[(i64, Allowed)] = &[
    // descriptors
    (libc::SYS_read, Any),
    (libc::SYS_write, Any),
    (libc::SYS_readv, Any),
    (libc::SYS_writev, Any),
    (libc::SYS_close, Any),
    (
        libc::SYS_fcntl,
        OneOf(1, &[libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD_CLOEXEC]),
    ),
    // FIONBIO: std sets descriptors non-blocking with it
    (libc::SYS_ioctl, OneOf(1, &[0x5421])),
    // unix sockets
    (libc::SYS_socket, OneOf(0, &[libc::AF_UNIX])),
    (libc::SYS_socketpair, OneOf(0, &[libc::AF_UNIX])),
    (libc::SYS_connect, Any),
    (libc::SYS_accept4, Any),
    (libc::SYS_recvfrom, Any),
    (libc::SYS_recvmsg, Any),
    (libc::SYS_sendto, Any),
    (libc::SYS_sendmsg, Any),
    (libc::SYS_shutdown, Any),
    (libc::SYS_getsockopt, Any),
    (libc::SYS_setsockopt, Any),
    (libc::SYS_getsockname, Any),
    (libc::SYS_getpeername, Any),
    // waiting
    (libc::SYS_epoll_create1, Any),
    (libc::SYS_epoll_ctl, Any),
    (libc::SYS_epoll_pwait, Any),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, Any),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_poll, Any),
    (libc::SYS_ppoll, Any),
    (libc::SYS_eventfd2, Any),
    (libc::SYS_futex, Any),
    (libc::SYS_nanosleep, Any),
    (libc::SYS_clock_nanosleep, Any),
    (libc::SYS_restart_syscall, Any),
    (libc::SYS_sched_yield, Any),
    // memory that is never code
    (libc::SYS_brk, Any),
    (libc::SYS_mmap, Without(2, libc::PROT_EXEC)),
    (libc::SYS_mprotect, Without(2, libc::PROT_EXEC)),
    (libc::SYS_mremap, Any),
    (libc::SYS_munmap, Any),
    (libc::SYS_madvise, Any),
    // time and chance
    (libc::SYS_clock_gettime, Any),
    (libc::SYS_gettimeofday, Any),
    (libc::SYS_getrandom, Any),
    // signals to itself, and the end
    (libc::SYS_rt_sigaction, Any),
    (libc::SYS_rt_sigprocmask, Any),
    (libc::SYS_rt_sigreturn, Any),
    (libc::SYS_sigaltstack, Any),
    (libc::SYS_tgkill, Own(0)),
    (libc::SYS_getpid, Any),
    (libc::SYS_gettid, Any),
    (libc::SYS_exit, Any),
    (libc::SYS_exit_group, Any),
];

fn filter() -> Result<BpfProgram, SealError> {
    let mut rules = BTreeMap::new();
    for (number, allowed) in LEFT {
        rules.insert(*number, conditions(allowed)?);
    }
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refusal = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, refusal, SeccompAction::Allow, arch)?;
    Ok(filter.try_into()?)
}

fn conditions(allowed: &Allowed) -> Result<Vec<SeccompRule>, SealError> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    match allowed {
        Any => Ok(Vec::new()),
        OneOf(place, values) => values.iter().map(|value| rule(*place, SeccompCmpOp::Eq, *value)).collect(),
        Without(place, bits) => {
            let none_of = SeccompCmpOp::MaskedEq(u64::from(bits.unsigned_abs()));
            Ok(vec![rule(*place, none_of, 0)?])
        }
        Own(place) => Ok(vec![rule(*place, SeccompCmpOp::Eq, own)?]),
    }
}

fn rule(place: u8, operator: SeccompCmpOp, value: i32) -> Result<SeccompRule, SealError> {
    let value = u64::from(value.unsigned_abs());
    let condition = SeccompCondition::new(place, SeccompCmpArgLen::Dword, operator, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}
