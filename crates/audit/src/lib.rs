//! The audit log: append, read, verify.
//!
//! JSON Lines in segments, each line chained to the one before it by SHA-256; `docs/audit.md` has the format.
//! [`Writer`] appends from one thread with group commit, [`Reader`] reads while somebody writes, [`verify`]
//! needs nothing but the files. No record, no effect: whoever gets an [`AuditError`] does not act.
#![forbid(unsafe_code)]

mod chain;
mod clock;
mod error;
#[cfg(test)]
mod failures;
mod faults;
mod json;
mod lines;
mod log;
mod options;
mod reader;
mod record;
mod segment;
mod text;
mod verify;
mod writer;

pub use error::AuditError;
pub use options::{Checkpointer, Options, Tip};
pub use reader::{Follow, ReadError, Reader, Shown, Wanted};
pub use record::{Entry, Http, Kind, Outcome, Record, VERSION, Verdict};
pub use segment::Opened;
pub use text::render;
pub use verify::{Fault, FaultKind, Verified, verify, verify_against};
pub use writer::{Status, Writer};
