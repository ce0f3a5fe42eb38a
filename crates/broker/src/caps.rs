//! Linux capabilities by name, and the raw calls that set them (`capabilities(7)`).

use crate::sys::prctl;
use doorward_policy::Policy;
use std::io;

/// Every capability that Linux has, in the kernel's order: the position is the number
/// (`include/uapi/linux/capability.h`, Linux 6.12).
pub(crate) const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// A set of capabilities: bit n is capability n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CapSet(pub(crate) u64);

impl CapSet {
    /// Only `CAP_KILL`: what the init of a PID namespace keeps.
    pub(crate) const KILL: CapSet = CapSet(1 << 5);

    /// The set with these names (lower case, without `cap_`), or the first that Linux does not know.
    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n String>) -> Result<CapSet, String> {
        let mut set = 0;
        for name in names {
            let number = NAMES.iter().position(|known| known == name).ok_or_else(|| name.clone())?;
            set |= 1_u64.checked_shl(u32::try_from(number).unwrap_or(64)).unwrap_or(0);
        }
        Ok(CapSet(set))
    }

    /// All that any rule of the policy grants and this kernel may know.
    pub(crate) fn granted(policy: &Policy) -> CapSet {
        let rules = policy.roles.values().flat_map(|role| &role.commands);
        let sets = rules.filter_map(|rule| CapSet::of(&rule.how.caps).ok());
        CapSet(sets.fold(0, |all, set| all | set.0))
    }

    pub(crate) fn has(self, number: u32) -> bool {
        1_u64.checked_shl(number).is_some_and(|bit| self.0 & bit != 0)
    }
}

/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Default, Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Sets the calling thread's permitted, effective and inheritable sets. Async-signal-safe.
pub(crate) fn set(permitted: CapSet, effective: CapSet, inheritable: CapSet) -> Result<(), i32> {
    let header = Header { version: VERSION_3, pid: 0 };
    let half = |high: bool| Data {
        effective: part(effective, high),
        permitted: part(permitted, high),
        inheritable: part(inheritable, high),
    };
    let data = [half(false), half(true)];
    // SAFETY: version 3 reads one header and two data words, both valid here.
    let code = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    if code == 0 { Ok(()) } else { Err(crate::sys::errno()) }
}

/// The calling thread's permitted and effective sets.
pub(crate) fn get() -> Result<(CapSet, CapSet), i32> {
    let header = Header { version: VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: version 3 reads the header and writes two data words, both valid here.
    let code = unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) };
    if code != 0 {
        return Err(crate::sys::errno());
    }
    let [low, high] = data;
    let join = |low: u32, high: u32| CapSet(u64::from(low) | (u64::from(high) << 32));
    Ok((join(low.permitted, high.permitted), join(low.effective, high.effective)))
}

/// Drops from the calling thread's bounding set, and so from that of its later children, what `keep` has not.
pub(crate) fn bound(keep: CapSet) -> Result<(), i32> {
    for number in 0..64_u32 {
        if keep.has(number) {
            continue;
        }
        // To ask costs less than to drop what is not there.
        match prctl(libc::PR_CAPBSET_READ, u64::from(number), 0) {
            Ok(0) => {}
            Ok(_) => drop(prctl(libc::PR_CAPBSET_DROP, u64::from(number), 0)?),
            // Beyond the last capability of this kernel.
            Err(libc::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Gives up every capability of the calling thread and checks that none is left.
pub(crate) fn drop_all() -> io::Result<()> {
    set(CapSet(0), CapSet(0), CapSet(0)).map_err(io::Error::from_raw_os_error)?;
    match get().map_err(io::Error::from_raw_os_error)? {
        (CapSet(0), CapSet(0)) => Ok(()),
        _ => Err(io::Error::other("capabilities are left")),
    }
}

fn part(set: CapSet, high: bool) -> u32 {
    let bits = if high { set.0 >> 32 } else { set.0 & 0xffff_ffff };
    u32::try_from(bits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_at_their_numbers() {
        for (name, number) in [("kill", 5), ("net_admin", 12), ("sys_ptrace", 19), ("checkpoint_restore", 40)]
        {
            assert!(CapSet::of(&[name.to_owned()]).unwrap().has(number), "{name}");
        }
        assert_eq!(CapSet::of(&["kill".to_owned()]).unwrap(), CapSet::KILL);
        assert_eq!(CapSet::of(&["root".to_owned()]).unwrap_err(), "root");
    }
}
