//! Binds, mounts, volumes, tmpfs.

use super::{Made, Mode, OWNER, Wish, flag, int, list, not_allowed, text};
use crate::objects::{self, Standing};
use crate::{Lookup, uri, volumes, walk};
use doorward_policy::{Reason, Refusal, Selector};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// `Binds`: `host:at[:options]` as the role's `binds` say, or a volume that the worker may use.
pub(crate) fn binds(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let mut made = Vec::new();
    for (n, bind) in list(given).iter().enumerate() {
        let bind = one_bind(wish, text(Some(bind)))
            .map_err(|refusal| refusal.path(format!("HostConfig.Binds[{n}]")))?;
        made.push(json!(bind));
    }
    Ok((!made.is_empty()).then(|| made.into()))
}

fn one_bind(wish: &Wish<'_>, bind: &str) -> Result<String, Refusal> {
    let mut words = bind.split(':');
    let (Some(source), Some(target), options, None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(
            not_allowed("a bind is written SOURCE:TARGET or SOURCE:TARGET:ro").nearest(allowed_binds(wish))
        );
    };
    let mut read_only = false;
    let mut no_copy = false;
    for option in options.unwrap_or("rw").split(',') {
        match option {
            "ro" => read_only = true,
            "rw" | "private" | "rprivate" => {}
            "nocopy" => no_copy = true,
            _ => {
                return Err(not_allowed("only the mount options ro, rw and nocopy are allowed").nearest("ro"));
            }
        }
    }
    let mode = if read_only { "ro" } else { "rw" };
    if is_host(source) {
        host_bind(wish, source, target, read_only)?;
        return Ok(format!("{source}:{target}:{mode}"));
    }
    good_target(target)?;
    volume(wish, source)?;
    Ok(format!("{source}:{target}:{mode}{}", if no_copy { ",nocopy" } else { "" }))
}

/// `Mounts`: the same by the longer spelling.
pub(crate) fn mounts(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let mut made = Vec::new();
    for (n, mount) in list(given).iter().enumerate() {
        let path = format!("HostConfig.Mounts[{n}]");
        let parts = walk::judge_fields(
            crate::fields::MOUNT,
            Some(mount),
            &Wish { mode: part_mode(wish), ..*wish },
            &path,
        )?;
        let one = one_mount(wish, &parts).map_err(|refusal| match refusal.path {
            Some(_) => refusal,
            None => refusal.path(&path),
        })?;
        made.push(one);
    }
    Ok((!made.is_empty()).then(|| made.into()))
}

/// Parts of a value are judged as new: the whole value is compared afterwards.
fn part_mode(wish: &Wish<'_>) -> Mode {
    match wish.mode {
        Mode::Own => Mode::New,
        other => other,
    }
}

fn one_mount(wish: &Wish<'_>, mount: &Value) -> Result<Value, Refusal> {
    let (kind, source, target) =
        (text(mount.get("Type")), text(mount.get("Source")), text(mount.get("Target")));
    let read_only = flag(mount.get("ReadOnly"));
    if !["", "default", "consistent", "cached", "delegated"].contains(&text(mount.get("Consistency"))) {
        return Err(not_allowed("this consistency is not known"));
    }
    let mut made = Map::new();
    made.insert("Type".into(), json!(kind));
    made.insert("Target".into(), json!(target));
    if read_only {
        made.insert("ReadOnly".into(), json!(true));
    }
    let mut keep = |name: &str, value: Option<&Value>| {
        if let Some(value) = value {
            made.insert(name.to_owned(), value.clone());
        }
    };
    match kind {
        "bind" => {
            host_bind(wish, source, target, read_only)?;
            keep("Source", mount.get("Source"));
            keep("BindOptions", mount.get("BindOptions"));
        }
        "volume" => {
            good_target(target)?;
            if !source.is_empty() {
                volume(wish, source)?;
                keep("Source", mount.get("Source"));
            }
            keep("VolumeOptions", mount.get("VolumeOptions"));
        }
        "tmpfs" if source.is_empty() => {
            good_target(target)?;
            let options = mount.get("TmpfsOptions");
            let size = tmpfs_size(wish, int(options.and_then(|options| options.get("SizeBytes"))))?;
            let mut own = Map::from_iter([("SizeBytes".to_owned(), json!(size))]);
            if let Some(mode) = options.and_then(|options| options.get("Mode")) {
                own.insert("Mode".into(), mode.clone());
            }
            keep("TmpfsOptions", Some(&own.into()));
        }
        _ => {
            return Err(not_allowed("only mounts of type volume, tmpfs and bind are known here")
                .nearest("--mount type=volume,dst=/data"));
        }
    }
    Ok(made.into())
}

