//! `[role.NAME.docker.run]`: all that a new container may ask for.

use super::Findings;
use super::file::{At, Entry, whole};
use super::host::{check_bind, check_device, is_account};
use super::known::{CAPABILITIES, RESTARTS, ULIMITS};
use crate::nearest::{did_you_mean, nearest};
use crate::pattern::{is_beneath, is_clean_path};
use crate::{Always, Bind, Gpus, PortRange, RunGrant, Users};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Reads the table.
pub(super) fn read(entry: Entry<'_>, engine_socket: &str, findings: &mut Findings) -> RunGrant {
    RunGrant {
        gpus: gpus(entry),
        devices: devices(entry, findings),
        binds: binds(entry, engine_socket, findings),
        ports: entry.texts("ports").into_iter().filter_map(|text| port(entry, text, findings)).collect(),
        memory: entry.size("memory"),
        nano_cpus: nano_cpus(entry, findings),
        pids: count(entry, "pids"),
        shm: entry.size("shm"),
        tmpfs: entry.size("tmpfs"),
        ulimits: ulimits(entry, findings),
        users: users(entry, findings),
        count: count(entry, "count").and_then(|count| u32::try_from(count).ok()),
        lifetime: entry.seconds("lifetime"),
        restart: restart(entry, findings),
        stdin: entry.boolean("stdin").unwrap_or(false),
        always: entry.table("always").map(|always| read_always(always, findings)).unwrap_or_default(),
    }
}

fn count(entry: Entry<'_>, key: &str) -> Option<u64> {
    entry.whole(key).and_then(|(count, _)| u64::try_from(count).ok())
}

fn gpus(entry: Entry<'_>) -> Gpus {
    if entry.text("gpus").is_some_and(|(text, _)| text == "all") {
        return Gpus::All;
    }
    match count(entry, "gpus").and_then(|count| u32::try_from(count).ok()) {
        None | Some(0) => Gpus::None,
        Some(count) => Gpus::Count(count),
    }
}

fn devices(entry: Entry<'_>, findings: &mut Findings) -> Vec<String> {
    let devices = entry.texts("devices");
    for (path, at) in &devices {
        check_device(entry.file, *at, path, findings);
    }
    devices.into_iter().map(|(path, _)| path.to_owned()).collect()
}

fn binds(entry: Entry<'_>, engine_socket: &str, findings: &mut Findings) -> Vec<Bind> {
    let mut binds: Vec<Bind> = Vec::new();
    for row in entry.rows("binds") {
        let writable = match row.text("mode") {
            None | Some(("ro", _)) => false,
            Some(("rw", _)) => true,
            Some((other, at)) => {
                findings.error(row.file, at, format!("`mode` is `ro` or `rw`, not `{other}`"));
                false
            }
        };
        let (Some((host, host_at)), Some((at, at_at))) = (row.text("host"), row.text("at")) else { continue };
        check_bind(row.file, host_at, host, writable, engine_socket, findings);
        let inside = ["/proc", "/sys", "/dev"].iter().any(|special| is_beneath(at, special));
        if at == "/" || !is_clean_path(at) || inside {
            findings
                .error(row.file, at_at, format!("nothing may be mounted at `{at}`"))
                .help("write a clean absolute path, not `/` and not under `/proc`, `/sys` or `/dev`");
        }
        if binds.iter().any(|known| known.at == at && known.host == host) {
            findings.error(row.file, host_at, format!("`{host}` at `{at}` is listed twice"));
        }
        binds.push(Bind { host: host.to_owned(), at: at.to_owned(), writable });
    }
    binds
}

/// `ADDRESS:PORT` or `ADDRESS:FIRST-LAST`, an IPv6 address in brackets.
fn port(entry: Entry<'_>, (text, at): At<&str>, findings: &mut Findings) -> Option<PortRange> {
    let range = parse_port(text);
    match &range {
        None => findings
            .error(entry.file, at, format!("`{text}` is not a port to publish"))
            .help("write `127.0.0.1:8080`, `127.0.0.1:20000-20999` or `[::1]:8080`: the address is needed"),
        Some(range) if !range.address.is_loopback() => findings.notice(
            entry.file,
            at,
            format!("danger: `{text}` publishes beyond the host itself, past a firewall's INPUT rules"),
        ),
        Some(_) => {}
    }
    range
}

