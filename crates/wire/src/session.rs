//! Between `doorward session` (or the operator's command) and the gateway.
//!
//! Frame: one byte of kind, `u32` big-endian length, payload. A session sends one `Hello`, then one `Line`
//! or `Operator`, and reads until `Exit` or `Dial`. When it reads `Feed` it also sends its stdin.

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
    /// `I`: bytes of stdin, only after [`ToSession::Feed`]; empty at their end.
    Stdin(Vec<u8>),
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
    /// `F`: send stdin, from now to its end.
    Feed,
    /// `X`: end with this exit code; one byte.
    Exit(u8),
}

/// Why a session's connection cannot go on.
#[derive(Debug)]
pub enum SessionError {
    /// A frame is over [`MAX_FRAME`].
    TooLong(usize),
    /// A kind or payload that this protocol does not have.
    Malformed,
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SessionError::TooLong(length) => write!(f, "frame of {length} bytes is over the limit"),
            SessionError::Malformed => f.write_str("frame is not a message of this protocol"),
        }
    }
}

impl std::error::Error for SessionError {}

/// Bytes before the payload.
pub const HEADER: usize = 5;

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(payload.len().saturating_add(HEADER));
    bytes.push(kind);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Takes the first whole frame off `bytes`; `None` while it is not yet whole.
///
/// # Errors
/// When the frame is over the limit.
fn take(bytes: &mut Vec<u8>) -> Result<Option<(u8, Vec<u8>)>, SessionError> {
    let Some(&[kind, a, b, c, d]) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(SessionError::TooLong(length));
    }
    let end = length.saturating_add(HEADER);
    let Some(payload) = bytes.get(HEADER..end) else { return Ok(None) };
    let payload = payload.to_vec();
    bytes.drain(..end);
    Ok(Some((kind, payload)))
}

impl FromSession {
    /// The frame's bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            FromSession::Hello(hello) => frame(b'H', &serde_json::to_vec(hello).unwrap_or_default()),
            FromSession::Line(line) => frame(b'L', line),
            FromSession::Operator(ask) => frame(b'O', &serde_json::to_vec(ask).unwrap_or_default()),
            FromSession::Stdin(bytes) => frame(b'I', bytes),
        }
    }

    /// Takes the first whole message off `bytes`; `None` while it is not yet whole.
    ///
    /// # Errors
    /// When the peer does not keep to the protocol.
    pub fn decode(bytes: &mut Vec<u8>) -> Result<Option<Self>, SessionError> {
        let Some((kind, payload)) = take(bytes)? else { return Ok(None) };
        let message = match kind {
            b'H' => serde_json::from_slice(&payload).map(FromSession::Hello),
            b'L' => Ok(FromSession::Line(payload)),
            b'I' => Ok(FromSession::Stdin(payload)),
            b'O' => serde_json::from_slice(&payload).map(FromSession::Operator),
            _ => return Err(SessionError::Malformed),
        };
        message.map(Some).map_err(|_| SessionError::Malformed)
    }
}

impl ToSession {
    /// The frame's bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            ToSession::Stdout(bytes) => frame(b'1', bytes),
            ToSession::Stderr(bytes) => frame(b'2', bytes),
            ToSession::Dial(path) => frame(b'D', path.as_bytes()),
            ToSession::Feed => frame(b'F', &[]),
            ToSession::Exit(code) => frame(b'X', &[*code]),
        }
    }

    /// Takes the first whole message off `bytes`; `None` while it is not yet whole.
    ///
    /// # Errors
    /// When the peer does not keep to the protocol.
    pub fn decode(bytes: &mut Vec<u8>) -> Result<Option<Self>, SessionError> {
        let Some((kind, payload)) = take(bytes)? else { return Ok(None) };
        match (kind, payload.as_slice()) {
            (b'1', _) => Ok(Some(ToSession::Stdout(payload))),
            (b'2', _) => Ok(Some(ToSession::Stderr(payload))),
            (b'D', _) => String::from_utf8(payload)
                .map(|path| Some(ToSession::Dial(path)))
                .map_err(|_| SessionError::Malformed),
            (b'F', []) => Ok(Some(ToSession::Feed)),
            (b'X', [code]) => Ok(Some(ToSession::Exit(*code))),
            _ => Err(SessionError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_message_survives_the_way() {
        let mut bytes = Vec::new();
        let sent = [
            ToSession::Stdout(b"out".to_vec()),
            ToSession::Stderr(Vec::new()),
            ToSession::Dial("/run/x".into()),
            ToSession::Feed,
            ToSession::Exit(126),
        ];
        sent.iter().for_each(|message| bytes.extend(message.encode()));
        for message in sent {
            assert_eq!(ToSession::decode(&mut bytes).unwrap(), Some(message));
        }
        assert_eq!(ToSession::decode(&mut bytes).unwrap(), None);
        let line = FromSession::Line(vec![0xff, 0, b'x']);
        let mut bytes = line.encode();
        assert_eq!(FromSession::decode(&mut bytes).unwrap(), Some(line));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes: Vec<u8>) {
            let mut left = bytes.clone();
            while let Ok(Some(_)) = FromSession::decode(&mut left) {}
            let mut left = bytes;
            while let Ok(Some(_)) = ToSession::decode(&mut left) {}
        }
    }
}
