//! What a new container may ask for, as the options of `docker run`.

use super::objects::{concrete, images, networks, selectors};
use crate::clock::size;
use doorward_policy::{Always, Bind, DockerRole, Gpus, PortRange, RunGrant, Users};
use std::fmt::Write;

/// Shared memory of a container for which nobody says anything. Source: docker run, `--shm-size`.
const ENGINES_SHM: u64 = 64 << 20;

/// One line for each thing that the role says about new containers.
pub(super) fn lines(docker: &DockerRole, text: &mut String) {
    let run = &docker.run;
    let rows = [
        ("images", images(docker)),
        ("ports", listed(run.ports.iter().map(|port| format!("-p {}:PORT", range(port))))),
        ("binds", listed(run.binds.iter().map(|bind| format!("-v {}", mount(bind))))),
        ("volumes", volumes(docker)),
        ("networks", format!("{}; --network none", networks(docker))),
        ("gpus", gpus(run)),
        ("devices", listed(run.devices.iter().map(|device| format!("--device {device}")))),
        ("memory", cap("--memory", run.memory.map(size))),
        ("cpus", cap("--cpus", run.nano_cpus.map(cpus))),
        ("processes", cap("--pids-limit", run.pids.map(|pids| pids.to_string()))),
        ("shm", cap("--shm-size", Some(size(run.shm.unwrap_or(ENGINES_SHM))))),
        ("tmpfs", run.tmpfs.map_or("none".into(), |bytes| format!("--tmpfs PATH, {} in all", size(bytes)))),
        ("ulimits", listed(run.ulimits.iter().map(|(name, most)| ulimit(name, *most)))),
        ("users", users(&run.users)),
        ("restart", restart(run)),
        ("stdin", if run.stdin { "-i".into() } else { "none: no -i".into() }),
        ("always", always(&run.always)),
        ("at a time", run.count.map_or("no limit".into(), |count| format!("{count} containers"))),
    ];
    for (name, allowed) in rows {
        let _ = writeln!(text, "  {name:<11} {allowed}");
    }
}

/// A line that the role allows; `None` when no image is named but by a pattern.
pub(super) fn example(docker: &DockerRole) -> Option<String> {
    let image = docker.images.iter().find_map(concrete)?;
    let run = &docker.run;
    let port = run.ports.first().map(|port| format!("-p {}:{}:80 ", port.address, port.first));
    let bind = run.binds.first().map(|bind| format!("-v {} ", mount(bind)));
    let gpus = (run.gpus == Gpus::All).then(|| "--gpus all ".to_owned());
    let user = match &run.users {
        Users::Any => None,
        Users::Only(users) => users.first().map(|user| format!("--user {user} ")),
    };
    let options: String = [port, bind, gpus, user].into_iter().flatten().collect();
    Some(format!("docker run --rm {options}{image}"))
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() { "none".into() } else { items.join(", ") }
}

fn range(port: &PortRange) -> String {
    match port.first == port.last {
        true => format!("{}:{}", port.address, port.first),
        false => format!("{}:{}..{}", port.address, port.first, port.last),
    }
}

fn mount(bind: &Bind) -> String {
    format!("{}:{}:{}", bind.host, bind.at, if bind.writable { "rw" } else { "ro" })
}

fn volumes(docker: &DockerRole) -> String {
    match docker.volumes.is_empty() {
        true => "none".into(),
        false => format!("-v NAME:PATH, {}", selectors(&docker.volumes)),
    }
}

fn gpus(run: &RunGrant) -> String {
    match run.gpus {
        Gpus::None => "none".into(),
        Gpus::All => "--gpus all".into(),
        Gpus::Count(count) => format!("--gpus up to {count}"),
    }
}

/// What is not asked for is the cap itself.
fn cap(option: &str, most: Option<String>) -> String {
    most.map_or("no limit of the role".into(), |most| {
        format!("{option} up to {most}, which is also the default")
    })
}

/// Nano-CPUs as the option takes them.
fn cpus(nano: u64) -> String {
    const ONE: u64 = 1_000_000_000;
    let thousandths = nano.checked_rem(ONE).unwrap_or_default() / 1_000_000;
    match thousandths {
        0 => (nano / ONE).to_string(),
        rest => format!("{}.{rest:03}", nano / ONE).trim_end_matches('0').to_owned(),
    }
}

fn ulimit(name: &str, most: i64) -> String {
    match most {
        -1 => format!("--ulimit {name}=N without limit"),
        most => format!("--ulimit {name}=N up to {most}"),
    }
}

fn users(users: &Users) -> String {
    match users {
        Users::Any => "any".into(),
        Users::Only(users) => listed(users.iter().map(|user| format!("--user {user}"))),
    }
}

fn restart(run: &RunGrant) -> String {
    listed(
        std::iter::once("no")
            .chain(run.restart.iter().map(String::as_str).filter(|name| *name != "no"))
            .map(|name| format!("--restart {name}")),
    )
}

fn always(always: &Always) -> String {
    let fixed = [(always.no_new_privileges, "no-new-privileges"), (always.read_only, "--read-only")];
    let fixed = fixed.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned());
    listed(fixed.chain(always.cap_drop.iter().map(|cap| format!("--cap-drop {cap}"))))
}
