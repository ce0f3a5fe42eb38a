//! The proxy: a worker's Engine API socket → judged, rebuilt → the engine.
//!
//! Whoever holds the engine's socket is as good as root, so this room is small and does one thing: it carries
//! bytes between workers and the engine, and asks `doorward_engine` about every one of them first. A worker's
//! bytes never reach the engine: what is sent is what the judgement made anew. Nothing that changes the host
//! is sent before the broker has written it down.
#![forbid(unsafe_code)]

mod attend;
mod build;
mod context;
mod deliberate;
mod door;
mod engine_link;
mod explain;
mod forward;
mod hangup;
mod intake;
mod lifetimes;
mod limits;
mod outcome;
mod quiet;
mod record;
mod reply;
mod report;
mod rules;
mod seal;
mod serve;
mod tunnel;
mod upload;
mod visit;

pub use explain::{Explained, Said, explain};
pub use seal::{SealError, seal};
pub use serve::{Config, ProxyError, Timings, serve, serve_until};