fn parse_port(text: &str) -> Option<PortRange> {
    let (address, ports) = text.rsplit_once(':')?;
    let address = match address.strip_prefix('[') {
        Some(inner) => IpAddr::V6(inner.strip_suffix(']')?.parse().ok()?),
        None => IpAddr::V4(address.parse().ok()?),
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let (first, last) = (number(first)?, number(last)?);
    (first > 0 && first <= last).then_some(PortRange { address, first, last })
}

/// Docker counts CPUs in billionths. Read from the digits as written, so that nothing is rounded.
fn nano_cpus(entry: Entry<'_>, findings: &mut Findings) -> Option<u64> {
    let written = entry.digits("cpus")?;
    let (whole, part) = written.split_once('.').unwrap_or((written, ""));
    let nanos = whole.parse::<u64>().ok().filter(|cpus| *cpus <= 4096 && part.len() <= 9).and_then(|cpus| {
        let part = format!("{part:0<9}").parse::<u64>().ok()?;
        cpus.checked_mul(1_000_000_000)?.checked_add(part).filter(|nanos| *nanos > 0)
    });
    if nanos.is_none() {
        findings
            .error(entry.file, entry.key_at("cpus"), format!("`cpus` cannot be {written}"))
            .help("write it like `8.0` or `0.5`, at most 4096");
    }
    nanos
}

fn ulimits(entry: Entry<'_>, findings: &mut Findings) -> BTreeMap<String, i64> {
    let mut ulimits = BTreeMap::new();
    for ((name, at), value) in entry.table("ulimits").map(|table| table.pairs()).unwrap_or_default() {
        if !ULIMITS.contains(&name) {
            let help = did_you_mean(name, ULIMITS.iter().copied(), || {
                format!("ulimits are: {}", ULIMITS.join(", "))
            });
            findings.error(entry.file, at, format!("there is no ulimit `{name}`")).help(help);
        } else if let Some(value) = whole(value.get_ref()) {
            ulimits.insert(name.to_owned(), value);
        }
    }
    ulimits
}

fn users(entry: Entry<'_>, findings: &mut Findings) -> Users {
    if !entry.has("users") || entry.text("users").is_some() {
        return Users::Any;
    }
    let users = entry.texts("users");
    let part = |text: &str| {
        (text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u32>().is_ok()) || is_account(text)
    };
    for (user, at) in &users {
        let (name, group) = user.split_once(':').map_or((*user, None), |(name, group)| (name, Some(group)));
        if !part(name) || !group.is_none_or(part) {
            findings
                .error(entry.file, *at, format!("`{user}` is not a user of a container"))
                .help("write a uid, a name, or either with `:` and a group");
        }
    }
    Users::Only(users.into_iter().map(|(user, _)| user.to_owned()).collect())
}

/// The policies beyond `no`, which is always allowed.
fn restart(entry: Entry<'_>, findings: &mut Findings) -> Vec<String> {
    let mut policies: Vec<String> = Vec::new();
    for (policy, at) in entry.texts("restart") {
        if !RESTARTS.contains(&policy) {
            findings
                .error(entry.file, at, format!("there is no restart policy `{policy}`"))
                .help(format!("they are: {}", RESTARTS.join(", ")));
        } else if policy != "no" && !policies.iter().any(|known| known == policy) {
            policies.push(policy.to_owned());
        }
    }
    policies
}

fn read_always(entry: Entry<'_>, findings: &mut Findings) -> Always {
    let mut cap_drop = Vec::new();
    for (cap, at) in entry.texts("cap_drop") {
        let small = cap.to_ascii_lowercase();
        if cap == "ALL" || CAPABILITIES.iter().any(|known| *known == small) && cap == cap.to_ascii_uppercase()
        {
            cap_drop.push(cap.to_owned());
            continue;
        }
        let plain = small.strip_prefix("cap_").unwrap_or(&small);
        let help = match nearest(plain, CAPABILITIES.iter().copied()) {
            Some(meant) => format!("did you mean `{}`?", meant.to_ascii_uppercase()),
            None => "write them like `NET_RAW`, without `CAP_`, or `ALL`".into(),
        };
        findings.error(entry.file, at, format!("`{cap}` cannot be dropped")).help(help);
    }
    Always {
        no_new_privileges: entry.boolean("no_new_privileges").unwrap_or(false),
        cap_drop,
        read_only: entry.boolean("read_only").unwrap_or(false),
    }
}
