//! What a session is answered last.

/// How a conversation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With this exit code.
    Exit(u8),
    /// The session goes on to this unix socket by itself.
    Dial(String),
}

impl Answer {
    /// The exit code.
    pub(crate) fn exit(&self) -> u8 {
        match self {
            Answer::Exit(code) => *code,
            Answer::Dial(_) => 0,
        }
    }
}
