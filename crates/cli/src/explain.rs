//! `doorward explain`: what would happen to a worker's line, and why. Nothing is done.

use crate::exit::REFUSED;
use std::path::Path;

/// Prints the verdict; 0 for allow, 126 for deny.
pub(crate) fn run(policy: &Path, worker: &str, json: bool, line: &[String]) -> u8 {
    let policy = match crate::policy::of_worker(policy, worker) {
        Ok(policy) => policy,
        Err(code) => return code,
    };
    let (text, allowed) = doorward_gateway::explain(&policy, worker, line, json);
    print!("{text}");
    if allowed { 0 } else { REFUSED }
}
