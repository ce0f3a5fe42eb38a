//! A user namespace by which a mount shows its files as nobody's.
//!
//! `/etc` is bound into every room through it (an idmapped mount, `mount_setattr(2)`): its files then belong
//! to no account that any process has, and a capability over files reaches only files whose owner it knows.
//! So whoever a command is, and whatever its rule's capabilities are, it reads in `/etc` what everybody may
//! read, also of files that are made or replaced later. What a rule names in `read` is bound without it.

use crate::sys::{self, Sys, call};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

/// The one id that is mapped, since a map may not be empty: nobody's, to itself.
const MAP: &str = "65534 65534 1\n";

/// Makes the namespace.
///
/// # Errors
/// When this kernel or this host's settings have no user namespaces for root.
pub(crate) fn namespace() -> io::Result<OwnedFd> {
    let holder = hold().map_err(io::Error::from_raw_os_error)?;
    let made = (|| {
        fs::write(format!("/proc/{holder}/uid_map"), MAP)?;
        fs::write(format!("/proc/{holder}/gid_map"), MAP)?;
        fs::File::open(format!("/proc/{holder}/ns/user"))
    })();
    let _ = call!(libc::SYS_kill, holder, libc::SIGKILL);
    let _ = call!(libc::SYS_wait4, holder, ptr::null_mut::<i32>(), 0, ptr::null_mut::<libc::rusage>());
    made.map(OwnedFd::from)
}

/// A process in a new user namespace that waits to be killed.
fn hold() -> Sys<i32> {
    let flags = u64::try_from(libc::CLONE_NEWUSER | libc::SIGCHLD).unwrap_or(0);
    let pid = call!(libc::SYS_clone, flags, 0_u64, 0_u64, 0_u64, 0_u64)?;
    if pid == 0 {
        let _ = sys::close_range(0, u32::MAX);
        loop {
            let (no_fds, no_time) = (ptr::null_mut::<libc::pollfd>(), ptr::null::<libc::timespec>());
            let _ = call!(libc::SYS_ppoll, no_fds, 0_u64, no_time, ptr::null::<u64>(), 0_u64);
        }
    }
    i32::try_from(pid).map_err(|_| libc::ERANGE)
}

/// Whether the file system of `/etc` can be shown as nobody's.
pub(crate) fn works(namespace: &OwnedFd) -> Sys<()> {
    let tree = sys::clone_tree(c"/etc", true)?;
    let done = sys::disown(tree, namespace.as_raw_fd());
    sys::close(tree);
    done
}
