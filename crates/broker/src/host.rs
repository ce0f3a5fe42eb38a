//! What this host can and cannot do, found once at start (law 9): required, or told with every request.

use crate::landlock;
use crate::plan::Isolation;
use doorward_wire::broker::HostReport;
use std::path::{Path, PathBuf};

/// One thing that may be weaker here than designed: code, what it means, and whether root refuses to serve
/// without it.
struct Weaker {
    code: &'static str,
    means: &'static str,
    required: bool,
}

const NO_LANDLOCK: Weaker = Weaker {
    code: "no_landlock",
    means: "this kernel has no Landlock (5.13) or it is switched off: commands are shut in by the mount namespace alone",
    required: true,
};
const OLD_LANDLOCK: Weaker = Weaker {
    code: "old_landlock",
    means: "Landlock is older than version 6 (Linux 6.12): abstract sockets of the host can be reached by commands with its network namespace",
    required: false,
};
const NO_SECCOMP: Weaker = Weaker {
    code: "no_seccomp",
    means: "this kernel has no seccomp filters: no system call is refused to commands",
    required: true,
};
const NO_NAMESPACES: Weaker = Weaker {
    code: "no_namespaces",
    means: "namespaces cannot be made: commands see the host's files and processes as far as Landlock and the account let them",
    required: true,
};
const NO_CGROUP: Weaker = Weaker {
    code: "no_cgroup",
    means: "commands are not put into a cgroup: rlimits bound their processes, their files and the memory of each process, nothing bounds the memory of all together",
    required: false,
};
const ETC_BY_LIST: Weaker = Weaker {
    code: "etc_by_list",
    means: "/etc cannot be mounted as nobody's here (Linux 5.12 and a file system that can): a known list of secrets is hidden in it, other files that only root reads are open to rules with `as = \"root\"` or dac_read_search",
    required: false,
};
const NOT_ROOT: Weaker = Weaker {
    code: "not_root",
    means: "running without root: commands run as this account; rules with `as`, `groups` or `caps` answer `unavailable`; the account can change the audit log",
    required: false,
};

/// The facts that can be asked without starting anything.
pub fn probe() -> HostReport {
    let mut report = HostReport::default();
    let uname = rustix::system::uname();
    fact(&mut report, "kernel", uname.release().to_string_lossy());
    fact(&mut report, "machine", uname.machine().to_string_lossy());
    let version = landlock::version();
    fact(&mut report, "landlock_abi", version.to_string());
    match version {
        0 => weaker(&mut report, &NO_LANDLOCK),
        1..=5 => weaker(&mut report, &OLD_LANDLOCK),
        _ => {}
    }
    let seccomp = Path::new("/proc/sys/kernel/seccomp/actions_avail").exists();
    fact(&mut report, "seccomp", if seccomp { "yes" } else { "no" });
    if !seccomp {
        weaker(&mut report, &NO_SECCOMP);
    }
    let cgroup = cgroup_with_controllers();
    fact(
        &mut report,
        "cgroup",
        cgroup.map_or("no v2 controllers".into(), |path| format!("v2 at {}", path.display())),
    );
    // Commands are not put into one yet, on any host.
    weaker(&mut report, &NO_CGROUP);
    if !rustix::process::geteuid().is_root() {
        weaker(&mut report, &NOT_ROOT);
    }
    report
}

/// Adds what only a try could tell.
pub(crate) fn add_isolation(report: &mut HostReport, isolation: Isolation, etc_disowned: bool) {
    let text = match isolation {
        Isolation::Full => "mount, pid, ipc, uts, network",
        Isolation::UserNamespace => "user, mount, pid, ipc, uts, network",
        Isolation::Bare => "none",
    };
    fact(report, "namespaces", text);
    if isolation == Isolation::Bare {
        weaker(report, &NO_NAMESPACES);
    }
    if !etc_disowned {
        weaker(report, &ETC_BY_LIST);
    }
}

/// What is missing and required of a broker that runs as root, in words.
pub(crate) fn missing(report: &HostReport) -> Vec<String> {
    [&NO_LANDLOCK, &NO_SECCOMP, &NO_NAMESPACES]
        .into_iter()
        .filter(|weaker| weaker.required && report.weaker.contains_key(weaker.code))
        .map(|weaker| format!("{}: {}", weaker.code, weaker.means))
        .collect()
}

fn fact(report: &mut HostReport, name: &str, value: impl Into<String>) {
    report.facts.insert(name.to_owned(), value.into());
}

fn weaker(report: &mut HostReport, weaker: &Weaker) {
    report.weaker.insert(weaker.code.to_owned(), weaker.means.to_owned());
}

/// The cgroup v2 folder whose controllers this process could use.
fn cgroup_with_controllers() -> Option<PathBuf> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].into_iter().map(PathBuf::from).find(|path| {
        std::fs::read_to_string(path.join("cgroup.controllers")).is_ok_and(|text| {
            let has = |name| text.split_whitespace().any(|word| word == name);
            has("pids") && has("memory")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_weaker_has_a_sentence_and_what_is_required_is_named() {
        let mut report = probe();
        assert!(report.facts.contains_key("kernel") && report.facts.contains_key("landlock_abi"));
        assert!(report.weaker.values().all(|means| means.len() > 20));
        report.weaker.clear();
        assert!(missing(&report).is_empty());
        add_isolation(&mut report, Isolation::Bare, true);
        assert!(missing(&report)[0].starts_with("no_namespaces: "));
    }
}
