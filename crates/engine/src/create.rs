//! New containers and networks.

use crate::approved::approve;
use crate::fields::{CREATE, NETWORK_CREATE};
use crate::image::{absent_image, could_be_id, image_allowed, image_refused};
use crate::image_name::{ImageName, is_id};
use crate::objects::{self, Bearer, roles};
use crate::redact::redacted;
use crate::rules::{Mode, Wish, free_name, host_paths, names_in_networks, within_count};
use crate::{Answer, Approved, Decision, Effect, Expected, Facts, Lookup, Request, volumes, walk};
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
pub(crate) fn first_role<'p>(
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
    let body = request.needed_body()?;
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
    let container_name = request.call.query.text("name").unwrap_or_default();
    let container_name = container_name.strip_prefix('/').unwrap_or(container_name);
    if !container_name.is_empty() {
        let name = container_name;
        free_name(&wish, name, objects::container_patterns).map_err(|refusal| refusal.path("?name"))?;
    }
    let made = walk::judge_fields(CREATE, Some(body), &wish, "")?;
    let hostname = body.get("Hostname").and_then(Value::as_str).unwrap_or_default();
    names_in_networks(&wish, &Bearer { name: container_name, hostname })?;
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
    let beforehand = volumes::beforehand(&wish, &made)?;
    let mut approved = approve(request, policy, &format!("{}.docker.run", role.role), "run");
    approved.target = format!("/v{version}/containers/create{}", request.call.query.render(&[]));
    approved.operation = json!({"op": "container create", "image": asked, "query": request.call.query.record(),
        "volumes": beforehand.iter().flat_map(|first| &first.objects).collect::<Vec<_>>(),
        "body": redacted(&made, policy)});
    approved.objects = image.get("Id").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    approved.answer = Answer::created(warnings(&made, role)).said(&made);
    approved.binds = binds;
    approved.beforehand = beforehand;
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
    let body = request.needed_body()?;
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
pub(crate) fn own(facts: &Facts, lookup: &Lookup) -> Result<usize, Refusal> {
    let found = facts.found.get(lookup).and_then(Option::as_ref);
    // Volumes are listed one level deeper, and none of them as null.
    let list = match lookup {
        Lookup::OwnVolumes => found.and_then(|found| found.get("Volumes")),
        _ => found,
    };
    match list {
        Some(Value::Array(list)) => Ok(list.len()),
        Some(Value::Null) => Ok(0),
        _ => Err(Refusal::new(
            Reason::EngineUnavailable,
            "the engine did not tell what this worker already has",
        )),
    }
}
