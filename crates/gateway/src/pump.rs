//! Output on its way from a command's pipes to the session and to the store.
//!
//! One piece is under way at a time, so a session that does not read stops the command at its pipe instead
//! of filling the gateway's memory.

use crate::clock;
use crate::conversation::Outlet;
use crate::serve::Timing;
use crate::store::{Recorder, Stream};
use doorward_wire::session::ToSession;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;
use tokio::time::Instant;

/// Bytes asked of a pipe in one read: as much as a pipe holds.
const PIECE: usize = 64 * 1024;

/// The read ends of a command's stdout and stderr.
pub(crate) struct Pipes {
    out: Option<Receiver>,
    err: Option<Receiver>,
    buffer: Vec<u8>,
}

impl Pipes {
    /// Makes two pipes; also gives the write ends for stdout and stderr, which stay blocking.
    pub(crate) fn new() -> io::Result<(Self, Vec<OwnedFd>)> {
        let flags = rustix::pipe::PipeFlags::CLOEXEC;
        let (out, out_end) = rustix::pipe::pipe_with(flags)?;
        let (err, err_end) = rustix::pipe::pipe_with(flags)?;
        let (out, err) = (Some(Receiver::from_owned_fd(out)?), Some(Receiver::from_owned_fd(err)?));
        Ok((Pipes { out, err, buffer: vec![0; PIECE] }, vec![out_end, err_end]))
    }

    /// The next piece of either; `None` when both have ended. Nothing is lost when this is dropped half-way.
    async fn next(&mut self) -> Option<(Stream, Vec<u8>)> {
        loop {
            let stream = tokio::select! {
                () = readable(self.out.as_ref()), if self.out.is_some() => Stream::Out,
                () = readable(self.err.as_ref()), if self.err.is_some() => Stream::Err,
                else => return None,
            };
            let end = match stream {
                Stream::Out => &mut self.out,
                Stream::Err => &mut self.err,
            };
            let Some(pipe) = end else { continue };
            match pipe.try_read(&mut self.buffer) {
                Ok(0) => *end = None,
                Ok(count) => return Some((stream, self.buffer.get(..count).unwrap_or_default().to_vec())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => *end = None,
            }
        }
    }
}

async fn readable(pipe: Option<&Receiver>) {
    match pipe {
        // An error shows itself at the read.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}

/// What went through.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pumped {
    /// Bytes that the command wrote.
    pub(crate) bytes: u64,
    /// Whether the limit cut some of them off.
    pub(crate) cut: bool,
    /// Whether the session went away before the end.
    pub(crate) gone: bool,
}

/// Why a pump wants the command ended.
pub(crate) const DISCONNECT: &str = "disconnect";
/// Why a pump wants the command ended.
pub(crate) const OUTPUT_LIMIT: &str = "output_limit";

/// Forwards everything up to `limit` bytes, and counts the rest. `ended` turns true when the command has;
/// `cancel` is told why the command should end.
pub(crate) async fn pump(
    mut pipes: Pipes,
    outlet: &mut Outlet,
    recorder: &mut Recorder,
    limit: u64,
    ended: watch::Receiver<bool>,
    timing: Timing,
    cancel: impl Fn(&str),
) -> Pumped {
    let mut pumped = Pumped::default();
    let mut save_at: Option<Instant> = None;
    loop {
        if save_at.is_some_and(|at| at <= Instant::now()) {
            save_at = None;
            recorder.flush().await;
        }
        let piece = tokio::select! {
            biased;
            piece = pipes.next() => piece,
            () = sleep_until(save_at) => continue,
            () = after_end(ended.clone(), timing.linger) => None,
        };
        let Some((stream, mut bytes)) = piece else { return pumped };
        let room = limit.saturating_sub(pumped.bytes);
        pumped.bytes = pumped.bytes.saturating_add(length(&bytes));
        if pumped.cut {
            continue;
        }
        if length(&bytes) > room {
            pumped.cut = true;
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        if !bytes.is_empty() {
            recorder.write(stream, bytes.clone()).await;
            save_at.get_or_insert_with(|| Instant::now() + timing.save);
            pumped.gone |= !forward(outlet, pumped.gone, &frame(stream, bytes), &ended, timing).await;
        }
        if pumped.cut {
            let mark = format!("doorward: output cut at {}\n", clock::size(limit)).into_bytes();
            pumped.gone |= !forward(outlet, pumped.gone, &ToSession::Stderr(mark), &ended, timing).await;
            cancel(OUTPUT_LIMIT);
        } else if pumped.gone {
            cancel(DISCONNECT);
        }
    }
}

/// Whether the session took it. While the command lives the session may take its time; after that it is
/// given up when it stalls.
async fn forward(
    outlet: &mut Outlet,
    gone: bool,
    message: &ToSession,
    ended: &watch::Receiver<bool>,
    timing: Timing,
) -> bool {
    if gone {
        return true;
    }
    tokio::select! {
        sent = outlet.send_patiently(message) => sent.is_ok(),
        () = after_end(ended.clone(), timing.stalled) => false,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn after_end(mut ended: watch::Receiver<bool>, patience: Duration) {
    // A sender that is gone has nothing more to tell: the command has ended as well.
    let _ = ended.wait_for(|ended| *ended).await;
    tokio::time::sleep(patience).await;
}

fn frame(stream: Stream, bytes: Vec<u8>) -> ToSession {
    match stream {
        Stream::Out => ToSession::Stdout(bytes),
        Stream::Err => ToSession::Stderr(bytes),
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
