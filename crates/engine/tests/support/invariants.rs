//! What holds for every request, whatever its bytes. The property tests and the fuzz targets share this file;
//! the readers in it are lenient ones of its own, made as Go reads, so that they disagree with the strict ones
//! where these are wrong.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each of those that share it uses a part; an invariant that fails panics"
)]

use super::support::{Http, answer, decide, policy};
use doorward_engine::{Approved, Body, Decision, ENDPOINTS, Endpoint, Lookup, Param, ParamKind};
use doorward_policy::{Policy, Refusal};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::LazyLock;

const WORKER: &str = "hermes";
const JSON: &str = "application/json";

static POLICY: LazyLock<Policy> = LazyLock::new(policy);
/// Every key that a schema has in a create request's own two objects.
static KNOWN: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let rows = include_str!("../data/schema-fields.txt").lines().filter_map(|line| line.split_once(' '));
    let fields = rows.filter(|(object, _)| ["ContainerConfig", "HostConfig"].contains(object));
    fields.map(|(_, field)| field).chain(["HostConfig", "NetworkingConfig"]).collect()
});

/// The requests that bring a body, by the digit that stands before it.
const BODIES: [&str; 8] = [
    "/v1.41/containers/create?name=bench-2",
    "/v1.41/containers/create",
    "/v1.41/networks/create",
    "/v1.41/networks/minenet/connect",
    "/v1.41/networks/minenet/disconnect",
    "/v1.41/volumes/create",
    "/v1.41/containers/ollama/exec",
    "/v1.41/exec/5555555555555555555555555555555555555555555555555555555555555555/start",
];

/// A digit, and then any bytes as the body of the request that it chooses; like all here, whether it is let
/// through.
pub(crate) fn of_body(bytes: &[u8]) -> bool {
    let Some((digit, body)) = bytes.split_first() else { return false };
    let target = BODIES.get(usize::from(digit.wrapping_sub(b'0')) % BODIES.len()).unwrap();
    let http = Http::new("POST", target).header("Content-Type", JSON).body(body);
    let Some(approved) = of_request(&http) else { return false };
    if target.contains("/containers/create") {
        harmless(&approved);
        assert!(!go_folds(body), "Go takes a key of it for another");
    }
    true
}

/// Any text as a method and a target: `GET /v1.41/info`.
pub(crate) fn of_path(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((method, target)) = text.split_once(' ') else { return false };
    let Some(approved) = of_request(&Http::new(method, target)) else { return false };
    let path = target.split('?').next().unwrap_or_default();
    let path = percent_decoded(path);
    let words: Vec<&str> = path.split('/').skip(1).collect();
    let one_slash = path == "/networks/" || path.ends_with("/networks/");
    assert!(one_slash || words.iter().all(|word| !matches!(*word, "" | "." | "..")), "not clean: {path}");
    let words = match words.split_first() {
        Some((first, rest)) if first.starts_with("v1.") => rest,
        _ => &words,
    };
    let row = ENDPOINTS.iter().find(|row| row.method == method && matches(row, words));
    assert!(row.is_some() && approved.method == method, "{method} {path} is in no row");
    true
}

/// A byte that chooses an endpoint, and then any text as its query.
pub(crate) fn of_query(bytes: &[u8]) -> bool {
    let rows = ENDPOINTS.iter().filter(|row| !row.query.is_empty() && row.body == Body::None);
    let Some((row, text)) = chosen(rows, bytes) else { return false };
    let Some(_) = of_request(&Http::new(row.method, &format!("{}?{text}", path_of(row)))) else {
        return false;
    };
    let mut seen = BTreeSet::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        assert!(!pair.contains(';'), "Go leaves a pair with ';' out");
        let name = percent_decoded(&pair.split('=').next().unwrap_or_default().replace('+', " "));
        assert!(row.query.iter().any(|param| param.name == name), "{name:?} is no parameter");
        assert!(seen.insert(name), "Go takes the first of two");
    }
    true
}