/// `Tmpfs`: path to options; sized within the role's `tmpfs`.
pub(crate) fn tmpfs(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let mut made = Map::new();
    for (target, options) in given.and_then(Value::as_object).into_iter().flatten() {
        good_target(target)?;
        let (asked, rest) = tmpfs_options(text(Some(options)))?;
        let size = tmpfs_size(wish, asked)?;
        let words = std::iter::once(format!("size={size}")).chain(rest).collect::<Vec<_>>();
        made.insert(target.clone(), json!(words.join(",")));
    }
    Ok((!made.is_empty()).then(|| made.into()))
}

/// The size in bytes (0: none said) and the other options.
fn tmpfs_options(options: &str) -> Result<(i64, Vec<String>), Refusal> {
    let refuse = || {
        not_allowed("only these tmpfs options are allowed")
            .nearest("size=64m, mode=1777, ro, noexec, nosuid, nodev")
    };
    let mut size = 0;
    let mut rest = Vec::new();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", text)) if size == 0 => size = bytes(text).ok_or_else(refuse)?,
            Some(("mode", mode))
                if mode.trim_start_matches(['0', '1']).len() <= 3
                    && (3..=4).contains(&mode.len())
                    && mode.bytes().all(|b| matches!(b, b'0'..=b'7')) =>
            {
                rest.push(option.to_owned());
            }
            None if ["ro", "noexec", "nosuid", "nodev"].contains(&option) => rest.push(option.to_owned()),
            None if option == "rw" => {}
            _ => return Err(refuse()),
        }
    }
    Ok((size, rest))
}

/// `64m`, `1g`, `65536`: bytes; more than zero.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' | b'K' => (text.get(..text.len().checked_sub(1)?)?, 1 << 10),
        b'm' | b'M' => (text.get(..text.len().checked_sub(1)?)?, 1 << 20),
        b'g' | b'G' => (text.get(..text.len().checked_sub(1)?)?, 1_i64 << 30),
        _ => (text, 1),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse::<i64>().ok()?.checked_mul(unit)).flatten().filter(|bytes| *bytes > 0)
}

/// The bytes of one tmpfs. All of a container's together stay within the cap; one that says none gets it all,
/// so that it must be the only one.
fn tmpfs_size(wish: &Wish<'_>, asked: i64) -> Result<i64, Refusal> {
    let Some(cap) = wish.role.run.tmpfs.map(|cap| i64::try_from(cap).unwrap_or(i64::MAX)) else {
        return Err(not_allowed("the role allows no tmpfs").nearest("an anonymous volume: -v /data"));
    };
    let in_map = wish.host("Tmpfs").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let in_map = in_map.map(|options| tmpfs_options(text(Some(options))).map_or(0, |(size, _)| size));
    let in_list = list(wish.host("Mounts")).iter().filter(|mount| text(mount.get("Type")) == "tmpfs");
    let in_list =
        in_list.map(|mount| int(mount.get("TmpfsOptions").and_then(|options| options.get("SizeBytes"))));
    let sized = |size: i64| if size == 0 { cap } else { size };
    let total = in_map.chain(in_list).map(sized).fold(0_i64, i64::saturating_add);
    match wish.mode {
        Mode::Operator => Ok(asked),
        _ if total > cap => Err(not_allowed("all tmpfs together are larger than the role's tmpfs")
            .nearest(format!("sizes that are together at most {cap} bytes"))),
        _ => Ok(sized(asked)),
    }
}

/// `Volumes` of the configuration: anonymous volumes, made by the engine's local driver.
pub(crate) fn anonymous_volumes(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let inherited = wish.image.and_then(|image| image.get("Config")).and_then(|config| config.get("Volumes"));
    for volumes in [given, inherited] {
        for target in volumes.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            good_target(target)?;
        }
    }
    Ok(given
        .filter(|given| !walk::is_zero(given) || given.as_object().is_some_and(|map| !map.is_empty()))
        .cloned())
}

