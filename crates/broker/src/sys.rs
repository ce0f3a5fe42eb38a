//! System calls that rustix and libc have no function for, and those that the child makes between clone and
//! exec. Everything here is async-signal-safe: no allocation, no locks.

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::ptr;

/// A system call's answer; the error is the system's number.
pub(crate) type Sys<T> = Result<T, i32>;

/// The last error of this thread.
pub(crate) fn errno() -> i32 {
    // SAFETY: always a valid pointer to this thread's number.
    unsafe { *libc::__errno_location() }
}

pub(crate) fn check(code: libc::c_long) -> Sys<libc::c_long> {
    if code == -1 { Err(errno()) } else { Ok(code) }
}

fn fd_of(code: libc::c_long) -> Sys<RawFd> {
    check(code).map(|fd| RawFd::try_from(fd).unwrap_or(-1))
}

/// A system call whose arguments are all plain numbers or valid pointers; gives its `Sys` answer.
macro_rules! call {
    ($number:expr $(, $argument:expr)* $(,)?) => {
        // SAFETY: every use in this crate passes numbers, or pointers that live until the call returns.
        $crate::sys::check(unsafe { libc::syscall($number $(, $argument)*) })
    };
}
pub(crate) use call;

/// `prctl` with numbers only; `a` is widened as the kernel reads it.
pub(crate) fn prctl(option: libc::c_int, a: u64, b: u64) -> Sys<libc::c_long> {
    call!(libc::SYS_prctl, option, a, b, 0_u64, 0_u64)
}

pub(crate) fn open(path: &CStr, flags: libc::c_int, mode: u32) -> Sys<RawFd> {
    fd_of(call!(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags | libc::O_CLOEXEC, mode)?)
}

pub(crate) fn close(fd: RawFd) {
    // A descriptor that cannot be closed is gone all the same.
    let _ = call!(libc::SYS_close, fd);
}

pub(crate) fn write(fd: RawFd, bytes: &[u8]) -> Sys<libc::c_long> {
    call!(libc::SYS_write, fd, bytes.as_ptr(), bytes.len())
}

pub(crate) fn close_range(first: u32, last: u32) -> Sys<()> {
    call!(libc::SYS_close_range, first, last, 0_u32).map(drop)
}

/// `dup3`, for `from != to`.
pub(crate) fn dup_to(from: RawFd, to: RawFd, cloexec: bool) -> Sys<()> {
    let flags = if cloexec { libc::O_CLOEXEC } else { 0 };
    call!(libc::SYS_dup3, from, to, flags).map(drop)
}

pub(crate) fn exit(code: libc::c_int) -> ! {
    // SAFETY: ends the process without running anything of it.
    unsafe { libc::_exit(code) }
}

pub(crate) fn mkdir(path: &CStr, mode: u32) -> Sys<()> {
    call!(libc::SYS_mkdirat, libc::AT_FDCWD, path.as_ptr(), mode).map(drop)
}

pub(crate) fn symlink(target: &CStr, at: &CStr) -> Sys<()> {
    call!(libc::SYS_symlinkat, target.as_ptr(), libc::AT_FDCWD, at.as_ptr()).map(drop)
}

pub(crate) fn mknod(path: &CStr, mode: u32, device: u32) -> Sys<()> {
    call!(libc::SYS_mknodat, libc::AT_FDCWD, path.as_ptr(), mode, device).map(drop)
}

pub(crate) fn mount(
    source: &CStr,
    target: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    data: Option<&CStr>,
) -> Sys<()> {
    let kind = kind.map_or(ptr::null(), CStr::as_ptr);
    let data = data.map_or(ptr::null(), CStr::as_ptr);
    call!(libc::SYS_mount, source.as_ptr(), target.as_ptr(), kind, flags, data).map(drop)
}

/// `OPEN_TREE_CLONE` of `linux/mount.h`.
const OPEN_TREE_CLONE: u32 = 1;
/// `AT_RECURSIVE` of `linux/fcntl.h`.
const AT_RECURSIVE: u32 = 0x8000;
/// `AT_EMPTY_PATH` as the mount calls take it.
const AT_EMPTY_PATH: u32 = 0x1000;
/// `MOVE_MOUNT_F_EMPTY_PATH` of `linux/mount.h`.
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;

/// `MOUNT_ATTR_*` of `linux/mount.h`.
pub(crate) mod mount_attr {
    pub(crate) const RDONLY: u64 = 0x1;
    pub(crate) const NOSUID: u64 = 0x2;
    pub(crate) const NODEV: u64 = 0x4;
    pub(crate) const NOEXEC: u64 = 0x8;
    pub(crate) const NOSYMFOLLOW: u64 = 0x0020_0000;
}

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// A detached copy of the mount at `path`, with what is mounted beneath it when `recursive`.
pub(crate) fn clone_tree(path: &CStr, recursive: bool) -> Sys<RawFd> {
    let cloexec = u32::try_from(libc::O_CLOEXEC).unwrap_or(0);
    let flags = OPEN_TREE_CLONE | cloexec | if recursive { AT_RECURSIVE } else { 0 };
    fd_of(call!(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags)?)
}

/// Sets attributes on a mount by descriptor, and on those beneath it when `recursive`.
pub(crate) fn set_mount(tree: RawFd, set: u64, recursive: bool) -> Sys<()> {
    let attr = MountAttr { set, clear: 0, propagation: 0, userns_fd: 0 };
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    call!(libc::SYS_mount_setattr, tree, c"".as_ptr(), flags, &raw const attr, size_of::<MountAttr>())
        .map(drop)
}

/// `MOUNT_ATTR_IDMAP` of `linux/mount.h`.
const IDMAP: u64 = 0x0010_0000;

/// Shows the files of a detached mount, and of those beneath it, with the ids of a user namespace.
pub(crate) fn disown(tree: RawFd, namespace: RawFd) -> Sys<()> {
    let userns_fd = u64::try_from(namespace).map_err(|_| libc::EBADF)?;
    let attr = MountAttr { set: IDMAP, clear: 0, propagation: 0, userns_fd };
    let flags = AT_EMPTY_PATH | AT_RECURSIVE;
    call!(libc::SYS_mount_setattr, tree, c"".as_ptr(), flags, &raw const attr, size_of::<MountAttr>())
        .map(drop)
}

/// Puts a detached mount at `path`.
pub(crate) fn attach_tree(tree: RawFd, path: &CStr) -> Sys<()> {
    call!(libc::SYS_move_mount, tree, c"".as_ptr(), libc::AT_FDCWD, path.as_ptr(), MOVE_MOUNT_F_EMPTY_PATH)
        .map(drop)
}
