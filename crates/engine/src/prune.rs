//! Prunes: the engine's own, limited to what carries the worker's label, whatever else is asked.

use crate::judged::Judged;
use crate::rules::OWNER;
use crate::{Act, Decision};
use doorward_policy::{Reason, Refusal};
use serde_json::json;

/// `POST /containers/prune`, `/images/prune`, `/networks/prune`, `/volumes/prune`.
///
/// Engines take only what matches *every* label filter, so the worker's own filters can but narrow.
pub(crate) fn judge(judged: Judged<'_>) -> Decision {
    let Judged { request, worker, .. } = judged;
    let (role, verb) = match judged.granted(None) {
        Ok(granted) => granted,
        Err(denied) => return Decision::denied(denied, "object", ""),
    };
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
