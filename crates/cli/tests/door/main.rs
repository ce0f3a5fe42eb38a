//! The whole house, tested from outside: a real `ssh` client, a real sshd whose account has doorward as its
//! login shell, the services as `doorward serve` runs them, the real docker command and a real engine.
//!
//! Needs root, for accounts and sandboxes, and what `./test` brings up. Each test builds a house of its own
//! (account, folder, sshd, services, image) and takes it down again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod compose;
mod crowd;
mod engine_api;
mod failures;
mod filters;
mod hermes;
mod host;
mod host_commands;
mod house;
mod jobs;
mod login_shell;
mod pipelines;
mod registry;
mod restarts;
mod said;
mod seed;
mod transfers;
