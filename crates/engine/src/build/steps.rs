//! The answer to a build.

/// The engine's answer to a build, message by message, as if the worker's own Dockerfile had been built.
#[derive(Debug, Clone, Default)]
pub struct Steps {}

impl Steps {
    /// Takes the engine's next bytes; gives what the worker is sent of them. Keeps little in memory.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    /// What is left when the answer has ended.
    pub fn end(&mut self) -> Vec<u8> {
        Vec::new()
    }
}
