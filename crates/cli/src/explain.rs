//! `doorward explain`: what would happen to a worker's line, and why. Nothing is done.

use doorward_policy::Policy;
use std::path::Path;

/// The exit code of a refused line.
const REFUSED: u8 = 126;

/// Prints the verdict; 0 for allow, 126 for deny.
pub(crate) fn run(policy: &Path, worker: &str, json: bool, line: &[String]) -> u8 {
    let bundle = match doorward_broker::policy_files::read(policy) {
        Ok(bundle) => bundle,
        Err(error) => return fail(&error.to_string()),
    };
    let policy = match Policy::load(&bundle) {
        Ok(policy) => policy,
        Err(errors) => {
            eprint!("{}", crate::check::render(&bundle, &errors));
            return fail("the policy has errors");
        }
    };
    if !policy.workers.contains_key(worker) {
        let known: Vec<_> = policy.workers.keys().map(String::as_str).collect();
        return fail(&format!("the policy has no worker `{worker}`; it has: {}", known.join(", ")));
    }
    let (text, allowed) = doorward_gateway::explain(&policy, worker, line, json);
    print!("{text}");
    if allowed { 0 } else { REFUSED }
}

fn fail(message: &str) -> u8 {
    eprintln!("doorward: {message}");
    crate::session::FAILED
}
