//! How a log is written, and who decides on its checkpoints.

/// How a log is written.
#[derive(Debug)]
pub struct Options {
    /// Size in bytes from which a segment is followed by a new one. Default 64 MiB.
    pub segment_bytes: u64,
    /// Entries that may wait. Default 8192.
    pub queue: usize,
    /// Asked after every batch for a `checkpoint` record. Default: none.
    pub checkpointer: Option<Box<dyn Checkpointer>>,
}

impl Default for Options {
    fn default() -> Self {
        Options { segment_bytes: 64 << 20, queue: 8192, checkpointer: None }
    }
}

/// Where the chain stands: what a checkpoint states, and what an anchor kept elsewhere remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Number of the last record.
    pub seq: u64,
    /// Lower-case hex SHA-256 of its line.
    pub hash: String,
}

/// Decides when the chain gets a `checkpoint` record and what it says.
pub trait Checkpointer: Send + std::fmt::Debug {
    /// Called by the writing thread when everything up to `tip` is written. `Some` becomes the `detail` of a
    /// durable `checkpoint` record.
    fn after(&mut self, tip: &Tip) -> Option<serde_json::Value>;
}
