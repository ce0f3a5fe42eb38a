//! A build's head: what its query may ask for, and what is asked of the engine instead.

use super::{Build, JUDGED_DOCKERFILE};
use crate::dockerfile::{is_plain, label};
use crate::image_name::ImageName;
use crate::judged::Judged;
use crate::own_images::{is_own, may_name};
use crate::quota::IMAGES;
use crate::rules::taken_label;
use crate::{Answer, Approved, Lookup, uri};
use doorward_policy::{DockerRole, Reason, Refusal, Verb};
use serde_json::{Map, Value, json};

/// Of what the engine's scheduler counts a step's time in, in microseconds: its own default.
const PERIOD: u64 = 100_000;

/// Judges the query by one role.
pub(super) fn judge(judged: Judged<'_>, role: &DockerRole) -> Result<Approved, Refusal> {
    let query = &judged.request.call.query;
    let dockerfile = dockerfile(query.text("dockerfile"))?;
    let tags = tags(judged, role)?;
    labels(judged)?;
    IMAGES.admits(role, judged.facts, 1)?;
    let mut sent: Vec<(&str, String)> = vec![
        ("dockerfile", JUDGED_DOCKERFILE.to_owned()),
        // Containers of a build's steps never stay, whatever is asked.
        ("rm", "1".to_owned()),
        ("forcerm", "1".to_owned()),
        ("version", "1".to_owned()),
        ("networkmode", network(query.text("networkmode").unwrap_or_default(), role)?.to_owned()),
    ];
    if query.flag("nocache") {
        sent.push(("nocache", "1".to_owned()));
    }
    sizes(judged, role, &mut sent)?;
    let arguments = arguments(&query.object("buildargs"))?;
    if !arguments.is_empty() {
        sent.push(("buildargs", Value::Object(arguments).to_string()));
    }
    sent.extend(tags.iter().map(|tag| ("t", tag.familiar())));
    let sent: Vec<String> =
        sent.iter().map(|(name, value)| format!("{name}={}", uri::encode(value, ""))).collect();
    let mut approved = judged.approve(role, Verb::Build);
    approved.target = format!("/v{}/build?{}", judged.request.version(), sent.join("&"));
    approved.headers = vec![("Content-Type", "application/x-tar".to_owned())];
    approved.operation = json!({"op": "image build context", "dockerfile": dockerfile,
        "tags": tags.iter().map(ImageName::canonical).collect::<Vec<_>>(),
        "query": crate::redact::redacted(&query.record(), judged.policy)});
    approved.answer = Answer::pass();
    approved.build = Some(Box::new(Build { dockerfile, planned: None }));
    Ok(approved)
}

/// A clean path in the context.
fn dockerfile(asked: Option<&str>) -> Result<String, Refusal> {
    let asked = asked.unwrap_or("Dockerfile");
    let path = asked.strip_prefix("./").unwrap_or(asked);
    let clean = uri::is_clean(&format!("/{path}")) && path.chars().all(is_plain);
    match clean && path != JUDGED_DOCKERFILE && path != ".dockerignore" {
        true => Ok(path.to_owned()),
        false => Err(Refusal::new(Reason::BadRequest, "the Dockerfile must be a clean path in the context")
            .path("?dockerfile")
            .nearest("dockerfile=Dockerfile")),
    }
}

/// Names for the image: inside the role's `tags`, and not another's.
fn tags(judged: Judged<'_>, role: &DockerRole) -> Result<Vec<ImageName>, Refusal> {
    let mut tags = Vec::new();
    for asked in judged.request.call.query.texts("t") {
        let name = ImageName::read(asked).filter(|name| name.digest().is_none());
        let Some(name) = name.filter(|name| may_name(role, name)) else {
            let allowed: Vec<&str> = role.tags.iter().map(|glob| glob.0.as_str()).collect();
            let allowed =
                if allowed.is_empty() { "a build without -t".to_owned() } else { allowed.join(", ") };
            return Err(Refusal::new(Reason::ImageNotAllowed, "this name is not in the role's tags")
                .path("?t")
                .nearest(allowed));
        };
        let bearer = judged.facts.about(&Lookup::Image(name.familiar()));
        if bearer.is_some_and(|bearer| !is_own(bearer, role, judged.worker)) {
            let why = "an image that is not your own bears this name, and keeps it";
            return Err(Refusal::new(Reason::ObjectNotAllowed, why)
                .path("?t")
                .nearest("another name in the role's tags"));
        }
        tags.push(name);
    }
    Ok(tags)
}

