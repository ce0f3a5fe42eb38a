//! The gateway: talks to workers' sessions, decides on their lines, forwards what the broker runs for them,
//! and keeps their runs. It holds no privilege: it can only ask the broker, which judges again.
//!
//! One thread serves all sessions; a second one owns the disk (see `store`). Built for many small lines:
//! nothing is started or opened for a line but its two pipes and its output's file.
#![forbid(unsafe_code)]

#[cfg_attr(not(test), allow(dead_code, reason = "what executes lines takes it up"))]
mod clean;
mod clock;
mod command;
mod conversation;
mod known;
mod limits;
mod line;
mod operator;
mod pump;
mod record;
mod refuse;
mod seats;
mod serve;
mod session;
mod store;
mod words;

#[cfg(test)]
mod tests;

pub use serve::{Config, GatewayError, serve};
pub use words::explain;
