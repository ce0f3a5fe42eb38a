//! Prunes: the engine's own, limited to what carries the worker's label, whatever else is asked.

use crate::approved::approve;
use crate::objects::{Denied, granted};
use crate::rules::OWNER;
use crate::{Act, Decision, Request};
use doorward_policy::{Policy, Reason, Refusal};
use serde_json::json;

/// `POST /containers/prune`, `/images/prune`, `/networks/prune`, `/volumes/prune`.
///
/// Engines take only what matches *every* label filter, so the worker's own filters can but narrow.
pub(crate) fn judge(request: &Request, policy: &Policy, worker: &str) -> Decision {
    let (role, verb) = match granted(policy, worker, request.endpoint(), None) {
        Ok(granted) => granted,
        Err(Denied::Refused(refusal)) => return Decision::Refuse(refusal),
        Err(Denied::Absent) => return Decision::absent("object", ""),
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
    let mut approved =
        approve(request, policy, &format!("{}.docker.{}", role.role, verb.words()), verb.words());
    let path = request.endpoint().path;
    approved.target = format!("/v{}{path}{}", request.version(), query.render(&[]));
    approved.operation = json!({"op": format!("POST {path}"), "query": query.record()});
    Decision::forward(approved)
}
