//! Prunes: the engine's own, limited to what carries the worker's label, whatever else is asked.

use crate::judged::Judged;
use crate::objects::Standing;
use crate::rules::OWNER;
use crate::{Act, Decision, Lookup};
use doorward_policy::{Reason, Refusal};
use serde_json::{Value, json};

/// `POST /containers/prune`, `/images/prune`, `/networks/prune`, `/volumes/prune`.
///
/// Engines take only what matches *every* label filter, so the worker's own filters can but narrow.
pub(crate) fn judge(judged: Judged<'_>) -> Decision {
    let Judged { request, worker, .. } = judged;
    let (role, verb) = match judged.granted(None) {
        Ok(granted) => granted,
        Err(denied) => return Decision::denied(denied, "object", ""),
    };
    if request.endpoint().act == Act::ContainerPrune
        && let Err(refusal) = only_own(judged)
    {
        return Decision::Refuse(refusal);
    }
    let mut query = request.call.query.with_filter("label", format!("{OWNER}={worker}"));
    if request.endpoint().act == Act::ImagePrune {
        // Images inherit labels: one that an operator built on a worker's would bear the worker's, too. Without
        // a name it is nobody's any more.
        if query.filters("dangling").any(|value| !["true", "1"].contains(&value)) {
            let message = "only images without a name are pruned";
            let refusal = Refusal::new(Reason::FieldNotAllowed, message).path("?filters.dangling");
            return Decision::Refuse(refusal.nearest("docker image prune without -a; docker rmi IMAGE"));
        }
        query = query.with_filter("dangling", "true".to_owned());
    }
    let mut approved = judged.approve(role, verb);
    let path = request.endpoint().path;
    approved.target = format!("/v{}{path}{}", request.version(), query.render(&[]));
    approved.operation = json!({"op": format!("POST {path}"), "query": query.record()});
    Decision::forward(approved)
}

/// Whether all containers with the worker's label are its own: the engine, which prunes by that, cannot tell those that
/// bear it by their image.
fn only_own(judged: Judged<'_>) -> Result<(), Refusal> {
    let found = judged.facts.about(&Lookup::OwnContainers).and_then(Value::as_array);
    let found = found.ok_or_else(|| {
        Refusal::new(Reason::EngineUnavailable, "the engine did not tell which containers this worker has")
    })?;
    match found.iter().all(|entry| Standing::of_listed(entry, judged.worker) == Standing::Own) {
        true => Ok(()),
        false => {
            let message = "a container that is not your own bears your label by its image";
            Err(Refusal::new(Reason::ObjectNotAllowed, message).nearest("docker rm CONTAINER"))
        }
    }
}
