//! Unix accounts and groups of this host, asked from the system's own databases (`getpwnam_r(3)`).

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::ptr;

/// One account of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Numeric user id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Home folder as the database says it.
    pub home: PathBuf,
    /// Login shell as the database says it.
    pub shell: PathBuf,
}

/// The gateway's account.
pub const GATEWAY: &str = "doorward";
/// The proxy's account.
pub const PROXY: &str = "doorward-proxy";

/// uid and primary gid of the account with this name, or `None`.
pub fn ids_of(name: &str) -> Option<(u32, u32)> {
    user_by_name(name).map(|account| (account.uid, account.gid))
}

/// uid of the account with this name, or `None`.
pub fn uid_of(name: &str) -> Option<u32> {
    user_by_name(name).map(|account| account.uid)
}

/// Largest buffer that an entry may need; the databases of large sites stay well below.
const LARGEST: usize = 1 << 20;

/// The account with this login name, or `None`.
pub fn user_by_name(name: &str) -> Option<Account> {
    let name = CString::new(name).ok()?;
    passwd(|entry, buffer, found| {
        // SAFETY: all pointers are valid for the call, and the length is the buffer's.
        unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer.as_mut_ptr(), buffer.len(), found) }
    })
}

/// The account with this uid, or `None`.
pub fn user_by_uid(uid: u32) -> Option<Account> {
    passwd(|entry, buffer, found| {
        // SAFETY: all pointers are valid for the call, and the length is the buffer's.
        unsafe { libc::getpwuid_r(uid, entry, buffer.as_mut_ptr(), buffer.len(), found) }
    })
}

/// The gid of the group with this name, or `None`.
pub fn group_by_name(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    growing(|buffer| {
        let mut entry = MaybeUninit::<libc::group>::uninit();
        let mut found = ptr::null_mut();
        // SAFETY: all pointers are valid for the call, and the length is the buffer's.
        let code = unsafe {
            libc::getgrnam_r(name.as_ptr(), entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found)
        };
        if code == libc::ERANGE {
            return Lookup::TooSmall;
        }
        if code != 0 || found.is_null() {
            return Lookup::Done(None);
        }
        // SAFETY: the call succeeded and `found` points to `entry`, which it filled.
        Lookup::Done(Some(unsafe { (*found).gr_gid }))
    })
}

enum Lookup<T> {
    TooSmall,
    Done(Option<T>),
}

fn growing<T>(mut look: impl FnMut(&mut [libc::c_char]) -> Lookup<T>) -> Option<T> {
    let mut size = 4096;
    while size <= LARGEST {
        let mut buffer = vec![0; size];
        match look(&mut buffer) {
            Lookup::Done(found) => return found,
            Lookup::TooSmall => size = size.saturating_mul(4),
        }
    }
    None
}

fn passwd(
    call: impl Fn(*mut libc::passwd, &mut [libc::c_char], *mut *mut libc::passwd) -> libc::c_int,
) -> Option<Account> {
    growing(|buffer| {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found = ptr::null_mut();
        let code = call(entry.as_mut_ptr(), buffer, &mut found);
        if code == libc::ERANGE {
            return Lookup::TooSmall;
        }
        if code != 0 || found.is_null() {
            return Lookup::Done(None);
        }
        // SAFETY: the call succeeded, so `found` points to `entry`, whose strings are NUL-terminated and lie
        // in `buffer`, which outlives this closure's use of them.
        let account = unsafe {
            let entry = &*found;
            Account {
                name: text(entry.pw_name),
                uid: entry.pw_uid,
                gid: entry.pw_gid,
                home: text(entry.pw_dir).into(),
                shell: text(entry.pw_shell).into(),
            }
        };
        Lookup::Done(Some(account))
    })
}

/// SAFETY: `pointer` is null or points to a NUL-terminated string.
unsafe fn text(pointer: *const libc::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: by this function's contract.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name_and_by_uid() {
        let root = user_by_name("root").unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(user_by_uid(0).unwrap(), root);
        assert_eq!(group_by_name("root"), Some(0));
    }

    #[test]
    fn what_does_not_exist_is_none() {
        assert_eq!(user_by_name("no-such-account-here"), None);
        assert_eq!(user_by_name("nul\0inside"), None);
        assert_eq!(group_by_name("no-such-group-here"), None);
        assert_eq!(user_by_uid(4_000_000_001), None);
    }
}
