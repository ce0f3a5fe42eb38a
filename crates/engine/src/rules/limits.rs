//! Memory, processors, processes, limits, restarts and logs.

use super::{Made, Wish, int, list, listed, not_allowed, text};
use serde_json::{Map, Value, json};

/// `Memory`, bytes; nothing asked is the cap.
pub(crate) fn memory(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    capped(int(given), wish.role.run.memory, "memory", |cap| format!("--memory {}", size(cap)))
}

/// `MemorySwap`: always equal to `Memory`, so that the cap cannot be swapped away.
pub(crate) fn memory_swap(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let memory = memory(wish, wish.host("Memory"))?;
    match (given.map(|given| int(Some(given))), &memory) {
        (None | Some(0), _) => Ok(memory),
        (Some(asked), Some(memory)) if asked == int(Some(memory)) => Ok(given.cloned()),
        _ => Err(not_allowed("swap is not given: MemorySwap must equal Memory")
            .nearest("--memory-swap left out, or equal to --memory")),
    }
}

/// `MemoryReservation`, bytes, at most the memory.
pub(crate) fn memory_reservation(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    match (int(given), memory(wish, wish.host("Memory"))?) {
        (asked, Some(memory)) if asked > int(Some(&memory)) => {
            Err(not_allowed("more memory is reserved than the container may have")
                .nearest(format!("at most {} bytes", int(Some(&memory)))))
        }
        (0, _) => Ok(None),
        (asked, _) => Ok(Some(json!(asked))),
    }
}

/// `NanoCpus`; nothing asked is the cap.
pub(crate) fn nano_cpus(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    capped(int(given), wish.role.run.nano_cpus, "CPUs", |cap| format!("--cpus {}", cpus(cap)))
}

/// `PidsLimit`; 0 and -1 are unlimited and so the cap.
pub(crate) fn pids(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    capped(int(given).max(0), wish.role.run.pids, "processes", |cap| format!("--pids-limit {cap}"))
}

/// `ShmSize`, bytes; nothing asked is the cap. Without a cap, up to the engine's own 64 MiB.
pub(crate) fn shm(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    match (int(given), wish.role.run.shm) {
        (0, None) => Ok(None),
        (asked, cap) => capped(asked, Some(cap.unwrap_or(64 << 20)), "shared memory", |cap| {
            format!("--shm-size {}", size(cap))
        }),
    }
}

/// `Ulimits`: each within the role's cap of that name; -1 is unlimited.
pub(crate) fn ulimits(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let caps = &wish.role.run.ulimits;
    for limit in list(given) {
        let name = text(limit.get("Name"));
        let within = |value: i64| caps.get(name).is_some_and(|cap| *cap == -1 || (0..=*cap).contains(&value));
        if !within(int(limit.get("Soft"))) || !within(int(limit.get("Hard"))) {
            let allowed = caps.iter().map(|(name, cap)| format!("{name}={cap}"));
            return Err(not_allowed("this ulimit is not in the role's ulimits, or beyond them")
                .nearest(listed(allowed, "no --ulimit")));
        }
    }
    Ok(given.filter(|given| !list(Some(given)).is_empty()).cloned())
}

/// `RestartPolicy`: `no`, or one of the role's.
pub(crate) fn restart(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let name = text(given.and_then(|given| given.get("Name")));
    let count = int(given.and_then(|given| given.get("MaximumRetryCount")));
    match name {
        "" | "no" if count == 0 => Ok(Some(json!({"Name": "no", "MaximumRetryCount": 0}))),
        "on-failure" | "always" | "unless-stopped" if wish.role.run.restart.iter().any(|own| own == name) => {
            Ok(Some(json!({"Name": name, "MaximumRetryCount": count})))
        }
        _ => Err(not_allowed("this restart policy is not in the role's restart")
            .nearest(format!("--restart {}", listed(&wish.role.run.restart, "no")))),
    }
}

