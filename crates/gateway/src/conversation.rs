//! The two halves of a session's connection: frames that come, and frames that go.

use doorward_wire::session::{FromSession, MAX_FRAME, SessionError, ToSession};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Most bytes that a session may send in all before its answer. The line language takes 16 KiB; the rest is
/// room to refuse a longer line by name.
const MOST_SENT: usize = 128 * 1024;
/// Bytes of one frame of output.
const PIECE: usize = 64 * 1024;

/// The session's connection is closed, or it does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

/// Why no message came.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The connection ended.
    Gone,
    /// The bytes are no message.
    Malformed(SessionError),
    /// More bytes than any message needs.
    TooLarge,
}

/// Frames from the session.
#[derive(Debug)]
pub(crate) struct Inlet {
    half: OwnedReadHalf,
    bytes: Vec<u8>,
    read: usize,
}

impl Inlet {
    pub(crate) fn new(half: OwnedReadHalf) -> Self {
        Inlet { half, bytes: Vec::new(), read: 0 }
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Result<FromSession, Unread> {
        loop {
            if let Some(message) = FromSession::decode(&mut self.bytes).map_err(Unread::Malformed)? {
                return Ok(message);
            }
            if self.read > MOST_SENT {
                return Err(Unread::TooLarge);
            }
            match self.half.read_buf(&mut self.bytes).await {
                Ok(0) | Err(_) => return Err(Unread::Gone),
                Ok(count) => self.read = self.read.saturating_add(count),
            }
        }
    }

    /// The next message of a session whose line is being answered; `None` when it is gone or says what no
    /// session says. Holds at most one frame.
    pub(crate) async fn next_fed(&mut self) -> Option<FromSession> {
        loop {
            if let Some(message) = FromSession::decode(&mut self.bytes).ok()? {
                return Some(message);
            }
            self.bytes.reserve(PIECE);
            match self.half.read_buf(&mut self.bytes).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// Whether the session has hung up, whatever it has sent before.
    pub(crate) async fn is_closed(&self) -> bool {
        let ready = self.half.ready(tokio::io::Interest::READABLE);
        match tokio::time::timeout(Duration::ZERO, ready).await {
            Ok(Ok(ready)) => ready.is_read_closed(),
            Ok(Err(_)) => true,
            Err(_) => false,
        }
    }

    /// Reads on to the session's end, for at most `patience` and a bounded number of bytes: closing with
    /// unread bytes would take the answer away from a session that is still sending.
    pub(crate) async fn drain(&mut self, patience: Duration) {
        let drain = async {
            let mut sink = vec![0; PIECE];
            let mut left = MAX_FRAME.saturating_mul(2);
            while left > 0 {
                match self.half.read(&mut sink).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => left = left.saturating_sub(count),
                }
            }
        };
        let _ = tokio::time::timeout(patience, drain).await;
    }
}

/// Frames to the session.
#[derive(Debug)]
pub(crate) struct Outlet {
    half: OwnedWriteHalf,
    patience: Duration,
}

impl Outlet {
    /// A frame that the session does not take within `patience` ends the conversation.
    pub(crate) fn new(half: OwnedWriteHalf, patience: Duration) -> Self {
        Outlet { half, patience }
    }

    /// One frame, within the patience.
    pub(crate) async fn send(&mut self, message: &ToSession) -> Result<(), Gone> {
        let sent = tokio::time::timeout(self.patience, self.half.write_all(&message.encode())).await;
        sent.map_err(|_| Gone)?.map_err(|_| Gone)
    }

    /// One frame, however long the session takes: the command's own deadline ends it.
    pub(crate) async fn send_patiently(&mut self, message: &ToSession) -> io::Result<()> {
        self.half.write_all(&message.encode()).await
    }

    /// No more frames.
    pub(crate) async fn close(&mut self) {
        let _ = self.half.shutdown().await;
    }
}