/// The worker's own labels; they are written into the Dockerfile.
fn labels(judged: Judged<'_>) -> Result<(), Refusal> {
    for (name, value) in judged.request.call.query.object("labels") {
        let refuse = |why: String| {
            Err(Refusal::new(Reason::FieldNotAllowed, why)
                .path("?labels")
                .nearest("labels of your own, like purpose=bench"))
        };
        if let Some((start, why)) = taken_label(&name) {
            return refuse(format!(
                "the label '{}' is not allowed: {start}… {why}",
                crate::query::shown(&name)
            ));
        }
        if label(&name, value.as_str().unwrap_or_default()).is_none() {
            return refuse(format!(
                "the label '{}' is no plain text on one line",
                crate::query::shown(&name)
            ));
        }
    }
    Ok(())
}

/// Build arguments of plain text; one without a value says nothing.
fn arguments(asked: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let mut arguments = Map::new();
    for (name, value) in asked {
        let Some(text) = value.as_str() else { continue };
        let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !named || !text.chars().all(is_plain) {
            let message =
                format!("the build argument '{}' is no plain text on one line", crate::query::shown(name));
            return Err(Refusal::new(Reason::FieldNotAllowed, message)
                .path("?buildargs")
                .nearest("--build-arg NAME=value"));
        }
        arguments.insert(name.clone(), value.clone());
    }
    Ok(arguments)
}

/// None, unless the role has egress.
fn network(asked: &str, role: &DockerRole) -> Result<&'static str, Refusal> {
    match (asked, role.egress) {
        ("none", _) | ("" | "default", false) => Ok("none"),
        ("" | "default" | "bridge", true) => Ok("bridge"),
        ("bridge", false) => {
            Err(Refusal::new(Reason::FieldNotAllowed, "builds have no network, since the role has no egress")
                .path("?networkmode")
                .nearest("--network none"))
        }
        _ => Err(Refusal::new(Reason::FieldNotAllowed, "a build has the default network or none")
            .path("?networkmode")
            .nearest(if role.egress { "--network bridge" } else { "--network none" })),
    }
}

/// Memory, processors and shared memory of each step: what was asked, within the role's caps, and else the caps.
fn sizes(judged: Judged<'_>, role: &DockerRole, sent: &mut Vec<(&str, String)>) -> Result<(), Refusal> {
    let query = &judged.request.call.query;
    let asked = |name: &str| query.number(name).and_then(|asked| u64::try_from(asked).ok()).unwrap_or(0);
    let over = |name: &str, what: &str| {
        Err(Refusal::new(Reason::FieldNotAllowed, format!("more {what} than the role allows"))
            .path(format!("?{name}"))
            .nearest("leave it out: the role's own is taken"))
    };
    let run = &role.run;
    let memory = match (asked("memory"), run.memory) {
        (asked, Some(cap)) if asked > cap => return over("memory", "memory"),
        (0, cap) => cap.unwrap_or(0),
        (asked, _) => asked,
    };
    match asked("memswap") {
        0 => {}
        swap if swap == memory => {}
        _ => return over("memswap", "swap"),
    }
    if memory > 0 {
        // Swap is memory and swap together: as much again would be swapped otherwise.
        sent.push(("memory", memory.to_string()));
        sent.push(("memswap", memory.to_string()));
    }
    let period = if asked("cpuperiod") == 0 { PERIOD } else { asked("cpuperiod") };
    let cap = run.nano_cpus.map(|nano| {
        let quota = u128::from(nano).saturating_mul(u128::from(period)) / 1_000_000_000;
        u64::try_from(quota).unwrap_or(u64::MAX).max(1000)
    });
    let quota = match (asked("cpuquota"), cap) {
        (asked, Some(cap)) if asked > cap => return over("cpuquota", "processor time"),
        (0, cap) => cap.unwrap_or(0),
        (asked, _) => asked,
    };
    if quota > 0 {
        sent.push(("cpuperiod", period.to_string()));
        sent.push(("cpuquota", quota.to_string()));
    }
    if asked("cpushares") > 0 {
        sent.push(("cpushares", asked("cpushares").to_string()));
    }
    let shm = match (asked("shmsize"), run.shm) {
        (asked, cap) if asked > cap.unwrap_or(64 << 20) => return over("shmsize", "shared memory"),
        (0, cap) => cap.unwrap_or(0),
        (asked, _) => asked,
    };
    if shm > 0 {
        sent.push(("shmsize", shm.to_string()));
    }
    Ok(())
}
