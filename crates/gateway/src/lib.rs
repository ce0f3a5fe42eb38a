//! The gateway: talks to workers' sessions, decides on their lines, forwards what the broker runs for them,
//! and keeps their runs. It holds no privilege: it can only ask the broker, which judges again.
//!
//! One thread serves all sessions; a second one owns the disk (see `store`). Built for many small lines:
//! nothing is started or opened for a line but its two pipes and its output's file.
#![forbid(unsafe_code)]

mod agents;
mod answer;
mod asking;
mod clean;
mod clock;
mod conversation;
mod course;
mod delivery;
mod ending;
mod gateway;
mod known;
mod limits;
mod line;
mod meaning;
mod operator;
mod pipeline;
mod plan;
mod pump;
mod record;
mod refuse;
mod run;
mod running;
mod seats;
mod serve;
mod session;
mod stdin;
mod store;
mod word;
mod words;

#[cfg(test)]
mod tests;

pub use refuse::worded;
pub use serve::{Config, GatewayError, serve};
pub use store::Room;
pub use words::explain;
