//! Volumes: they have no id, so a name is a worker's only while the engine's label says so.

use crate::approved::rule;
use crate::fields::VOLUME_CREATE;
use crate::judged::Judged;
use crate::objects::Standing;
use crate::quota::VOLUMES;
use crate::redact::redacted;
use crate::rules::{NameOf, OWNER, PROJECT, Wish, free_name, named_volumes};
use crate::{Answer, Approved, Decision, Lookup, objects, walk};
use doorward_policy::{DockerRole, Reason, Refusal, Selector, Verb};
use serde_json::{Map, Value, json};

/// `POST /volumes/create`.
pub(crate) fn create(judged: Judged<'_>) -> Decision {
    judged.by_first_role(|role| create_by(role, judged))
}

fn create_by<'a>(role: &'a DockerRole, judged: Judged<'a>) -> Result<Decision, Refusal> {
    let Judged { request, facts, policy, worker } = judged;
    let body = request.needed_body()?;
    let verb = judged.making(role, body.get("Labels"))?;
    let wish = judged.wish(role, body);
    may_own(role)?;
    let made = walk::judge_fields(VOLUME_CREATE, Some(body), &wish, "")?;
    let name = made.get("Name").and_then(Value::as_str).unwrap_or_default();
    match facts.about(&Lookup::Volume(name.to_owned())) {
        // The engine answers a create of what exists with what exists: it must be this worker's already.
        Some(volume) if !is_plain_own(volume, worker) => {
            return Err(Refusal::new(Reason::NameNotAllowed, "this name is taken")
                .path("Name")
                .nearest(format!("a name like {worker}-1")));
        }
        Some(_) => {}
        None => VOLUMES.admits(role, facts, 1)?,
    }
    let mut approved = judged.approve(role, verb);
    approved.target = judged.target("/volumes/create");
    approved.operation = json!({"op": "volume create", "body": redacted(&made, policy)});
    approved.answer = Answer::own_volume();
    Ok(Decision::forward(approved.with_body(&made)))
}

/// The creates that must come before a container's: an engine would make an absent volume itself, without a
/// label, and so as nobody's. They count, and so do the container's `anonymous` ones.
pub(crate) fn beforehand(
    wish: &Wish<'_>,
    made: &Value,
    anonymous: usize,
    verb: Verb,
) -> Result<Vec<Approved>, Refusal> {
    let mut names = named_volumes(made);
    names.sort();
    names.dedup();
    names.retain(|name| wish.facts.about(&Lookup::Volume(name.clone())).is_none());
    let more = names.len().saturating_add(anonymous);
    if more > 0 {
        VOLUMES.admits(wish.role, wish.facts, more)?;
    }
    Ok(names.iter().map(|name| own_volume(wish, name, verb)).collect())
}

fn own_volume(wish: &Wish<'_>, name: &str, verb: Verb) -> Approved {
    let mut labels = Map::from_iter([(OWNER.to_owned(), json!(wish.worker))]);
    // So that the role which it comes by may also remove it.
    if let (Verb::Compose, Some(project)) = (verb, objects::project(wish.body.get("Labels"))) {
        labels.insert(PROJECT.to_owned(), json!(project));
    }
    let body = json!({"Name": name, "Driver": "local", "Labels": labels});
    let operation = json!({"op": "volume create", "body": body});
    let target = format!("/v{}/volumes/create", wish.version);
    let mut approved = Approved::unasked(rule(wish.role, verb), verb, target, operation, name);
    approved.answer = Answer::own_volume();
    approved.with_body(&body)
}

/// Whether a volume that is absent may be made under this name by this worker.
pub(crate) fn may_make(wish: &Wish<'_>, name: &str) -> Result<(), Refusal> {
    may_own(wish.role)?;
    free_name(wish, name, NameOf::Volume)
}

fn may_own(role: &DockerRole) -> Result<(), Refusal> {
    match role.volumes.contains(&Selector::Own) {
        true => Ok(()),
        false => Err(Refusal::new(Reason::ObjectNotAllowed, "the role's volumes do not include own ones")
            .nearest("an anonymous volume: -v /data")),
    }
}

/// Whether a volume is this worker's, and nothing but a folder of the engine's: made by the local driver
/// without options, which could mount anything.
pub(crate) fn is_plain_own(volume: &Value, worker: &str) -> bool {
    Standing::of(volume.get("Labels"), worker) == Standing::Own && is_plain(volume)
}

/// Whether a volume was made by the local driver without options.
pub(crate) fn is_plain(volume: &Value) -> bool {
    volume.get("Driver").and_then(Value::as_str) == Some("local")
        && volume.get("Options").is_none_or(walk::is_zero)
}
