//! Step 10, in the child: the namespaces' insides. As root a command joins a copy of a prepared room
//! ([`crate::rooms`]); otherwise it builds its own, by the operations of [`crate::sandbox`].

use crate::plan::{Isolation, Plan, Proc, slot};
use crate::sandbox::{DEVICES, Op, View};
use crate::sys::{self, Sys, call, mount_attr, prctl};
use std::ffi::CStr;
use std::os::fd::RawFd;

const READ_ONLY: u64 = mount_attr::RDONLY | mount_attr::NOSUID | mount_attr::NODEV;
const PROC_FLAGS: libc::c_ulong = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
const TMPFS: &CStr = c"mode=0755,size=64k,nr_inodes=256";
/// As much as a Dockerfile that is read at all, and what is made of it.
const SCRATCH: &CStr = c"mode=1777,size=1m,nr_inodes=16";

/// Enters the new root. `place` is left at the operation that failed: its index, or one of the last numbers
/// for what is not in the list.
pub(crate) fn enter(plan: &Plan, place: &mut u16) -> Sys<()> {
    // When the broker goes, so does all this: also a broker that was killed.
    prctl(libc::PR_SET_PDEATHSIG, u64::try_from(libc::SIGKILL).unwrap_or(9), 0)?;
    match plan.isolation {
        Isolation::Bare => Ok(()),
        Isolation::Full => {
            *place = u16::MAX - 8;
            join(plan)
        }
        Isolation::UserNamespace => {
            *place = u16::MAX - 1;
            if let Some((uids, gids)) = &plan.id_maps {
                put(c"/proc/self/setgroups", c"deny")?;
                put(c"/proc/self/uid_map", uids)?;
                put(c"/proc/self/gid_map", gids)?;
            }
            build(
                plan.room.view(),
                &plan.mountpoint,
                Build { devices: Devices::Borrowed, proc: plan.proc, unowned: None },
                place,
            )?;
            scratch(plan)
        }
    }
}

/// The command's own `/tmp`, when its view has one.
fn scratch(plan: &Plan) -> Sys<()> {
    if !plan.room.view().scratch {
        return Ok(());
    }
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    sys::mount(c"none", c"/tmp", Some(c"tmpfs"), flags, Some(SCRATCH))
}

/// Makes a private copy of the prepared namespace, whose root is all that it holds, and adds what belongs to
/// this command alone.
fn join(plan: &Plan) -> Sys<()> {
    call!(libc::SYS_setns, slot::ROOM, libc::CLONE_NEWNS)?;
    sys::close(slot::ROOM);
    call!(libc::SYS_unshare, libc::CLONE_NEWNS)?;
    match plan.proc {
        Proc::Own => mount_proc(c"/proc", WHOLE),
        Proc::OwnProcesses => mount_proc(c"/proc", PROCESSES),
        // The room has the host's, or none.
        Proc::Host | Proc::None => Ok(()),
    }?;
    scratch(plan)
}

/// Where the devices come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Devices {
    /// Made, which only the host's root may.
    Made,
    /// The host's, bound.
    Borrowed,
}

/// How a root is built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build {
    pub(crate) devices: Devices,
    pub(crate) proc: Proc,
    /// The namespace by which `/etc` is shown as nobody's; `None`: as it is.
    pub(crate) unowned: Option<RawFd>,
}

