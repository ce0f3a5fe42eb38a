//! Giving up root for good: what the gateway and the proxy do before anything else.

use crate::caps;
use std::io;

/// Becomes `uid`:`gid` with exactly `groups` as supplementary groups, permanently, without capabilities and
/// with `no_new_privs`, and checks that it cannot be undone.
///
/// Without root it succeeds only when the process already is `uid`:`gid`; its groups then stay as they are.
/// To be called while the process has one thread: capabilities and `no_new_privs` belong to a thread.
///
/// # Errors
/// When a step fails or the check after it finds that root could come back; the caller must then end.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    // SAFETY: getters without arguments.
    let (now_uid, now_gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    if now_uid == 0 {
        if uid == 0 {
            return Err(io::Error::other("asked to become root, which is no account for a service"));
        }
        // SAFETY: `groups` is valid for its length.
        checked(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
        // SAFETY: plain numbers; glibc applies them to every thread.
        checked(unsafe { libc::setresgid(gid, gid, gid) })?;
        // SAFETY: as above.
        checked(unsafe { libc::setresuid(uid, uid, uid) })?;
    } else if (now_uid, now_gid) != (uid, gid) {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    // SAFETY: prctl with plain numbers.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: as above.
    checked(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) })?;
    verify(uid, gid)
}

fn verify(uid: u32, gid: u32) -> io::Result<()> {
    let (mut r, mut e, mut s) = (0, 0, 0);
    // SAFETY: three valid pointers.
    checked(unsafe { libc::getresuid(&mut r, &mut e, &mut s) })?;
    let (mut rg, mut eg, mut sg) = (0, 0, 0);
    // SAFETY: three valid pointers.
    checked(unsafe { libc::getresgid(&mut rg, &mut eg, &mut sg) })?;
    if (r, e, s) != (uid, uid, uid) || (rg, eg, sg) != (gid, gid, gid) {
        return Err(io::Error::other("the ids did not all change"));
    }
    caps::drop_all()?;
    // SAFETY: a plain number; it must fail.
    if uid != 0 && unsafe { libc::setresuid(0, 0, 0) } == 0 {
        return Err(io::Error::other("root could be taken back"));
    }
    Ok(())
}

fn checked(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
