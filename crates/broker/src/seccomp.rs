//! Step 17: which system calls a spawned command may make. Default deny: what is not in the table answers
//! `ENOSYS`, so that libraries fall back; what is dangerous answers `EPERM`; a foreign architecture is killed.
//!
//! The program is a binary search over the call's number, because the kernel runs it once for every possible
//! call when it is loaded, to cache the calls that are always allowed (`kernel/seccomp.c`).

use doorward_policy::Network;
use std::collections::BTreeMap;

/// One BPF instruction: `struct sock_filter` of `linux/filter.h`.
pub(crate) type Instruction = libc::sock_filter;

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xC000_00B7;
/// Numbers from here on are x32's, on the same architecture value.
const X32: u32 = 0x4000_0000;

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const IF_BITS: u16 = 0x45;
const RETURN: u16 = 0x06;

const KILL: u32 = 0x8000_0000;
const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

const EPERM: u32 = ERRNO | 1;
const EINVAL: u32 = ERRNO | 22;
const ENOSYS: u32 = ERRNO | 38;
const EAFNOSUPPORT: u32 = ERRNO | 97;

/// Offsets in `struct seccomp_data`.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGUMENT_0: u32 = 16;
const OFFSET_ARGUMENT_1: u32 = 24;

/// All `CLONE_NEW*` that `clone` takes; `CLONE_NEWTIME` lies in its signal bits and only `clone3` has it.
const CLONE_NAMESPACES: u32 = 0x7E02_0000;
/// `TIOCSTI`, `TIOCSETD`, `TIOCLINUX`, `TIOCCONS`: push input to or take over a terminal.
const TERMINAL_TRICKS: [u32; 4] = [0x5412, 0x5423, 0x541C, 0x541D];

/// What a call's number leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Answer(u32),
    /// `clone`: no namespaces.
    Clone,
    /// `ioctl`: not [`TERMINAL_TRICKS`].
    Ioctl,
    /// `socket`, `socketpair`: only the domains that the rule's network has.
    Socket,
    /// `personality`: only to ask, and Linux itself.
    Personality,
}

/// How far a command is shut in beyond the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Which socket domains there are.
    pub(crate) network: Network,
    /// Without a PID namespace the process group is what ends a command, so it may not leave it.
    pub(crate) keep_group: bool,
}

/// The filter's instructions.
pub(crate) fn program(filter: Filter) -> Vec<Instruction> {
    let mut out = vec![
        op(LOAD, OFFSET_ARCH),
        branch(IF_EQUAL, ARCH, 1, 0),
        op(RETURN, KILL),
        op(LOAD, OFFSET_NUMBER),
        branch(IF_AT_LEAST, X32, 0, 1),
        op(RETURN, KILL),
    ];
    out.extend(tree(&ranges(filter), filter.network));
    out
}

/// Consecutive numbers with the same action, from 0: (first number, action).
fn ranges(filter: Filter) -> Vec<(u32, Action)> {
    let mut actions: BTreeMap<u32, Action> = BTreeMap::new();
    let tables: [(&[libc::c_long], Action); 2] =
        [(ALLOWED, Action::Answer(ALLOW)), (REFUSED, Action::Answer(EPERM))];
    for (calls, action) in tables {
        actions.extend(calls.iter().filter_map(|call| Some((u32::try_from(*call).ok()?, action))));
    }
    let mut special = vec![
        (libc::SYS_clone, Action::Clone),
        (libc::SYS_ioctl, Action::Ioctl),
        (libc::SYS_socket, Action::Socket),
        (libc::SYS_socketpair, Action::Socket),
        (libc::SYS_personality, Action::Personality),
    ];
    if filter.keep_group {
        special.extend([libc::SYS_setsid, libc::SYS_setpgid].map(|call| (call, Action::Answer(EPERM))));
    }
    actions
        .extend(special.into_iter().filter_map(|(call, action)| Some((u32::try_from(call).ok()?, action))));
    let mut ranges = vec![(0, Action::Answer(ENOSYS))];
    let mut push = |first: u32, action: Action| match ranges.last_mut() {
        Some((_, last)) if *last == action => {}
        Some((start, last)) if *start == first => *last = action,
        _ => ranges.push((first, action)),
    };
    let mut next = 0;
    for (number, action) in actions {
        if number > next {
            push(next, Action::Answer(ENOSYS));
        }
        push(number, action);
        next = number.saturating_add(1);
    }
    push(next, Action::Answer(ENOSYS));
    ranges
}

