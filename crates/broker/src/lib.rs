//! The broker: the small root service that judges again, records, and executes.
//!
//! It parses nothing but small typed messages from its two peers. The only room with `unsafe`: the system
//! calls between fork and exec, and the account databases.
#![allow(unsafe_code, reason = "see above; every block says why it is sound")]
#![deny(unsafe_op_in_unsafe_fn)]

pub mod accounts;
pub mod binds;
mod caps;
pub mod chain;
mod child;
mod command;
mod elf;
mod executor;
mod floods;
pub mod host;
pub mod identity;
mod landlock;
mod listeners;
mod peer;
mod plan;
pub mod policy_files;
pub mod program;
mod record;
mod rooms;
mod root;
mod sandbox;
mod seccomp;
mod serve;
mod service;
mod spawn;
mod step;
mod supervise;
mod sys;
#[cfg(test)]
mod tests;
mod unowned;

pub(crate) use serve::Broker;
pub use serve::{BrokerError, Config, Identities, run};
