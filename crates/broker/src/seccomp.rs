//! Step 17: which system calls a spawned command may make. Default deny: what is not in the table answers
//! `ENOSYS`, so that libraries fall back; what is dangerous answers `EPERM`; a foreign architecture is killed.
//!
//! The program is a binary search over the call's number, because the kernel runs it once for every possible
//! call when it is loaded, to cache the calls that are always allowed (`kernel/seccomp.c`).

mod calls;

use crate::plan::slot;
use calls::{ALLOWED, NOT_FOR_FILTERS, REFUSED};
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
/// `CLONE_THREAD` of `linux/sched.h`.
const CLONE_THREAD: u32 = 0x0001_0000;
/// [`slot::PROGRAM`], as the kernel's data has it.
const PROGRAM: u32 = slot::PROGRAM.cast_unsigned();
/// `TIOCSTI`, `TIOCSETD`, `TIOCLINUX`, `TIOCCONS`: push input to or take over a terminal.
const TERMINAL_TRICKS: [u32; 4] = [0x5412, 0x5423, 0x541C, 0x541D];

/// What a call's number leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Answer(u32),
    /// `clone`: no namespaces.
    Clone,
    /// `clone`: only threads.
    Thread,
    /// `execveat`: only of the descriptor that the program was opened with, which its exec closes.
    Once,
    /// `ioctl`: not [`TERMINAL_TRICKS`].
    Ioctl,
    /// `socket`, `socketpair`: only the domains that the rule's network has.
    Socket,
    /// `personality`: only to ask, and Linux itself.
    Personality,
}

/// How far a command is shut in beyond the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shut {
    /// Which sockets there are; `None`: none at all and no other process either, as for a filter.
    pub(crate) network: Option<Network>,
    /// Without a PID namespace the process group is what ends a command, so it may not leave it.
    pub(crate) keep_group: bool,
}

impl Shut {
    /// Every one that there is.
    pub(crate) fn all() -> impl Iterator<Item = Shut> {
        let networks = [None, Some(Network::None), Some(Network::Audit), Some(Network::Host)];
        let with = |network| [false, true].map(|keep_group| Shut { network, keep_group });
        networks.into_iter().flat_map(with)
    }
}

/// The instructions for it.
pub(crate) fn program(shut: Shut) -> Vec<Instruction> {
    let mut out = vec![
        op(LOAD, OFFSET_ARCH),
        branch(IF_EQUAL, ARCH, 1, 0),
        op(RETURN, KILL),
        op(LOAD, OFFSET_NUMBER),
        branch(IF_AT_LEAST, X32, 0, 1),
        op(RETURN, KILL),
    ];
    out.extend(tree(&ranges(shut), shut.network));
    out
}

/// Consecutive numbers with the same action, from 0: (first number, action).
fn ranges(shut: Shut) -> Vec<(u32, Action)> {
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
    if shut.network.is_none() {
        special.extend(NOT_FOR_FILTERS.iter().map(|call| (*call, Action::Answer(EPERM))));
        special.extend([(libc::SYS_clone, Action::Thread), (libc::SYS_execveat, Action::Once)]);
    }
    if shut.keep_group {
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

fn tree(ranges: &[(u32, Action)], network: Option<Network>) -> Vec<Instruction> {
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

fn leaf(action: Action, network: Option<Network>) -> Vec<Instruction> {
    match action {
        Action::Answer(answer) => vec![op(RETURN, answer)],
        Action::Clone => vec![
            op(LOAD, OFFSET_ARGUMENT_0),
            branch(IF_BITS, CLONE_NAMESPACES, 0, 1),
            op(RETURN, EPERM),
            op(RETURN, ALLOW),
        ],
        Action::Thread => vec![
            op(LOAD, OFFSET_ARGUMENT_0),
            branch(IF_BITS, CLONE_NAMESPACES, 2, 0),
            branch(IF_BITS, CLONE_THREAD, 0, 1),
            op(RETURN, ALLOW),
            op(RETURN, EPERM),
        ],
        Action::Once => one_of(OFFSET_ARGUMENT_0, &[PROGRAM], ALLOW, EPERM),
        Action::Ioctl => one_of(OFFSET_ARGUMENT_1, &TERMINAL_TRICKS, EPERM, ALLOW),
        Action::Socket => one_of(OFFSET_ARGUMENT_0, domains(network), ALLOW, EAFNOSUPPORT),
        Action::Personality => one_of(OFFSET_ARGUMENT_0, &[0, 0xffff_ffff], ALLOW, EINVAL),
    }
}

fn domains(network: Option<Network>) -> &'static [u32] {
    const UNIX: u32 = 1;
    const INET: u32 = 2;
    const INET6: u32 = 10;
    const NETLINK: u32 = 16;
    match network {
        None => &[],
        Some(Network::None) => &[UNIX],
        Some(Network::Audit) => &[UNIX, NETLINK],
        Some(Network::Host) => &[UNIX, INET, INET6, NETLINK],
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
        program(Shut { network: Some(Network::Audit), keep_group: false })
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
    fn a_filter_makes_threads_and_neither_processes_nor_a_second_program() {
        let program = program(Shut { network: None, keep_group: false });
        assert_eq!(run(&program, ARCH, number(libc::SYS_clone), [0x003d_0f00, 0]), ALLOW);
        for flags in [17, 0x4111, 0x0120_0011, 0x1001_0000, 0x2001_0000, 0x4001_0000, 0x0003_0000] {
            assert_eq!(run(&program, ARCH, number(libc::SYS_clone), [flags, 0]), EPERM, "{flags:#x}");
        }
        assert_eq!(run(&program, ARCH, number(libc::SYS_execveat), [PROGRAM, 0]), ALLOW);
        for fd in [0, PROGRAM + 1, u32::MAX - 99] {
            assert_eq!(run(&program, ARCH, number(libc::SYS_execveat), [fd, 0]), EPERM, "{fd}");
        }
        for call in NOT_FOR_FILTERS {
            assert_eq!(run(&program, ARCH, number(*call), [0, 0]), EPERM, "{call}");
            assert!(ALLOWED.contains(call), "{call} is refused to all");
        }
    }

    #[test]
    fn each_network_has_its_domains() {
        for (network, allowed) in [
            (None, vec![]),
            (Some(Network::None), vec![1]),
            (Some(Network::Audit), vec![1, 16]),
            (Some(Network::Host), vec![1, 2, 10, 16]),
        ] {
            let program = program(Shut { network, keep_group: false });
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
