//! Why nothing was recorded.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Why nothing was recorded. Whoever gets one does not act: `audit_unavailable`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The folder cannot be used.
    #[error("audit folder {}: {source}", path.display())]
    Folder {
        /// The folder, or the file in it.
        path: PathBuf,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// The folder can be written by more than its owner.
    #[error("audit folder {}: writable by group or others (mode {mode:o}); make it 0700", path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another process writes this log.
    #[error("audit folder {}: in use by another writer", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The system refused a write; the log tries again with the next entry.
    #[error("audit log cannot be written ({at}: {source})")]
    Write {
        /// What failed: `write`, `fdatasync`, `truncate`, `new segment`, `gap record`.
        at: &'static str,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// More entries wait than the queue holds.
    #[error("audit log is too busy")]
    Busy,
    /// The writer is closed.
    #[error("audit log is closed")]
    Closed,
    /// The entry cannot be a record.
    #[error("audit entry: {0}")]
    Entry(String),
}
