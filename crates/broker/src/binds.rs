//! Whether host paths may be bound into a container now.

use crate::chain::{self, ChainFault, Links};
use crate::program::own_trust;
use doorward_policy::Policy;
use std::path::Path;

/// The first of `paths` that may not be bound, with words for the worker: each must be named by the policy,
/// and every component must belong to root, be no symlink, and be writable by nobody else.
pub fn first_unsafe(policy: &Policy, paths: &[String]) -> Option<(String, String)> {
    paths.iter().find_map(|path| {
        if !is_named(policy, path) {
            return Some((path.clone(), "the policy names no such path".to_owned()));
        }
        let fault = fault(path)?;
        eprintln!("doorward: broker: bind of {path} is refused: {fault}");
        let why = "the operator must make it a folder of root's that nobody else can change, without symlinks on the way";
        Some((path.clone(), why.to_owned()))
    })
}

/// Why a path may not be bound as the host is now: facts of the file system, for the operator.
pub fn fault(path: &str) -> Option<ChainFault> {
    chain::open(Path::new(path), own_trust(), Links::Refuse).err()
}

fn is_named(policy: &Policy, path: &str) -> bool {
    let roles = policy.roles.values().filter_map(|role| role.docker.as_ref());
    roles.flat_map(|docker| &docker.run.binds).any(|bind| bind.host == path)
}
