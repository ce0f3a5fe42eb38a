//! New containers and networks.

use crate::fields::{CREATE, NETWORK_CREATE};
use crate::image::{asked_image_refused, could_be_id, image_allowed, image_refused};
use crate::image_name::{ImageName, is_id};
use crate::judged::Judged;
use crate::objects::Bearer;
use crate::quota::{CONTAINERS, NETWORKS};
use crate::redact::redacted;
use crate::rules::{NameOf, Wish, free_name, host_paths, inherited_health, names_in_networks, own_anonymous};
use crate::{Answer, Decision, Expected, Lookup, volumes, walk};
use doorward_policy::{DockerRole, Reason, Refusal};
use serde_json::{Value, json};

/// What is told of a network that was not asked to be internal.
const INTERNAL: &str = "the network is internal: its containers reach each other and nothing outside, \
                        since the role has no egress";

/// `POST /containers/create`: one role must allow all of it.
pub(crate) fn container(judged: Judged<'_>) -> Decision {
    judged.by_first_role(|role| container_by(role, judged))
}

/// `POST /networks/create`.
pub(crate) fn network(judged: Judged<'_>) -> Decision {
    judged.by_first_role(|role| network_by(role, judged))
}

fn container_by<'a>(role: &'a DockerRole, judged: Judged<'a>) -> Result<Decision, Refusal> {
    let Judged { request, facts, policy, .. } = judged;
    let body = request.needed_body()?;
    let asked = body.get("Image").and_then(Value::as_str).unwrap_or_default();
    let verb = judged.making(role, body.get("Labels"))?;
    let name = ImageName::read(asked);
    if name.as_ref().is_none_or(|name| !name.allowed(role)) && !could_be_id(asked) {
        return Err(asked_image_refused(role, asked));
    }
    let found = facts.about(&Lookup::Image(asked.to_owned()));
    if found.is_some_and(|image| !image_allowed(image, asked, role)) {
        return Err(image_refused(role));
    }
    let wish = Wish { image: found, ..judged.wish(role, body) };
    let container_name = request.call.query.text("name").unwrap_or_default();
    let container_name = container_name.strip_prefix('/').unwrap_or(container_name);
    if !container_name.is_empty() {
        let name = container_name;
        free_name(&wish, name, NameOf::Container).map_err(|refusal| refusal.path("?name"))?;
    }
    let mut made = walk::judge_fields(CREATE, Some(body), &wish, "")?;
    let hostname = body.get("Hostname").and_then(Value::as_str).unwrap_or_default();
    names_in_networks(&wish, &Bearer { name: container_name, hostname })?;
    inherited_health(&wish)?;
    CONTAINERS.admits(role, facts, 1)?;
    let Some(image) = found else {
        // A name that no pattern allows is refused above, so this tells nothing about other images.
        return match name.filter(|name| name.allowed(role)) {
            Some(name) => Ok(Decision::absent_image(&name)),
            None => Err(image_refused(role)),
        };
    };
    if !image.get("Id").and_then(Value::as_str).is_some_and(is_id) {
        return Err(Refusal::new(Reason::EngineUnavailable, "the engine told no id for the image"));
    }
    let binds = host_paths(&made);
    let anonymous = own_anonymous(&wish, &mut made);
    let beforehand = volumes::beforehand(&wish, &made, anonymous, verb)?;
    let mut approved = judged.approve(role, verb);
    approved.target = judged.target("/containers/create");
    approved.operation = json!({"op": "container create", "image": asked, "query": request.call.query.record(),
        "volumes": beforehand.iter().flat_map(|first| &first.objects).collect::<Vec<_>>(),
        "body": redacted(&made, policy)});
    approved.objects = image.get("Id").and_then(Value::as_str).map(str::to_owned).into_iter().collect();
    approved.answer = Answer::created(warnings(&made, role)).said(&made);
    approved.binds = binds;
    approved.beforehand = beforehand;
    approved.expected = Some(Expected { body: made.clone() });
    Ok(Decision::forward(approved.with_body(&made)))
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

fn network_by<'a>(role: &'a DockerRole, judged: Judged<'a>) -> Result<Decision, Refusal> {
    let Judged { request, facts, policy, .. } = judged;
    let body = request.needed_body()?;
    let verb = judged.making(role, body.get("Labels"))?;
    if !role.networks.contains(&doorward_policy::Selector::Own) {
        return Err(Refusal::new(Reason::ObjectNotAllowed, "the role's networks do not include own ones")
            .nearest("--network none"));
    }
    let wish = judged.wish(role, body);
    let made = walk::judge_fields(NETWORK_CREATE, Some(body), &wish, "")?;
    NETWORKS.admits(role, facts, 1)?;
    let mut approved = judged.approve(role, verb);
    approved.target = judged.target("/networks/create");
    approved.operation = json!({"op": "network create", "body": redacted(&made, policy)});
    let asked_internal = body.get("Internal").and_then(Value::as_bool).unwrap_or_default();
    approved.answer = Answer::network_created((!asked_internal && !role.egress).then_some(INTERNAL));
    Ok(Decision::forward(approved.with_body(&made)))
}