/// `LogConfig`: files of the engine's, of a bounded size, also when nothing is said.
pub(crate) fn log_config(_: &Wish<'_>, given: Option<&Value>) -> Made {
    const MOST: i64 = 256 << 20;
    let refuse = || {
        not_allowed("only logs in the engine's own files are allowed, of at most 256 MiB together")
            .nearest("--log-driver json-file with --log-opt max-size=32m, max-file=2")
    };
    let options = given.and_then(|given| given.get("Config")).and_then(Value::as_object);
    let option = |name: &str, silent: &str| {
        let said = options.and_then(|options| options.get(name)).and_then(Value::as_str);
        said.unwrap_or(silent).to_owned()
    };
    let known = |name: &String| name == "max-size" || name == "max-file";
    if !options.is_none_or(|options| options.keys().all(known)) {
        return Err(refuse());
    }
    let kind = match text(given.and_then(|given| given.get("Type"))) {
        "" => "json-file",
        kind @ ("json-file" | "local") => kind,
        "none" if options.is_none_or(Map::is_empty) => {
            return Ok(Some(json!({"Type": "none", "Config": {}})));
        }
        _ => return Err(refuse()),
    };
    let (size, files) = (option("max-size", "32m"), option("max-file", "2"));
    let number = files.parse::<i64>().ok().filter(|number| *number > 0 && number.to_string() == files);
    match super::bytes(&size).zip(number) {
        Some((bytes, number)) if bytes.saturating_mul(number) <= MOST => {
            Ok(Some(json!({"Type": kind, "Config": {"max-size": size, "max-file": files}})))
        }
        _ => Err(refuse()),
    }
}

/// Nanoseconds of a health check: nothing, or from a second to a day.
pub(crate) fn health_time(_: &Wish<'_>, given: Option<&Value>) -> Made {
    const SECOND: i64 = 1_000_000_000;
    match int(given) {
        0 => Ok(None),
        time if (SECOND..=86_400 * SECOND).contains(&time) => Ok(Some(json!(time))),
        _ => {
            Err(not_allowed("health check times are from a second to a day").nearest("--health-interval 30s"))
        }
    }
}

/// The asked amount, or the cap when nothing was asked; without a cap, whatever limit was asked.
fn capped(asked: i64, cap: Option<u64>, what: &str, option: impl Fn(i64) -> String) -> Made {
    let cap = cap.map(|cap| i64::try_from(cap).unwrap_or(i64::MAX));
    match (asked, cap) {
        (..0, _) => Err(not_allowed(format!("negative {what} mean no limit, which is not allowed"))),
        (0, None) => Ok(None),
        (0, Some(cap)) => Ok(Some(json!(cap))),
        (asked, Some(cap)) if asked > cap => Err(not_allowed(format!("more {what} than the role allows"))
            .nearest(format!("{}, or less", option(cap)))),
        (asked, _) => Ok(Some(json!(asked))),
    }
}

/// Bytes as docker's options take them.
fn size(bytes: i64) -> String {
    match [(1 << 30, "g"), (1 << 20, "m")].into_iter().find(|(unit, _)| bytes % unit == 0) {
        Some((unit, letter)) => format!("{}{letter}", bytes / unit),
        None => format!("{bytes}b"),
    }
}

/// Nano-CPUs as `--cpus` takes them.
fn cpus(nano: i64) -> String {
    let (whole, part) = (nano / 1_000_000_000, nano % 1_000_000_000);
    format!("{whole}.{part:09}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_is_told_as_docker_takes_it() {
        assert_eq!([size(4 << 30), size(64 << 20), size(1000)], ["4g", "64m", "1000b"]);
        assert_eq!([cpus(2_000_000_000), cpus(500_000_000)], ["2", "0.5"]);
        let refused = capped(3, Some(2), "processes", |cap| format!("--pids-limit {cap}")).unwrap_err();
        assert_eq!(refused.nearest.as_deref(), Some("--pids-limit 2, or less"));
    }
}
