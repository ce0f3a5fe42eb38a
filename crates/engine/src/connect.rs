//! Connecting containers that exist to networks, and disconnecting them.

use crate::fields::{NETWORK_CONNECT, NETWORK_DISCONNECT};
use crate::judged::Judged;
use crate::objects::{self, Standing, is_full_id, labels, plain_name};
use crate::redact::redacted;
use crate::rules::{joined, names_in};
use crate::touched::Touched;
use crate::{Act, Decision, Lookup, present, walk};
use doorward_policy::{DockerRole, Reason, Refusal};
use serde_json::{Map, Value, json};

/// The container that a body names.
pub(crate) fn named_container(body: Option<&Value>) -> &str {
    body.and_then(|body| body.get("Container")).and_then(Value::as_str).unwrap_or_default()
}

/// `POST /networks/{id}/connect` and `…/disconnect`: an own container, a network that the worker may use.
pub(crate) fn judge(judged: Judged<'_>) -> Decision {
    let Judged { request, facts, .. } = judged;
    let name = request.named();
    let network = facts.about(&Lookup::Network(name.to_owned())).filter(|network| {
        let standing = judged.standing(network.get("Labels"));
        judged.roles().any(|role| objects::selects(&role.networks, plain_name(network), standing))
    });
    let Some(network) = network else { return Decision::absent("network", name) };
    let asked = named_container(request.body.as_ref());
    let container = facts.about(&Lookup::Container(asked.to_owned())).filter(|container| {
        let standing = judged.container(container);
        standing == Standing::Own
            || judged.roles().any(|role| objects::selects(&role.containers, plain_name(container), standing))
    });
    let Some(container) = container else { return Decision::absent("container", asked) };
    if judged.container(container) != Standing::Own {
        let message = "only own containers may be connected and disconnected";
        return Decision::Refuse(Refusal::new(Reason::ObjectNotAllowed, message).path("Container"));
    }
    if request.endpoint().act == Act::NetworkDisconnect {
        return judged.by_first_role(|role| by(role, judged, network, container));
    }
    let touched = Touched { judged, found: container, standing: Standing::Own };
    let body = present::body(container);
    judged.by_first_of(touched.roles().into_iter(), |role| {
        // The role of this network must be the role of all else that the container has.
        touched.judge_as(role, &body)?;
        by(role, judged, network, container)
    })
}

fn by<'a>(
    role: &'a DockerRole,
    judged: Judged<'a>,
    network: &Value,
    container: &Value,
) -> Result<Decision, Refusal> {
    let Judged { request, policy, .. } = judged;
    let body = request.needed_body()?;
    let verb = judged.making(role, labels(container))?;
    let wish = judged.wish(role, body);
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
        let standing = judged.standing(network.get("Labels"));
        if !objects::selects(&role.networks, plain_name(network), standing) {
            return Err(Refusal::new(
                Reason::ObjectNotAllowed,
                "the role's networks do not include this one",
            ));
        }
        made.insert("Force".into(), json!(parts.get("Force").is_some()));
    }
    let made = Value::Object(made);
    let mut approved = judged.approve(role, verb);
    approved.objects = vec![network_id.clone(), container_id];
    let way = if connect { "connect" } else { "disconnect" };
    approved.target = judged.target(&format!("/networks/{network_id}/{way}"));
    approved.operation =
        json!({"op": format!("network {way}"), "network": network_id, "body": redacted(&made, policy)});
    Ok(Decision::forward(approved.with_body(&made)))
}
