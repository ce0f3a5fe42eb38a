//! Dockerfiles: a subset small enough that no two readers of it differ, and the canonical text of what was read.

use doorward_policy::{Reason, Refusal};

/// Longest Dockerfile that is read, in bytes.
pub const MAX_DOCKERFILE: usize = 256 << 10;

/// A Dockerfile that was read.
#[derive(Debug)]
pub(crate) struct Dockerfile {}

impl Dockerfile {
    /// Reads one.
    ///
    /// # Errors
    /// Whatever is not in the subset that can be judged.
    pub(crate) fn read(_bytes: &[u8]) -> Result<Dockerfile, Refusal> {
        Err(Refusal::new(Reason::NotYet, "build comes with a later version"))
    }
}
