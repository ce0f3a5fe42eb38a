//! New containers and networks.

use crate::approved::approve;
use crate::fields::{CREATE, NETWORK_CREATE};
use crate::image_name::{ImageName, is_id};
use crate::objects::{self, roles};
use crate::rules::{Mode, Wish, free_name, host_paths, within_count};
use crate::{Answer, Approved, Decision, Effect, Expected, Facts, Lookup, Request, walk};
use doorward_policy::{DockerRole, Policy, Reason, Refusal, Verb};
use serde_json::{Value, json};

/// Most own networks of a worker whose role says no `count`: an engine has about 30 subnets in all.
const NETWORKS: usize = 8;

/// `POST /containers/create`: one role must allow all of it.
pub(crate) fn container(request: &Request, facts: &Facts, policy: &Policy, worker: &str) -> Decision {
    first_role(policy, worker, |role| container_by(role, request, facts, policy, worker))
}

/// `POST /networks/create`.
pub(crate) fn network(request: &Request, facts: &Facts, policy: &Policy, worker: &str) -> Decision {
    first_role(policy, worker, |role| network_by(role, request, facts, policy, worker))
}

/// Asks each role with `run`; the refusal told is of the role that came furthest, the first of equals.
fn first_role<'p>(
    policy: &'p Policy,
    worker: &str,
    judge: impl Fn(&'p DockerRole) -> Result<Decision, Refusal>,
) -> Decision {
    let mut closest: Option<Refusal> = None;
    for role in roles(policy, worker).filter(|role| role.verbs.contains(&Verb::Run)) {
        match judge(role) {
            Ok(decision) => return decision,
            Err(refusal) => {
                let further = |old: &Refusal| {
                    old.reason == Reason::ImageNotAllowed && refusal.reason != Reason::ImageNotAllowed
                };
                if closest.as_ref().is_none_or(further) {
                    closest = Some(refusal.rule(format!("{}.docker", role.role)));
                }
            }
        }
    }
    Decision::Refuse(closest.unwrap_or_else(|| Refusal::new(Reason::VerbNotAllowed, "no role grants 'run'")))
}

fn container_by(
    role: &DockerRole,
    request: &Request,
    facts: &Facts,
    policy: &Policy,
    worker: &str,
) -> Result<Decision, Refusal> {
    let body = request.body.as_ref().ok_or_else(|| Refusal::new(Reason::BadRequest, "a body is needed"))?;
    let asked = body.get("Image").and_then(Value::as_str).unwrap_or_default();
    let name = ImageName::read(asked);
    if name.as_ref().is_none_or(|name| !name.allowed(role)) && !could_be_id(asked) {
        return Err(image_refused(role));
    }
    let found = facts.found.get(&Lookup::Image(asked.to_owned())).and_then(Option::as_ref);
    if found.is_some_and(|image| !image_allowed(image, asked, role)) {
        return Err(image_refused(role));
    }
    let version = request.version();
    let wish = Wish { role, policy, worker, facts, version, mode: Mode::New, body, image: found };
    if let Some(name) = request.call.query.text("name") {
        let name = name.strip_prefix('/').unwrap_or(name);
        free_name(&wish, name, objects::container_patterns).map_err(|refusal| refusal.path("?name"))?;
    }
    let made = walk::judge_fields(CREATE, Some(body), &wish, "")?;
    within_count(&wish, own(facts, &Lookup::OwnContainers)?)?;
    let Some(image) = found else {
        // A name that no pattern allows is refused above, so this tells nothing about other images.
        return match name.filter(|name| name.allowed(role)) {
            Some(name) => Ok(absent_image(&name)),
            None => Err(image_refused(role)),
        };
    };
    if !image.get("Id").and_then(Value::as_str).is_some_and(is_id) {
        return Err(Refusal::new(Reason::EngineUnavailable, "the engine told no id for the image"));
    }
    let binds = host_paths(&made);
    let mut approved = approve(request, policy, &format!("{}.docker.run", role.role), "run");
    approved.target = format!("/v{version}/containers/create{}", request.call.query.render(&[]));
    approved.operation = json!({"op": "container create", "image": asked, "query": request.call.query.record(),
        "body": redacted(&made, policy)});
    approved.objects = image.get("Id").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    approved.answer = Answer::created(warnings(&made, role)).said(&made);
    approved.binds = binds;
    Ok(Decision::Forward(Box::new(Approved {
        expected: Some(Expected { body: made.clone() }),
        ..with_body(approved, &made)
    })))
}

/// What was approved but will not do what was meant.
fn warnings(made: &Value, role: &DockerRole) -> Vec<String> {
    let host = made.get("HostConfig");
    let field = |name: &str| host.and_then(|host| host.get(name));
    let ports = field("PortBindings").is_some();
    let mode = field("NetworkMode").and_then(Value::as_str).unwrap_or_default();
    let leads_nowhere = mode == "none" || !role.egress;
    let warning = "the port leads nowhere, since the container's network does not lead out; \
                   reach it from another container in a network of your own";
    (ports && leads_nowhere).then(|| warning.to_owned()).into_iter().collect()
}

