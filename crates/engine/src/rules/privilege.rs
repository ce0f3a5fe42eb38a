//! Capabilities, security options, devices, namespaces.

use super::{Made, Mode, Wish, flag, int, list, listed, not_allowed, text};
use doorward_policy::{Gpus, Refusal};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// `CapDrop`: what was asked, and the role's `always.cap_drop`. Written `CAP_NAME`, or `ALL`.
pub(crate) fn cap_drop(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let mut dropped = BTreeSet::new();
    for name in list(given).iter().filter_map(Value::as_str) {
        let bare = name.to_ascii_uppercase();
        let bare = bare.strip_prefix("CAP_").unwrap_or(&bare).to_owned();
        if bare.is_empty() || bare.len() > 24 || !bare.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
            return Err(not_allowed("this is not the name of a capability").nearest("--cap-drop NET_RAW"));
        }
        dropped.insert(bare);
    }
    if wish.mode != Mode::Operator {
        dropped.extend(wish.role.run.always.cap_drop.iter().cloned());
    }
    let spelt = |name: String| if name == "ALL" { name } else { format!("CAP_{name}") };
    let dropped: Vec<_> = dropped.into_iter().map(spelt).collect();
    Ok((!dropped.is_empty()).then(|| json!(dropped)))
}

/// `SecurityOpt`: nothing but `no-new-privileges`, which the role may put on everything.
pub(crate) fn security_opt(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    const MEANS_IT: [&str; 3] = ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"];
    let options = list(given);
    if !options.iter().all(|option| MEANS_IT.contains(&text(Some(option)))) {
        return Err(
            not_allowed("security options can only tighten").nearest("--security-opt no-new-privileges")
        );
    }
    let wanted = !options.is_empty() || wish.role.run.always.no_new_privileges;
    Ok(wanted.then(|| json!(["no-new-privileges"])))
}

/// `ReadonlyRootfs`: as asked, or always.
pub(crate) fn read_only(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    Ok((flag(given) || wish.role.run.always.read_only).then_some(Value::Bool(true)))
}

/// `Devices`: each one of the role's, under the same path inside.
pub(crate) fn devices(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    for device in list(given) {
        let host = text(device.get("PathOnHost"));
        let rights = text(device.get("CgroupPermissions"));
        let allowed = wish.role.run.devices.iter().any(|own| own == host)
            && text(device.get("PathInContainer")) == host
            && ["", "r", "w", "rw", "rwm"].contains(&rights);
        if !allowed {
            return Err(not_allowed("this device is not in the role's devices, or gets another path inside")
                .nearest(listed(
                    wish.role.run.devices.iter().map(|own| format!("--device {own}")),
                    "no --device",
                )));
        }
    }
    Ok(given.filter(|given| !list(Some(given)).is_empty()).cloned())
}

/// `DeviceRequests`: GPUs, by number, within the role's `gpus`.
pub(crate) fn gpus(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let requests = list(given);
    let mut made = Vec::new();
    let mut asked = 0_i64;
    for request in requests {
        let ids = list(request.get("DeviceIDs"));
        let count = int(request.get("Count"));
        let (count, number) = match (count, i64::try_from(ids.len())) {
            (0, Ok(number @ 1..)) => (0, number),
            (-1, Ok(0)) => (-1, i64::MAX),
            (number @ 1.., Ok(0)) => (number, number),
            _ => return Err(no_gpus(wish)),
        };
        asked = asked.saturating_add(number);
        if !is_gpu(request) {
            return Err(no_gpus(wish));
        }
        let mut one = json!({
            "Driver": text(request.get("Driver")),
            "Count": count,
            "Capabilities": request.get("Capabilities").cloned().unwrap_or_default(),
        });
        if let (Some(one), false) = (one.as_object_mut(), ids.is_empty()) {
            one.insert("DeviceIDs".into(), json!(ids));
        }
        made.push(one);
    }
    let most = match wish.role.run.gpus {
        Gpus::None => 0,
        Gpus::All => i64::MAX,
        Gpus::Count(count) => i64::from(count),
    };
    match asked {
        0 => Ok(None),
        asked if asked <= most => Ok(Some(made.into())),
        _ => Err(no_gpus(wish)),
    }
}

