//! Connecting containers that exist to networks, and disconnecting them.

use crate::approved::approve;
use crate::create::{first_role, with_body};
use crate::fields::{NETWORK_CONNECT, NETWORK_DISCONNECT};
use crate::objects::{self, Standing, is_full_id, labels, plain_name};
use crate::redact::redacted;
use crate::rules::{Mode, Wish, joined, names_in};
use crate::{Act, Decision, Facts, Lookup, Request, walk};
use doorward_policy::{DockerRole, Policy, Reason, Refusal};
use serde_json::{Map, Value, json};

/// The container that a body names.
pub(crate) fn named_container(body: Option<&Value>) -> &str {
    body.and_then(|body| body.get("Container")).and_then(Value::as_str).unwrap_or_default()
}

/// `POST /networks/{id}/connect` and `…/disconnect`: an own container, a network that the worker may use.
pub(crate) fn judge(request: &Request, facts: &Facts, policy: &Policy, worker: &str) -> Decision {
    let fact = |lookup: Lookup| facts.found.get(&lookup).and_then(Option::as_ref);
    let name = request.named();
    let network = fact(Lookup::Network(name.to_owned())).filter(|network| {
        let standing = Standing::of(network.get("Labels"), worker);
        objects::roles(policy, worker)
            .any(|role| objects::selects(&role.networks, plain_name(network), standing))
    });
    let Some(network) = network else { return Decision::absent("network", name) };
    let asked = named_container(request.body.as_ref());
    let container = fact(Lookup::Container(asked.to_owned())).filter(|container| {
        let standing = Standing::of(labels(container), worker);
        standing == Standing::Own
            || objects::roles(policy, worker)
                .any(|role| objects::selects(&role.containers, plain_name(container), standing))
    });
    let Some(container) = container else { return Decision::absent("container", asked) };
    if Standing::of(labels(container), worker) != Standing::Own {
        let message = "only own containers may be connected and disconnected";
        return Decision::Refuse(Refusal::new(Reason::ObjectNotAllowed, message).path("Container"));
    }
    first_role(policy, worker, |role| by(role, request, facts, (policy, worker), (network, container)))
}

fn by(
    role: &DockerRole,
    request: &Request,
    facts: &Facts,
    (policy, worker): (&Policy, &str),
    (network, container): (&Value, &Value),
) -> Result<Decision, Refusal> {
    let body = request.needed_body()?;
    let version = request.version();
    let wish = Wish { role, policy, worker, facts, version, mode: Mode::New, body, image: None };
    let connect = request.endpoint().act == Act::NetworkConnect;
    let fields = if connect { NETWORK_CONNECT } else { NETWORK_DISCONNECT };
    let parts = walk::judge_fields(fields, Some(body), &wish, "")?;
    let id = |object: &Value| object.get("Id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (network_id, container_id) = (id(network), id(container));
    if !is_full_id(&network_id) || !is_full_id(&container_id) {
        return Err(Refusal::new(Reason::EngineUnavailable, "the engine told no full ids"));
    }
    let mut made = Map::from_iter([("Container".to_owned(), json!(container_id))]);
    if connect {
        let asked = parts.get("EndpointConfig");
        let bearer = objects::Bearer::of_container(container);
        let at = |refusal: Refusal| refusal.path("EndpointConfig");
        names_in(&wish, request.named(), asked, &bearer).map_err(at)?;
        let (_, endpoint) = joined(&wish, request.named(), asked).map_err(at)?;
        made.insert("EndpointConfig".into(), endpoint);
    } else {
        let standing = Standing::of(network.get("Labels"), worker);
        if !objects::selects(&role.networks, plain_name(network), standing) {
            return Err(Refusal::new(
                Reason::ObjectNotAllowed,
                "the role's networks do not include this one",
            ));
        }
        made.insert("Force".into(), json!(parts.get("Force").is_some()));
    }
    let made = Value::Object(made);
    let mut approved = approve(request, policy, &format!("{}.docker.run", role.role), "run");
    approved.objects = vec![network_id.clone(), container_id];
    approved.target =
        format!("/v{version}/networks/{network_id}/{}", if connect { "connect" } else { "disconnect" });
    let op = if connect { "network connect" } else { "network disconnect" };
    approved.operation = json!({"op": op, "network": network_id, "body": redacted(&made, policy)});
    Ok(Decision::forward(with_body(approved, &made)))
}