/// A byte that chooses an endpoint, and then any text as its filters.
pub(crate) fn of_filters(bytes: &[u8]) -> bool {
    let rows = ENDPOINTS.iter().filter(|row| filters(row.query).is_some());
    let Some((row, text)) = chosen(rows, bytes) else { return false };
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let target = format!("{}?filters={encoded}", path_of(row));
    let Some(approved) = of_request(&Http::new(row.method, &target)) else { return false };
    let Some((_, sent)) = approved.target.split_once("filters=") else { return true };
    let sent: Value =
        serde_json::from_str(&percent_decoded(sent.split('&').next().unwrap_or_default())).unwrap();
    for (key, values) in sent.as_object().unwrap() {
        assert!(filters(row.query).unwrap().contains(&key.as_str()) || key == "label", "{key}");
        assert!(values.as_object().unwrap().values().all(|on| *on == Value::Bool(true)), "{values}");
    }
    true
}

/// Whatever comes, there is one clear decision; what is let through is clean and, asked again as it was made
/// anew, comes to the same.
fn of_request(http: &Http) -> Option<Box<Approved>> {
    match decide(http, &POLICY, WORKER) {
        Err(refusal) | Ok(Decision::Refuse(refusal)) => clear(&refusal),
        Ok(Decision::Answer { status, body, .. }) => {
            let absent = status == 404 && body.get("message").is_some_and(Value::is_string);
            let nothing_done =
                status == 200 && body == serde_json::json!({"CachesDeleted": null, "SpaceReclaimed": 0});
            assert!(absent || nothing_done, "{status} {body}");
        }
        Ok(Decision::Forward(approved)) => {
            clean(&approved);
            approved.beforehand.iter().for_each(clean);
            asked_again(&approved);
            return Some(approved);
        }
    }
    None
}

fn clear(refusal: &Refusal) {
    let text = refusal.to_string();
    assert!(!text.chars().any(char::is_control) && text.len() < 4096, "{text:?}");
}

/// Nothing that could end a line or be read in two ways.
fn clean(approved: &Approved) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/:@?&=%".contains(c);
    assert!(approved.target.starts_with("/v1.") && approved.target.chars().all(plain), "{}", approved.target);
    assert!(approved.target.matches('?').count() <= 1, "{}", approved.target);
    for (name, value) in &approved.headers {
        let good = name.chars().chain(value.chars()).all(|c| c.is_ascii_graphic() || c == ' ');
        assert!(good, "{name:?}: {value:?}");
    }
    if let Some(body) = &approved.body {
        let read: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(read.to_string().as_bytes(), body, "the body has one reading");
    }
}

/// A request without a body that was let through is, as it goes to the engine, let through as the same.
fn asked_again(approved: &Approved) {
    if approved.body.is_some() || has_other_object(approved) {
        return;
    }
    match decide(&Http::new(approved.method, &approved.target), &POLICY, WORKER) {
        Ok(Decision::Forward(again)) => assert_eq!(again.target, approved.target),
        other => panic!("{} {}: {other:?}", approved.method, approved.target),
    }
}

/// The small world knows most of its objects by their names alone.
fn has_other_object(approved: &Approved) -> bool {
    let path = approved.target.split('?').next().unwrap_or_default();
    path.contains("/images/")
        || approved.objects.iter().any(|id| {
            [Lookup::Container(id.clone()), Lookup::Network(id.clone()), Lookup::Volume(id.clone())]
                .iter()
                .all(|lookup| answer(lookup).is_none())
        })
}

