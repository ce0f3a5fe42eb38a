//! Step 10, in the child: the namespaces' insides. Carries out the operations of [`crate::sandbox`].

use crate::plan::{Isolation, Plan, Proc};
use crate::sandbox::{DEVICES, Op};
use crate::sys::{self, Sys, call, mount_attr, prctl};
use std::ffi::CStr;

const READ_ONLY: u64 = mount_attr::RDONLY | mount_attr::NOSUID | mount_attr::NODEV;
const PROC_FLAGS: libc::c_ulong = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
const TMPFS: &CStr = c"mode=0755,size=64k,nr_inodes=256";

/// Enters the new root. `place` is left at the operation that failed: its index, or one of the last numbers
/// for what is not in the list.
pub(crate) fn enter(plan: &Plan, place: &mut u16) -> Sys<()> {
    // When the broker goes, so does all this: also a broker that was killed.
    prctl(libc::PR_SET_PDEATHSIG, u64::try_from(libc::SIGKILL).unwrap_or(9), 0)?;
    if plan.isolation == Isolation::Bare {
        return Ok(());
    }
    *place = u16::MAX - 1;
    if let Some((uids, gids)) = &plan.id_maps {
        put(c"/proc/self/setgroups", c"deny")?;
        put(c"/proc/self/uid_map", uids)?;
        put(c"/proc/self/gid_map", gids)?;
    }
    *place = u16::MAX - 2;
    sys::mount(c"none", c"/", None, libc::MS_REC | libc::MS_PRIVATE, None)?;
    sys::mount(c"none", &plan.mountpoint, Some(c"tmpfs"), libc::MS_NOSUID | libc::MS_NODEV, Some(TMPFS))?;
    call!(libc::SYS_chdir, plan.mountpoint.as_ptr())?;
    call!(libc::SYS_umask, 0_u32)?;
    for (index, op) in plan.view.ops.iter().enumerate() {
        *place = u16::try_from(index).unwrap_or(u16::MAX - 3);
        carry_out(op)?;
    }
    *place = u16::MAX - 4;
    devices(plan)?;
    *place = u16::MAX - 5;
    proc(plan)?;
    *place = u16::MAX - 6;
    seal(c".")?;
    *place = u16::MAX - 7;
    call!(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr())?;
    call!(libc::SYS_umount2, c".".as_ptr(), libc::MNT_DETACH)?;
    call!(libc::SYS_umask, 0o077_u32)?;
    call!(libc::SYS_chdir, c"/".as_ptr()).map(drop)
}

fn put(path: &CStr, text: &CStr) -> Sys<()> {
    let fd = sys::open(path, libc::O_WRONLY, 0)?;
    let done = sys::write(fd, text.to_bytes());
    sys::close(fd);
    done.map(drop)
}

fn carry_out(op: &Op) -> Sys<()> {
    match op {
        Op::Dir(path) => sys::mkdir(path, 0o755),
        Op::File(path) => sys::mknod(path, libc::S_IFREG, 0),
        Op::Link(says, at) => sys::symlink(says, at),
        Op::Bind { from, to, recursive } => bind(from, to, *recursive, READ_ONLY),
    }
}

fn bind(from: &CStr, to: &CStr, recursive: bool, attributes: u64) -> Sys<()> {
    let tree = sys::clone_tree(from, recursive)?;
    let done = sys::set_mount(tree, attributes, recursive).and_then(|()| sys::attach_tree(tree, to));
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

fn devices(plan: &Plan) -> Sys<()> {
    if plan.isolation == Isolation::UserNamespace {
        for (path, ..) in DEVICES {
            sys::mknod(path, libc::S_IFREG, 0)?;
            // `dev/null` here is `/dev/null` there.
            bind(absolute(path), path, false, mount_attr::RDONLY | mount_attr::NOSUID)?;
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
    if plan.isolation == Isolation::UserNamespace { Ok(()) } else { seal(c"dev") }
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

fn proc(plan: &Plan) -> Sys<()> {
    match plan.proc {
        // Init's command line is the broker's: a command does not see it.
        Proc::Own => sys::mount(c"none", c"proc", Some(c"proc"), PROC_FLAGS, Some(c"hidepid=2")),
        // Without following symlinks: `/proc/PID/root` would lead out of the new root.
        Proc::Host => {
            bind(c"/proc", c"proc", false, READ_ONLY | mount_attr::NOEXEC | mount_attr::NOSYMFOLLOW)
        }
    }
}