/// Builds a view and makes it the root of the calling thread, which is in a new mount namespace and shares
/// its root with nobody; nothing else is left in the namespace. Async-signal-safe.
pub(crate) fn build(view: &View, mountpoint: &CStr, how: Build, place: &mut u16) -> Sys<()> {
    *place = u16::MAX - 2;
    sys::mount(c"none", c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
    sys::mount(c"none", mountpoint, Some(c"tmpfs"), libc::MS_NOSUID | libc::MS_NODEV, Some(TMPFS))?;
    call!(libc::SYS_chdir, mountpoint.as_ptr())?;
    call!(libc::SYS_umask, 0_u32)?;
    for (index, op) in view.ops.iter().enumerate() {
        *place = u16::try_from(index).unwrap_or(u16::MAX - 3);
        carry_out(op, how.unowned)?;
    }
    *place = u16::MAX - 4;
    if view.kernel {
        devices(how.devices)?;
    }
    *place = u16::MAX - 5;
    match how.proc {
        Proc::Own => mount_proc(c"proc", WHOLE)?,
        Proc::OwnProcesses => mount_proc(c"proc", PROCESSES)?,
        // Without following symlinks: `/proc/PID/root` would lead out of the new root.
        Proc::Host => {
            bind(c"/proc", c"proc", false, READ_ONLY | mount_attr::NOEXEC | mount_attr::NOSYMFOLLOW, None)?;
        }
        Proc::None => {}
    }
    *place = u16::MAX - 6;
    seal(c".")?;
    *place = u16::MAX - 7;
    call!(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr())?;
    call!(libc::SYS_umount2, c".".as_ptr(), libc::MNT_DETACH)?;
    call!(libc::SYS_umask, 0o077_u32)?;
    call!(libc::SYS_chdir, c"/".as_ptr()).map(drop)
}

/// Init's command line is the broker's: a command does not see it.
const WHOLE: &CStr = c"hidepid=2";
/// Linux 5.8.
const PROCESSES: &CStr = c"hidepid=2,subset=pid";

fn mount_proc(at: &CStr, options: &CStr) -> Sys<()> {
    sys::mount(c"none", at, Some(c"proc"), PROC_FLAGS, Some(options))
}

/// Writes a setting of the kernel.
pub(crate) fn put(path: &CStr, text: &CStr) -> Sys<()> {
    let fd = sys::open(path, libc::O_WRONLY, 0)?;
    let done = sys::write(fd, text.to_bytes());
    sys::close(fd);
    done.map(drop)
}

fn carry_out(op: &Op, unowned: Option<RawFd>) -> Sys<()> {
    match op {
        Op::Dir(path) => sys::mkdir(path, 0o755),
        Op::File(path) => sys::mknod(path, libc::S_IFREG, 0),
        Op::Link(says, at) => sys::symlink(says, at),
        Op::Bind { from, to, recursive, disowned } => {
            bind(from, to, *recursive, READ_ONLY, unowned.filter(|_| *disowned))
        }
    }
}

fn bind(from: &CStr, to: &CStr, recursive: bool, attributes: u64, unowned: Option<RawFd>) -> Sys<()> {
    let tree = sys::clone_tree(from, recursive)?;
    let done = sys::set_mount(tree, attributes, recursive)
        .and_then(|()| unowned.map_or(Ok(()), |namespace| sys::disown(tree, namespace)))
        .and_then(|()| sys::attach_tree(tree, to));
    sys::close(tree);
    done
}

/// Makes the mount that is at `path` read-only; its devices, if any, go on working.
fn seal(path: &CStr) -> Sys<()> {
    let fd = sys::open(path, libc::O_PATH | libc::O_DIRECTORY, 0)?;
    let done = sys::set_mount(fd, mount_attr::RDONLY | mount_attr::NOSUID, false);
    sys::close(fd);
    done
}

fn devices(from: Devices) -> Sys<()> {
    if from == Devices::Borrowed {
        for (path, ..) in DEVICES {
            sys::mknod(path, libc::S_IFREG, 0)?;
            // `dev/null` here is `/dev/null` there.
            bind(absolute(path), path, false, mount_attr::RDONLY | mount_attr::NOSUID, None)?;
        }
    } else {
        sys::mount(c"none", c"dev", Some(c"tmpfs"), libc::MS_NOSUID | libc::MS_NOEXEC, Some(TMPFS))?;
        for (path, major, minor) in DEVICES {
            sys::mknod(path, libc::S_IFCHR | 0o666, (major << 8) | minor)?;
        }
    }
    for (says, at) in LINKS {
        sys::symlink(says, at)?;
    }
    if from == Devices::Borrowed { Ok(()) } else { seal(c"dev") }
}

const LINKS: [(&CStr, &CStr); 4] = [
    (c"/proc/self/fd", c"dev/fd"),
    (c"/proc/self/fd/0", c"dev/stdin"),
    (c"/proc/self/fd/1", c"dev/stdout"),
    (c"/proc/self/fd/2", c"dev/stderr"),
];

fn absolute(path: &CStr) -> &'static CStr {
    match path.to_bytes() {
        b"dev/null" => c"/dev/null",
        b"dev/zero" => c"/dev/zero",
        b"dev/full" => c"/dev/full",
        b"dev/random" => c"/dev/random",
        _ => c"/dev/urandom",
    }
}
