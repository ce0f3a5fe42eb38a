//! Step 16, in the child: Landlock repeats what the mount namespace allows, so that a hole in one is none in
//! the other. Raw calls, because the rules name mounts that exist only in the child.

use crate::plan::{Plan, slot};
use crate::sandbox::Access;
use crate::sys::{self, Sys, call};
use doorward_policy::Network;
use std::ffi::CStr;
use std::os::fd::RawFd;

/// `LANDLOCK_ACCESS_FS_*` of `linux/landlock.h`.
const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
/// Making and removing files and folders, and from version 3 shortening files.
const CHANGE: u64 = (1 << 4) | (1 << 5) | (1 << 7) | (1 << 8) | (1 << 14);
/// The kinds of access that each version of Landlock knows: version and the highest bit.
const KNOWN: [(u32, u32); 4] = [(1, 13), (2, 14), (3, 15), (5, 16)];
/// `LANDLOCK_ACCESS_NET_BIND_TCP` and `CONNECT_TCP`, from version 4.
const TCP: u64 = 3;
/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` and `SIGNAL`, from version 6.
const SCOPES: u64 = 3;
/// `LANDLOCK_CREATE_RULESET_VERSION`.
const ASK_VERSION: u32 = 1;
/// `LANDLOCK_RULE_PATH_BENEATH`.
const PATH_BENEATH: u32 = 1;

#[repr(C)]
struct Ruleset {
    filesystem: u64,
    network: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// The version of this kernel's Landlock; 0 when it has none or it is switched off.
pub(crate) fn version() -> u32 {
    let none = std::ptr::null::<Ruleset>();
    call!(libc::SYS_landlock_create_ruleset, none, 0_usize, ASK_VERSION)
        .ok()
        .and_then(|version| u32::try_from(version).ok())
        .unwrap_or(0)
}

/// Restricts the calling thread and what it becomes.
pub(crate) fn restrict(plan: &Plan) -> Sys<()> {
    let Some(version) = plan.landlock else { return Ok(()) };
    if version == 0 {
        return Ok(());
    }
    let network = if version >= 4 && plan.network != Network::Host { TCP } else { 0 };
    let ruleset =
        Ruleset { filesystem: handled(version), network, scoped: if version >= 6 { SCOPES } else { 0 } };
    // Older kernels take the shorter structure of their time.
    let size = if version >= 6 {
        24_usize
    } else if version >= 4 {
        16
    } else {
        8
    };
    let fd = call!(libc::SYS_landlock_create_ruleset, &raw const ruleset, size, 0_u32)?;
    let fd = RawFd::try_from(fd).map_err(|_| libc::EBADF)?;
    for beneath in &plan.room.view().beneath {
        let access = match beneath.access {
            Access::Read => READ_FILE | READ_DIR,
            Access::ReadExecute => READ_FILE | READ_DIR | EXECUTE,
            Access::Device => READ_FILE | WRITE_FILE,
            Access::Scratch => (READ_FILE | WRITE_FILE | READ_DIR | CHANGE) & handled(version),
        };
        allow_path(fd, &beneath.path, access)?;
    }
    if let Some(loader) = &plan.loader {
        allow_path(fd, loader, READ_FILE | EXECUTE)?;
    }
    allow(fd, slot::PROGRAM, READ_FILE | EXECUTE)?;
    if plan.program.interpreter.is_some() {
        allow(fd, slot::SCRIPT, READ_FILE)?;
    }
    call!(libc::SYS_landlock_restrict_self, fd, 0_u32)?;
    sys::close(fd);
    Ok(())
}

fn handled(version: u32) -> u64 {
    let bits = KNOWN.iter().rev().find(|(from, _)| version >= *from).map_or(13, |(_, bits)| *bits);
    1_u64.checked_shl(bits).unwrap_or(0).saturating_sub(1)
}

fn allow_path(ruleset: RawFd, path: &CStr, access: u64) -> Sys<()> {
    match sys::open(path, libc::O_PATH, 0) {
        Ok(opened) => {
            let added = allow(ruleset, opened, access);
            sys::close(opened);
            added
        }
        // Not on this host.
        Err(libc::ENOENT) => Ok(()),
        // A folder on the way that this account may not enter: nothing beneath it can be read either.
        Err(libc::EACCES) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Adds a rule; access to folders is left out for what is none, as the kernel demands.
fn allow(ruleset: RawFd, parent: RawFd, access: u64) -> Sys<()> {
    let add = |allowed: u64| {
        let rule = PathBeneath { allowed, parent };
        call!(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, &raw const rule, 0_u32).map(drop)
    };
    match add(access) {
        Err(libc::EINVAL) => add(access & !READ_DIR),
        other => other,
    }
}