/// `VolumeOptions.Labels`: the worker's, as [`own_anonymous`] has put them there, and no others.
pub(crate) fn volume_labels(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    match given.filter(|given| !walk::is_zero(given)) {
        Some(labels) if *labels != own_labels(wish) => {
            Err(not_allowed("labels of a new volume are doorward's"))
        }
        labels => Ok(labels.cloned()),
    }
}

fn own_labels(wish: &Wish<'_>) -> Value {
    json!({OWNER: wish.worker})
}

/// Whether a new container would get volumes without a name.
pub(crate) fn has_anonymous(body: &Value, image: Option<&Value>) -> bool {
    let inherited = image.and_then(|image| image.get("Config"));
    let said =
        |config: &Value| config.get("Volumes").and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    let mounts = list(body.get("HostConfig").and_then(|host| host.get("Mounts")));
    said(body) || inherited.is_some_and(said) || mounts.iter().any(is_anonymous)
}

fn is_anonymous(mount: &Value) -> bool {
    text(mount.get("Type")) == "volume" && text(mount.get("Source")).is_empty()
}

/// Gives every volume without a name the worker's label, as an engine would make it as nobody's, to stay behind
/// uncounted; says how many there are. What is only named by its place, in the request or in the image, becomes a
/// mount, which can say that. It is removed with its container as before.
pub(crate) fn own_anonymous(wish: &Wish<'_>, made: &mut Value) -> usize {
    let inherited = wish.image.and_then(|image| image.get("Config"));
    let places = [Some(&*made), inherited].into_iter().flatten().filter_map(|config| config.get("Volumes"));
    let places: BTreeSet<String> = places.filter_map(Value::as_object).flat_map(Map::keys).cloned().collect();
    let taken = places_taken(made);
    let Some(host) = made.get_mut("HostConfig").and_then(Value::as_object_mut) else { return 0 };
    let mut mounts = host.get("Mounts").and_then(Value::as_array).cloned().unwrap_or_default();
    let added = places.into_iter().filter(|place| !taken.contains(place));
    mounts.extend(added.map(|place| json!({"Type": "volume", "Target": place})));
    let mut count = 0_usize;
    for mount in mounts.iter_mut().filter(|mount| is_anonymous(mount)) {
        count = count.saturating_add(1);
        let Some(mount) = mount.as_object_mut() else { continue };
        let options = mount.entry("VolumeOptions").or_insert_with(|| json!({}));
        if let Some(options) = options.as_object_mut() {
            options.insert("Labels".to_owned(), own_labels(wish));
        }
    }
    if !mounts.is_empty() {
        host.insert("Mounts".to_owned(), mounts.into());
    }
    count
}

/// Where something is mounted already.
fn places_taken(made: &Value) -> BTreeSet<String> {
    let host = made.get("HostConfig");
    let field = |name: &str| host.and_then(|host| host.get(name));
    let binds = list(field("Binds")).iter().filter_map(|bind| text(Some(bind)).split(':').nth(1));
    let mounts = list(field("Mounts")).iter().map(|mount| text(mount.get("Target")));
    let tmpfs = field("Tmpfs").and_then(Value::as_object).into_iter().flat_map(Map::keys).map(String::as_str);
    binds.chain(mounts).chain(tmpfs).map(str::to_owned).collect()
}

fn host_bind(wish: &Wish<'_>, source: &str, target: &str, read_only: bool) -> Result<(), Refusal> {
    let named = wish.role.run.binds.iter().find(|bind| bind.host == source && bind.at == target);
    match named {
        Some(bind) if bind.writable || read_only => Ok(()),
        Some(bind) => Err(not_allowed("this folder may be bound read-only")
            .nearest(format!("-v {}:{}:ro", bind.host, bind.at))),
        None => {
            Err(not_allowed("this bind of a host path is not in the role's binds")
                .nearest(allowed_binds(wish)))
        }
    }
}