fn tree(ranges: &[(u32, Action)], network: Network) -> Vec<Instruction> {
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let (Some((pivot, _)), false) = (high.first(), low.is_empty()) else {
        return ranges
            .first()
            .map_or_else(|| leaf(Action::Answer(ENOSYS), network), |(_, action)| leaf(*action, network));
    };
    let (low, high) = (tree(low, network), tree(high, network));
    // Conditional jumps reach 255 instructions; an unconditional one reaches everything.
    let mut out = vec![branch(IF_AT_LEAST, *pivot, 1, 0)];
    out.push(op(JUMP, u32::try_from(high.len()).unwrap_or(u32::MAX)));
    out.extend(high);
    out.extend(low);
    out
}

fn leaf(action: Action, network: Network) -> Vec<Instruction> {
    match action {
        Action::Answer(answer) => vec![op(RETURN, answer)],
        Action::Clone => vec![
            op(LOAD, OFFSET_ARGUMENT_0),
            branch(IF_BITS, CLONE_NAMESPACES, 0, 1),
            op(RETURN, EPERM),
            op(RETURN, ALLOW),
        ],
        Action::Ioctl => one_of(OFFSET_ARGUMENT_1, &TERMINAL_TRICKS, EPERM, ALLOW),
        Action::Socket => one_of(OFFSET_ARGUMENT_0, domains(network), ALLOW, EAFNOSUPPORT),
        Action::Personality => one_of(OFFSET_ARGUMENT_0, &[0, 0xffff_ffff], ALLOW, EINVAL),
    }
}

fn domains(network: Network) -> &'static [u32] {
    const UNIX: u32 = 1;
    const INET: u32 = 2;
    const INET6: u32 = 10;
    const NETLINK: u32 = 16;
    match network {
        Network::None => &[UNIX],
        Network::Audit => &[UNIX, NETLINK],
        Network::Host => &[UNIX, INET, INET6, NETLINK],
    }
}

/// `yes` when the 32 low bits of an argument are one of `values`: the kernel reads no more of these arguments.
fn one_of(offset: u32, values: &[u32], yes: u32, no: u32) -> Vec<Instruction> {
    let mut out = vec![op(LOAD, offset)];
    for value in values {
        out.push(branch(IF_EQUAL, *value, 0, 1));
        out.push(op(RETURN, yes));
    }
    out.push(op(RETURN, no));
    out
}

