//! Typed messages between session, gateway, proxy and broker.
//!
//! Every connection is a unix stream of frames. Whoever receives a frame refuses unknown fields, unknown
//! variants and frames over the limit by closing the connection: peers of another version do not guess.
#![forbid(unsafe_code)]

pub mod broker;
#[cfg(feature = "async")]
pub mod client;
pub mod frame;
mod id;
pub mod session;
#[cfg(feature = "async")]
mod soon;

/// Spoken by all services of one build; peers with another number are refused with words.
pub const PROTOCOL: u32 = 2;