/// What a container can have instead of a folder of the host.
fn own_volume(wish: &Wish<'_>) -> &'static str {
    match wish.role.volumes.contains(&Selector::Own) {
        true => "a volume of your own: -v NAME:/data; an anonymous volume: -v /data",
        false => "an anonymous volume: -v /data",
    }
}

fn allowed_binds(wish: &Wish<'_>) -> String {
    let binds = wish.role.run.binds.iter();
    let binds =
        binds.map(|bind| format!("-v {}:{}{}", bind.host, bind.at, if bind.writable { "" } else { ":ro" }));
    super::listed(binds, own_volume(wish))
}

/// Whether a source is a path on the host; the engine takes everything else for a volume's name.
fn is_host(source: &str) -> bool {
    source.starts_with(['/', '.', '~', '\\'])
}

/// A named volume: there, made by the local driver without options, and one that the worker may use.
fn volume(wish: &Wish<'_>, name: &str) -> Result<(), Refusal> {
    let refuse = || {
        Refusal::new(Reason::ObjectNotAllowed, "there is no volume of this name that this worker may use")
            .nearest(own_volume(wish))
    };
    if !objects::is_name(name) {
        return Err(refuse());
    }
    if wish.mode == Mode::Operator {
        return Ok(());
    }
    let found = wish.facts.about(&Lookup::Volume(name.to_owned()));
    let volume = match found {
        Some(volume) => volume,
        // It is made before the container, with the worker's label.
        None if wish.mode == Mode::New => return volumes::may_make(wish, name),
        None => return Err(refuse()),
    };
    let standing = Standing::of_volume(volume, wish.worker);
    if !objects::selects(&wish.role.volumes, name, standing) {
        return Err(refuse());
    }
    if !volumes::is_plain(volume) {
        return Err(Refusal::new(
            Reason::ObjectNotAllowed,
            "this volume has a driver or options that are not allowed",
        ));
    }
    Ok(())
}

/// `Name` of a new volume; the engine chooses one when there is none.
pub(crate) fn volume_name(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let name = text(given);
    if name.is_empty() {
        return Ok(None);
    }
    volumes::may_make(wish, name)?;
    Ok(Some(json!(name)))
}

/// `Driver` of a new volume: `local`.
pub(crate) fn volume_driver(_: &Wish<'_>, given: Option<&Value>) -> Made {
    match text(given) {
        "" | "local" => Ok(Some(json!("local"))),
        _ => Err(not_allowed("only the local volume driver is allowed").nearest("--driver local")),
    }
}

/// Names of the volumes that a body wants.
pub(crate) fn named_volumes(body: &Value) -> Vec<String> {
    let host = body.get("HostConfig");
    let binds = list(host.and_then(|host| host.get("Binds"))).iter();
    let binds = binds.filter_map(|bind| text(Some(bind)).split_once(':')).map(|(source, _)| source);
    let mounts = list(host.and_then(|host| host.get("Mounts"))).iter();
    let mounts =
        mounts.filter(|mount| text(mount.get("Type")) == "volume").map(|mount| text(mount.get("Source")));
    let named = binds.filter(|source| !is_host(source)).chain(mounts);
    named.filter(|name| objects::is_name(name)).map(str::to_owned).collect()
}

/// Host paths that a rebuilt body binds.
pub(crate) fn host_paths(body: &Value) -> Vec<String> {
    let host = body.get("HostConfig");
    let binds = list(host.and_then(|host| host.get("Binds"))).iter();
    let binds = binds.filter_map(|bind| text(Some(bind)).split_once(':')).map(|(source, _)| source);
    let mounts = list(host.and_then(|host| host.get("Mounts"))).iter();
    let mounts =
        mounts.filter(|mount| text(mount.get("Type")) == "bind").map(|mount| text(mount.get("Source")));
    binds.filter(|source| is_host(source)).chain(mounts).map(str::to_owned).collect()
}

/// Where something may be mounted: a clean absolute path, not the root nor what the kernel shows.
fn good_target(target: &str) -> Result<(), Refusal> {
    const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];
    let under =
        |top: &str| target.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match uri::is_clean(target) && !KERNEL.iter().any(|top| under(top)) {
        true => Ok(()),
        false => {
            Err(not_allowed("a mount's target must be a clean absolute path, not /, /proc, /sys or /dev")
                .nearest("/data"))
        }
    }
}