fn op(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

fn branch(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// Dangerous by name: these answer `EPERM` instead of `ENOSYS`, so that a refusal is not taken for an old kernel.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_mbind,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_mknodat,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
];

/// What ordinary programs that look at things need. `clone3` is missing on purpose: its flags lie in memory,
/// where a filter cannot see them, and libraries fall back to `clone` on `ENOSYS`.
const ALLOWED: &[libc::c_long] = &[
    // files
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_chdir,
    libc::SYS_fchdir,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_truncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_tee,
    libc::SYS_vmsplice,
    libc::SYS_copy_file_range,
    libc::SYS_pipe2,
    libc::SYS_umask,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_fgetxattr,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_flistxattr,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    libc::SYS_sync_file_range,
    // waiting
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_signalfd4,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_restart_syscall,
    // memory
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_msync,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_munlock,
    libc::SYS_mlockall,
    libc::SYS_munlockall,
    libc::SYS_memfd_create,
    libc::SYS_membarrier,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    libc::SYS_get_mempolicy,
    libc::SYS_set_mempolicy,
    // processes and signals
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_setsid,
    libc::SYS_setpgid,
    libc::SYS_set_tid_address,
    libc::SYS_prctl,
    libc::SYS_rseq,
    libc::SYS_getrlimit,
    libc::SYS_setrlimit,
    libc::SYS_prlimit64,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_ioprio_get,
    libc::SYS_ioprio_set,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getattr,
    libc::SYS_sched_setscheduler,
    libc::SYS_getcpu,
    libc::SYS_setitimer,
    libc::SYS_getitimer,
    libc::SYS_timer_create,
    libc::SYS_timer_settime,
    libc::SYS_timer_gettime,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_delete,
    // identity: only to ask, and to set what no_new_privs and missing capabilities bound
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capget,
    libc::SYS_capset,
    // system
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_seccomp,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
    // sockets, whose domain is checked when they are made
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    // System V IPC, of an IPC namespace of its own
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semctl,
    libc::SYS_semtimedop,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmdt,
    libc::SYS_shmctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getdents,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_create,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_eventfd,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_signalfd,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_inotify_init,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getpgrp,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_alarm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pause,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_symlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_renameat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would; `arguments` are the low halves of the first two.
    fn run(program: &[Instruction], arch: u32, number: u32, arguments: [u32; 2]) -> u32 {
        let (mut at, mut accumulator) = (0_usize, 0_u32);
        loop {
            let Instruction { code, jt, jf, k } = program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { jt } else { jf });
            match code {
                LOAD => {
                    accumulator = match k {
                        OFFSET_NUMBER => number,
                        OFFSET_ARCH => arch,
                        OFFSET_ARGUMENT_0 => arguments[0],
                        OFFSET_ARGUMENT_1 => arguments[1],
                        other => panic!("loads offset {other}"),
                    }
                }
                JUMP => at += usize::try_from(k).unwrap(),
                IF_EQUAL => at += jump(accumulator == k),
                IF_AT_LEAST => at += jump(accumulator >= k),
                IF_BITS => at += jump(accumulator & k != 0),
                RETURN => return k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    fn audit() -> Vec<Instruction> {
        program(Filter { network: Network::Audit, keep_group: false })
    }

    fn number(call: libc::c_long) -> u32 {
        u32::try_from(call).unwrap()
    }

    #[test]
    fn every_listed_call_has_its_answer_and_every_other_is_enosys() {
        let program = audit();
        for call in 0..600_u32 {
            let listed = |table: &[libc::c_long]| table.contains(&libc::c_long::from(call));
            let special = [
                libc::SYS_clone,
                libc::SYS_ioctl,
                libc::SYS_socket,
                libc::SYS_socketpair,
                libc::SYS_personality,
            ];
            if listed(&special) {
                continue;
            }
            let expected = if listed(REFUSED) {
                EPERM
            } else if listed(ALLOWED) {
                ALLOW
            } else {
                ENOSYS
            };
            assert_eq!(run(&program, ARCH, call, [0, 0]), expected, "call {call}");
        }
        assert_eq!(run(&program, ARCH, X32 - 1, [0, 0]), ENOSYS);
    }

    #[test]
    fn no_call_is_both_allowed_and_refused() {
        for call in REFUSED {
            assert!(!ALLOWED.contains(call), "{call}");
        }
    }

    #[test]
    fn foreign_architectures_and_x32_are_killed() {
        let program = audit();
        assert_eq!(run(&program, 0x4000_0003, number(libc::SYS_read), [0, 0]), KILL);
        assert_eq!(run(&program, ARCH, X32, [0, 0]), KILL);
        assert_eq!(run(&program, ARCH, X32 | number(libc::SYS_read), [0, 0]), KILL);
    }

    #[test]
    fn clone_makes_threads_and_processes_but_no_namespaces() {
        let program = audit();
        assert_eq!(run(&program, ARCH, number(libc::SYS_clone), [0x003d_0f00, 0]), ALLOW);
        for bit in [0x2_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] {
            assert_eq!(run(&program, ARCH, number(libc::SYS_clone), [bit | 17, 0]), EPERM, "{bit:#x}");
        }
    }

    #[test]
    fn each_network_has_its_domains() {
        for (network, allowed) in
            [(Network::None, vec![1]), (Network::Audit, vec![1, 16]), (Network::Host, vec![1, 2, 10, 16])]
        {
            let program = program(Filter { network, keep_group: false });
            for domain in 0..64 {
                let expected = if allowed.contains(&domain) { ALLOW } else { EAFNOSUPPORT };
                assert_eq!(run(&program, ARCH, number(libc::SYS_socket), [domain, 0]), expected, "{domain}");
            }
        }
    }

    #[test]
    fn terminals_are_not_pushed_to() {
        let program = audit();
        assert_eq!(run(&program, ARCH, number(libc::SYS_ioctl), [0, 0x5412]), EPERM);
        assert_eq!(run(&program, ARCH, number(libc::SYS_ioctl), [0, 0x5401]), ALLOW);
    }
}