fn network_by(
    role: &DockerRole,
    request: &Request,
    facts: &Facts,
    policy: &Policy,
    worker: &str,
) -> Result<Decision, Refusal> {
    let body = request.body.as_ref().ok_or_else(|| Refusal::new(Reason::BadRequest, "a body is needed"))?;
    if !role.networks.contains(&doorward_policy::Selector::Own) {
        return Err(Refusal::new(Reason::ObjectNotAllowed, "the role's networks do not include own ones")
            .nearest("--network none"));
    }
    let version = request.version();
    let wish = Wish { role, policy, worker, facts, version, mode: Mode::New, body, image: None };
    let made = walk::judge_fields(NETWORK_CREATE, Some(body), &wish, "")?;
    let most = role.run.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(NETWORKS);
    let have = own(facts, &Lookup::OwnNetworks)?;
    if have >= most {
        return Err(Refusal::new(
            Reason::QuotaReached,
            format!("this worker already has {have} networks, of {most} allowed"),
        )
        .nearest("remove a network that is no longer needed"));
    }
    let mut approved = approve(request, policy, &format!("{}.docker.run", role.role), "run");
    approved.target = format!("/v{version}/networks/create");
    approved.operation = json!({"op": "network create", "body": redacted(&made, policy)});
    Ok(Decision::Forward(Box::new(with_body(approved, &made))))
}

/// Adds the rebuilt body.
pub(crate) fn with_body(mut approved: Approved, body: &Value) -> Approved {
    approved.headers.push(("Content-Type", "application/json".to_owned()));
    approved.body = Some(body.to_string().into_bytes());
    approved.effect = Effect::Changes;
    approved
}

/// How many objects of its own the worker has.
fn own(facts: &Facts, lookup: &Lookup) -> Result<usize, Refusal> {
    match facts.found.get(lookup).and_then(Option::as_ref).and_then(Value::as_array) {
        Some(list) => Ok(list.len()),
        None => Err(Refusal::new(
            Reason::EngineUnavailable,
            "the engine did not tell what this worker already has",
        )),
    }
}

/// Whether an image may be run under the name or id that was asked for.
///
/// By name: the name is allowed, and the image bears it. By id: the image bears some name that is allowed.
pub(crate) fn image_allowed(image: &Value, asked: &str, role: &DockerRole) -> bool {
    let id = image.get("Id").and_then(Value::as_str).unwrap_or_default();
    let names = image_names(image);
    match ImageName::read(asked) {
        Some(name) if names.contains(&name) || bears_digest(image, &name) => name.allowed(role),
        _ => {
            let hex = asked.strip_prefix("sha256:").unwrap_or(asked);
            let by_id = hex.len() >= 4 && id.strip_prefix("sha256:").is_some_and(|id| id.starts_with(hex));
            by_id && names.iter().any(|name| name.allowed(role))
        }
    }
}

/// The names that an image bears.
pub(crate) fn image_names(image: &Value) -> Vec<ImageName> {
    let tags = image.get("RepoTags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| ImageName::read(tag.as_str()?)).collect()
}

fn bears_digest(image: &Value, name: &ImageName) -> bool {
    let digests = image.get("RepoDigests").and_then(Value::as_array).into_iter().flatten();
    let mut digests = digests.filter_map(|digest| ImageName::read(digest.as_str()?));
    name.digest().is_some()
        && digests.any(|own| {
            own.digest() == name.digest() && own.familiar_repository() == name.familiar_repository()
        })
}

fn could_be_id(asked: &str) -> bool {
    is_id(asked)
        || (asked.len() >= 4
            && asked.len() <= 64
            && asked.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// A refusal that names what may be used.
pub(crate) fn image_refused(role: &DockerRole) -> Refusal {
    let allowed: Vec<&str> = role.images.iter().chain(&role.tags).map(|glob| glob.0.as_str()).collect();
    let allowed = if allowed.is_empty() { "no image".to_owned() } else { allowed.join(", ") };
    Refusal::new(Reason::ImageNotAllowed, "this image is not in the role's images")
        .path("Image")
        .nearest(allowed)
}

/// As the engine words it, so that clients pull.
pub(crate) fn absent_image(name: &ImageName) -> Decision {
    Decision::Answer { status: 404, body: json!({"message": format!("No such image: {}", name.familiar())}) }
}

/// A body fit for the audit log: environment values and what the policy redacts are taken out.
pub(crate) fn redacted(value: &Value, policy: &Policy) -> Value {
    match value {
        Value::String(text) => json!(policy.runs.redact(text)),
        Value::Array(list) => list.iter().map(|value| redacted(value, policy)).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match key.as_str() {
                "Env" => (key.clone(), without_values(value)),
                _ => (key.clone(), redacted(value, policy)),
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// `NAME=[redacted]` for each entry of an environment.
pub(crate) fn without_values(env: &Value) -> Value {
    let entries = env.as_array().into_iter().flatten().filter_map(Value::as_str);
    entries.map(|entry| format!("{}=[redacted]", entry.split('=').next().unwrap_or_default())).collect()
}
