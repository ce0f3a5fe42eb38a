//! Everything that an execution needs, prepared before the fork: after it nothing allocates.

use crate::caps::CapSet;
use crate::program::Program;
use crate::rooms::Room;
use crate::seccomp::{self, Instruction, Shut};
use doorward_policy::Network;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::{Arc, OnceLock};

/// How far this broker can shut a command in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Isolation {
    /// As root: all namespaces, another account.
    Full,
    /// Without root, in a user namespace: all namespaces, the same account.
    UserNamespace,
    /// Without root and without namespaces: Landlock, seccomp and the process group alone.
    Bare,
}

/// The account that a command runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
}

/// Which `/proc` a command sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Proc {
    /// Of its own PID namespace.
    Own,
    /// The host's, read-only: for rules with `sys_ptrace`, whose purpose is to see processes.
    Host,
    /// Of its own PID namespace, without the files that tell of the host.
    OwnProcesses,
    /// None: for filters and the docker client.
    None,
}

/// A NULL-terminated array of C strings, as exec takes it.
#[derive(Debug)]
pub(crate) struct Strings {
    _owned: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Strings {
    /// `None` when one of the strings holds a NUL.
    pub(crate) fn new(strings: impl IntoIterator<Item = String>) -> Option<Strings> {
        let owned: Vec<CString> =
            strings.into_iter().map(|string| CString::new(string).ok()).collect::<Option<_>>()?;
        let pointers = owned.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Some(Strings { _owned: owned, pointers })
    }

    pub(crate) fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr()
    }
}

/// Descriptors of the standard streams.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// A stack for the command between clone and exec.
#[derive(Debug)]
pub(crate) struct Stack(Box<[u8]>);

impl Stack {
    /// The steps' frames are small; this is many times what they need without optimisation.
    const SIZE: usize = 64 << 10;

    pub(crate) fn new() -> Stack {
        Stack(vec![0; Stack::SIZE].into_boxed_slice())
    }

    /// Its high end, where it begins, aligned as both architectures want it.
    pub(crate) fn top(&self) -> *mut libc::c_void {
        let range = self.0.as_ptr_range();
        let above = range.end.addr() % 16;
        range.end.wrapping_sub(above).cast_mut().cast()
    }
}

/// One resource limit; soft and hard are equal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) resource: u32,
    pub(crate) value: u64,
}

/// Where the child stops in a test.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    /// Each step writes its number and the time here when it begins to have succeeded.
    pub(crate) trace: Option<OwnedFd>,
    /// This step fails with `ENOTRECOVERABLE`.
    pub(crate) fail: Option<crate::step::Step>,
}

/// The whole plan of one execution.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) isolation: Isolation,
    pub(crate) program: Program,
    pub(crate) argv: Strings,
    pub(crate) envp: Strings,
    pub(crate) streams: Streams,
    pub(crate) ids: Ids,
    pub(crate) caps: CapSet,
    pub(crate) network: Network,
    pub(crate) proc: Proc,
    /// A filter gets a process group only: it can open no terminal, and the kernel schedules each session by
    /// itself (`sched(7)`, autogroups), which makes the stages of a pipeline wait for each other.
    pub(crate) own_session: bool,
    pub(crate) limits: Vec<Limit>,
    /// Where the new root is mounted: an empty folder of the broker's.
    pub(crate) mountpoint: CString,
    /// What the command sees.
    pub(crate) room: Arc<Room>,
    /// The landlock version of this kernel; 0: none. `None`: not for this rule.
    pub(crate) landlock: Option<u32>,
    /// The program's loader, where Landlock lets nothing else be executed beside the program.
    pub(crate) loader: Option<CString>,
    /// The seccomp program.
    pub(crate) calls: &'static [Instruction],
    /// Signals that the broker ignores.
    pub(crate) ignored: &'static [libc::c_int],
    /// What the command uses until exec.
    pub(crate) stack: Stack,
    /// For a user namespace: lines of `uid_map` and `gid_map`.
    pub(crate) id_maps: Option<(CString, CString)>,
    #[cfg(test)]
    pub(crate) hooks: Hooks,
}

/// The descriptor numbers in the child; everything above is closed.
pub(crate) mod slot {
    use std::os::fd::RawFd;
    pub(crate) const ERRORS: RawFd = 3;
    pub(crate) const STATUS: RawFd = 4;
    pub(crate) const PROGRAM: RawFd = 5;
    pub(crate) const SCRIPT: RawFd = 6;
    pub(crate) const ROOM: RawFd = 7;
    pub(crate) const TRACE: RawFd = 8;
    pub(crate) const FIRST_FREE: u32 = 9;
}

/// The words for exec: the program's own, or its interpreter's on the opened script.
pub(crate) fn words(program: &Program, argv: &[String]) -> Option<Strings> {
    let Some(interpreter) = &program.interpreter else { return Strings::new(argv.iter().cloned()) };
    let mut words = vec![interpreter.name.clone()];
    words.extend(interpreter.argument.clone());
    words.push(format!("/proc/self/fd/{}", slot::SCRIPT));
    words.extend(argv.iter().skip(1).cloned());
    Strings::new(words)
}

/// The limits of every command. Memory is limited for each process, since a client can be told to read an
/// endless file (`docker run --security-opt seccomp=/dev/zero`); all of them together are the cgroup's matter.
/// The number of processes is counted over the whole account, which all commands of a worker share; root's
/// account is everybody's, so it is left alone.
pub(crate) fn limits(root: bool) -> Vec<Limit> {
    let all = [
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_DATA, 1 << 30),
        (libc::RLIMIT_NOFILE, 1024),
        (libc::RLIMIT_FSIZE, 64 << 20),
        (libc::RLIMIT_MEMLOCK, 8 << 20),
        (libc::RLIMIT_MSGQUEUE, 0),
    ];
    let processes = (!root).then_some((libc::RLIMIT_NPROC, 1024));
    all.into_iter().chain(processes).map(|(resource, value)| Limit { resource, value }).collect()
}

/// The seccomp program for this confinement, made once. (An empty one would be refused by the kernel.)
pub(crate) fn calls(shut: Shut) -> &'static [Instruction] {
    static MADE: OnceLock<Vec<(Shut, Vec<Instruction>)>> = OnceLock::new();
    let made = MADE.get_or_init(|| Shut::all().map(|shut| (shut, seccomp::program(shut))).collect());
    made.iter().find(|(known, _)| *known == shut).map_or(&[], |(_, program)| program)
}

/// The signals that this process ignores, which clone leaves ignored (`SigIgn` of `proc_pid_status(5)`).
/// They are those of the first call: the broker changes none later.
pub(crate) fn ignored() -> &'static [libc::c_int] {
    static IGNORED: OnceLock<Vec<libc::c_int>> = OnceLock::new();
    IGNORED.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status
            .lines()
            .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok())
            // Not known: all of them.
            .unwrap_or(u64::MAX);
        (1..=64)
            .filter(|signal| mask.checked_shr(signal - 1).is_some_and(|bits| bits & 1 == 1))
            .collect::<Vec<u32>>()
            .into_iter()
            .filter_map(|signal| libc::c_int::try_from(signal).ok())
            .collect()
    })
}
