//! `doorward explain`: what would happen to a worker's line, and why. Nothing is done.

use crate::exit::{REFUSED, fail};
use std::path::Path;

/// Prints the verdict; 0 for allow, 126 for deny.
pub(crate) fn run(policy: &Path, worker: &str, json: bool, line: &[String]) -> u8 {
    let policy = match crate::policy::load(policy) {
        Ok(policy) => policy,
        Err(code) => return code,
    };
    if !policy.workers.contains_key(worker) {
        let known: Vec<_> = policy.workers.keys().map(String::as_str).collect();
        return fail(format!("the policy has no worker `{worker}`; it has: {}", known.join(", ")));
    }
    let (text, allowed) = doorward_gateway::explain(&policy, worker, line, json);
    print!("{text}");
    if allowed { 0 } else { REFUSED }
}
