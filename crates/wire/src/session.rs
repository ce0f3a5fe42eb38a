//! Between `doorward session` (or the operator's command) and the gateway.
//!
//! Frame: one byte of kind, `u32` big-endian length, payload. A session sends one `Hello`, then one `Line`
//! or `Operator`, and reads until `Exit` or `Dial`.

use serde::{Deserialize, Serialize};

/// Longest payload of a frame, in bytes.
pub const MAX_FRAME: usize = 1024 * 1024;

/// First frame of a session: what it says of itself. None of it decides anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// [`crate::PROTOCOL`].
    pub protocol: u32,
    /// Fingerprint of the SSH key, claimed.
    pub key: Option<String>,
    /// Source address, claimed.
    pub source: Option<String>,
}

/// What the operator may ask of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operator {
    /// `doorward status`.
    Status {
        /// As JSON instead of text.
        json: bool,
    },
    /// `doorward runs …`: the words after `runs`.
    Runs {
        /// Like `["show", "01J…"]`.
        words: Vec<String>,
    },
}

/// From session to gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromSession {
    /// `H`, JSON.
    Hello(Hello),
    /// `L`: the worker's line, any bytes; empty for a greeting.
    Line(Vec<u8>),
    /// `O`, JSON; only from an operator's uid.
    Operator(Operator),
}

/// From gateway to session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToSession {
    /// `1`: bytes for stdout.
    Stdout(Vec<u8>),
    /// `2`: bytes for stderr.
    Stderr(Vec<u8>),
    /// `D`: become a pipe between stdin/stdout and this unix socket.
    Dial(String),
    /// `X`: end with this exit code; one byte.
    Exit(u8),
}