/// What no container of this policy may have.
fn harmless(approved: &Approved) {
    let made: Value = serde_json::from_slice(approved.body.as_deref().unwrap()).unwrap();
    let host = made.get("HostConfig").unwrap();
    let text = |name: &str| host.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |name: &str| host.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    assert!(host.get("Privileged").is_none_or(|on| *on == Value::Bool(false)), "{host}");
    for name in ["PidMode", "UTSMode", "UsernsMode", "CgroupParent", "Cgroup", "VolumeDriver"] {
        assert_eq!(text(name), "", "{name}");
    }
    assert!(["private", "none", ""].contains(&text("IpcMode").as_str()), "{host}");
    assert!(!["host", "bridge", "default", ""].contains(&text("NetworkMode").as_str()), "{host}");
    for name in ["CapAdd", "DeviceCgroupRules", "VolumesFrom", "Links", "GroupAdd"] {
        assert!(list(name).is_empty(), "{name}");
    }
    for bind in list("Binds") {
        let bind = bind.as_str().unwrap();
        assert!(!bind.starts_with('/') || bind == "/srv/models:/models:ro", "{bind}");
    }
    for mount in list("Mounts") {
        let kind = mount.get("Type").and_then(Value::as_str).unwrap();
        let source = mount.get("Source").and_then(Value::as_str).unwrap_or_default();
        assert!(kind != "bind" || source == "/srv/models", "{mount}");
        let driver = mount.get("VolumeOptions").and_then(|options| options.get("DriverConfig"));
        assert!(driver.is_none_or(Value::is_null), "{mount}");
    }
    for device in list("Devices") {
        assert_eq!(device.get("PathOnHost").and_then(Value::as_str), Some("/dev/kfd"));
    }
    assert_eq!(made.pointer("/Labels/doorward.worker").and_then(Value::as_str), Some(WORKER));
}

/// Whether Go would take a key of this body for a known one that is spelt otherwise, or reads one twice.
fn go_folds(body: &[u8]) -> bool {
    let Ok(Value::Object(given)) = serde_json::from_slice(body) else { return false };
    let host = given.get("HostConfig").and_then(Value::as_object).into_iter().flatten();
    let mut keys = given.iter().chain(host).map(|(key, _)| key);
    keys.any(|key| !KNOWN.contains(key.as_str()) && KNOWN.iter().any(|known| folded(known) == folded(key)))
}

/// As `encoding/json` folds: the letter case, the long s and the Kelvin sign.
fn folded(key: &str) -> String {
    key.replace('\u{17f}', "s").replace('\u{212a}', "k").to_ascii_lowercase()
}

fn chosen(rows: impl Iterator<Item = &'static Endpoint>, bytes: &[u8]) -> Option<(&'static Endpoint, &str)> {
    let rows: Vec<&Endpoint> = rows.collect();
    let (first, text) = bytes.split_first()?;
    let row = rows.get(usize::from(*first).checked_rem(rows.len())?)?;
    Some((row, std::str::from_utf8(text).ok()?))
}

fn path_of(row: &Endpoint) -> String {
    let name = if row.path.starts_with("/images") {
        "busybox"
    } else if row.path.starts_with("/networks") {
        "minenet"
    } else if row.path.starts_with("/volumes") {
        "mine"
    } else if row.path.starts_with("/exec") {
        super::support::EXEC
    } else {
        "bench-1"
    };
    format!("/v1.41{}", row.path.replace("{id}", name).replace("{name}", name))
}

fn filters(params: &[Param]) -> Option<&'static [&'static str]> {
    params.iter().find_map(|param| match param.kind {
        ParamKind::Filters(keys) => Some(keys),
        _ => None,
    })
}

/// Whether a path's words are a row's; the name of an image may be several.
fn matches(row: &Endpoint, words: &[&str]) -> bool {
    let template: Vec<&str> = row.path.split('/').skip(1).collect();
    match template.iter().position(|word| word.starts_with('{')) {
        Some(at) if row.path.starts_with("/images/") => {
            let (before, after) = (&template[..at], &template[at + 1..]);
            words.len() > at + after.len() && words.starts_with(before) && words.ends_with(after)
        }
        _ => {
            template.len() == words.len()
                && template.iter().zip(words).all(|(want, word)| want.starts_with('{') || want == word)
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
