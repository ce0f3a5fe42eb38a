//! The policy file, read as the broker reads it, and its errors as people read them.

use crate::exit::fail;
use doorward_policy::{Bundle, Policy, PolicyError};
use std::path::Path;

/// The policy at `path`; when it does not load its errors are told, and the exit code is for that.
pub(crate) fn load(path: &Path) -> Result<Policy, u8> {
    let bundle = doorward_broker::policy_files::read(path).map_err(fail)?;
    Policy::load(&bundle).map_err(|errors| {
        eprint!("{}", render(&bundle, &errors));
        fail("the policy has errors; nothing was done")
    })
}

/// The same, and it must have this worker.
pub(crate) fn of_worker(path: &Path, worker: &str) -> Result<Policy, u8> {
    let policy = load(path)?;
    if policy.workers.contains_key(worker) {
        return Ok(policy);
    }
    let known: Vec<_> = policy.workers.keys().map(String::as_str).collect();
    Err(fail(format!("the policy has no worker `{worker}`; it has: {}", known.join(", "))))
}

/// The errors as people read them, each with its line of text.
pub(crate) fn render(bundle: &Bundle, errors: &[PolicyError]) -> String {
    let text_of = |file: &str| {
        bundle.files.iter().find(|source| source.path == file).map_or("", |source| source.text.as_str())
    };
    errors.iter().map(|error| error.render(text_of(&error.at.file))).fold(String::new(), |all, one| {
        let end = if one.ends_with('\n') { "" } else { "\n" };
        all + &one + end
    })
}
