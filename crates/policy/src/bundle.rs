//! The texts that a policy is compiled from, as they travel between the services.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One policy file: the main file or an included role file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Absolute path as it stands in messages and in `include`.
    pub path: String,
    /// The file's whole text.
    pub text: String,
}

/// All texts of one policy: the main file first, then its includes in the order in which they are named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// Main file first.
    pub files: Vec<Source>,
}

/// Lower-case hex SHA-256 over the bundle's paths and texts; two services with the same hash judge alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PolicyHash(pub String);

impl Bundle {
    /// The hash that requests carry between processes. Lengths are hashed too, so no two bundles collide by
    /// moving bytes between a path and a text.
    pub fn hash(&self) -> PolicyHash {
        let mut digest = Sha256::new();
        for file in &self.files {
            for part in [&file.path, &file.text] {
                digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                digest.update(part.as_bytes());
            }
        }
        PolicyHash(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}
