//! Texts → policy, or every mistake in them.

use crate::{Bundle, Location, Policy, PolicyError};

/// The paths that a main file's `include` names, so that they can be read before [`Policy::load`].
pub fn include_paths(_text: &str) -> Result<Vec<String>, PolicyError> {
    Ok(Vec::new())
}

impl Policy {
    /// Compiles a bundle. Pure and total: any texts give a policy or the list of their mistakes.
    pub fn load(bundle: &Bundle) -> Result<Policy, Vec<PolicyError>> {
        let file = bundle.files.first().map(|file| file.path.clone()).unwrap_or_default();
        Err(vec![PolicyError::new(Location { file, line: 1, column: 1 }, "the policy cannot be loaded yet")])
    }
}
