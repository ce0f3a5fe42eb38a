//! What a worker sees of the engine's answer.

use doorward_policy::{Policy, Reason, Refusal};

/// Which filter an answer goes through.
#[derive(Debug, Clone)]
pub struct Answer {}

impl Answer {
    /// The bytes that the worker is sent instead of `body`, the engine's whole answer with `status`.
    ///
    /// # Errors
    /// When the engine's answer is not what its schema says: it is then not passed on.
    pub fn apply(&self, status: u16, body: &[u8], policy: &Policy, worker: &str) -> Result<Vec<u8>, Refusal> {
        let _ = (status, body, policy, worker);
        Err(Refusal::new(Reason::NotYet, "not built"))
    }
}
