//! What a new object must be, compared with what the engine made.

use doorward_policy::{Reason, Refusal};
use serde_json::Value;

/// What was approved for a new container.
#[derive(Debug, Clone)]
pub struct Expected {}

impl Expected {
    /// Compares with `GET /containers/{id}/json` of the new container.
    ///
    /// # Errors
    /// [`Reason::EngineMismatch`] with the first field that differs; the container must then be removed.
    pub fn compare(&self, inspect: &Value) -> Result<(), Refusal> {
        let _ = inspect;
        Err(Refusal::new(Reason::NotYet, "not built"))
    }
}