fn is_gpu(request: &Value) -> bool {
    const KNOWN: [&str; 7] = ["gpu", "nvidia", "compute", "compat32", "graphics", "utility", "video"];
    let sets = list(request.get("Capabilities"));
    let known = |set: &Value| {
        let names: Vec<&str> = list(Some(set)).iter().map(|name| text(Some(name))).collect();
        names.contains(&"gpu") && names.iter().all(|name| KNOWN.contains(name))
    };
    let plain = |id: &Value| {
        let id = text(Some(id));
        !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:.".contains(&b))
    };
    ["", "nvidia"].contains(&text(request.get("Driver")))
        && !sets.is_empty()
        && sets.iter().all(known)
        && list(request.get("DeviceIDs")).iter().all(plain)
        && request.get("Options").is_none_or(crate::walk::is_zero)
}

fn no_gpus(wish: &Wish<'_>) -> Refusal {
    let allowed = match wish.role.run.gpus {
        Gpus::None => "no --gpus".to_owned(),
        Gpus::All => "--gpus all".to_owned(),
        Gpus::Count(count) => format!("--gpus {count}"),
    };
    not_allowed("these device requests are not in the role's gpus").nearest(allowed)
}

/// `IpcMode`: private, or none.
pub(crate) fn ipc_mode(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    match text(given) {
        "" | "private" => Ok(Some(json!("private"))),
        "none" => Ok(Some(json!("none"))),
        "shareable" if wish.mode == Mode::Operator => Ok(None),
        _ => {
            Err(not_allowed("only a private IPC namespace is allowed").nearest("--ipc private or --ipc none"))
        }
    }
}

/// `CgroupnsMode`: private. API 1.40 cannot say so; there the engine decides.
pub(crate) fn cgroupns_mode(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    const SINCE: crate::ApiVersion = crate::ApiVersion { major: 1, minor: 41 };
    match (text(given), wish.mode) {
        ("" | "private", Mode::New) if wish.version < SINCE => Ok(None),
        // The engine's own default, `host`, counts as not said.
        ("", Mode::Own | Mode::Operator) => Ok(None),
        ("" | "private", _) => Ok(Some(json!("private"))),
        _ => Err(not_allowed("only a private cgroup namespace is allowed").nearest("--cgroupns private")),
    }
}

/// `MaskedPaths`: never said by a worker, since a shorter list is root on the host. Of a container that
/// exists, at least what every engine since 20.10 puts there must be in it.
pub(crate) fn masked_paths(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    kept(wish, given, MASKED)
}

/// `ReadonlyPaths`: the same.
pub(crate) fn read_only_paths(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    kept(wish, given, READ_ONLY)
}

/// What every engine since 20.10 hides.
pub(crate) const MASKED: &[&str] = &["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"];
/// What every engine since 20.10 makes read-only.
pub(crate) const READ_ONLY: &[&str] =
    &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Whether a list holds all of these paths.
pub(crate) fn holds_paths(given: Option<&Value>, paths: &[&str]) -> bool {
    paths.iter().all(|path| list(given).iter().any(|own| own.as_str() == Some(path)))
}

fn kept(wish: &Wish<'_>, given: Option<&Value>, paths: &[&str]) -> Made {
    let good = match wish.mode {
        Mode::New => given.is_none(),
        Mode::Own | Mode::Operator => holds_paths(given, paths),
    };
    match good {
        true => Ok(None),
        false => {
            Err(not_allowed("the hidden and read-only paths are the engine's own").nearest("leave it out"))
        }
    }
}
