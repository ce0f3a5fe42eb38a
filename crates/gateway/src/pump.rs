//! Output on its way from a pipeline's pipes to its delivery.
//!
//! One piece is under way at a time, so a session that does not read stops the command at its pipe instead
//! of filling the gateway's memory.

use crate::delivery::{Delivery, Halt};
use crate::gateway::Timing;
use crate::running::{DISCONNECT, OUTPUT_LIMIT, Stop};
use crate::store::Stream;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;

/// Bytes asked of a pipe in one read: as much as a pipe holds.
const PIECE: usize = 64 * 1024;

/// The read ends of a pipeline's stdout and stderr.
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

/// Delivers everything, and gives the number of bytes that came. `ended` turns true when the pipeline has;
/// `stop` is told when it should, and why.
pub(crate) async fn pump(
    mut pipes: Pipes,
    delivery: &Delivery,
    ended: watch::Receiver<bool>,
    timing: Timing,
    stop: &Stop,
) -> u64 {
    let mut count = 0_u64;
    loop {
        let piece = tokio::select! {
            biased;
            // First, so that a command that never pauses is saved as well.
            () = delivery.save_due() => {
                delivery.save().await;
                continue;
            }
            piece = pipes.next() => piece,
            () = after_end(ended.clone(), timing.linger) => None,
        };
        let Some((stream, bytes)) = piece else { return count };
        count = count.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        // While a command lives the session may take its time; after that it is given up when it stalls.
        let put = tokio::select! {
            put = delivery.put(stream, bytes) => put,
            () = after_end(ended.clone(), timing.stalled) => {
                delivery.give_up().await;
                Err(Halt::Gone)
            }
        };
        match put {
            Ok(()) => {}
            Err(Halt::Full) => stop.now(OUTPUT_LIMIT),
            Err(Halt::Gone) => stop.now(DISCONNECT),
        }
        // Reading what is there and cleaning it away waits for nothing: without this, a flood of control
        // sequences would leave no other session a turn.
        tokio::task::yield_now().await;
    }
}

async fn after_end(mut ended: watch::Receiver<bool>, patience: Duration) {
    // A sender that is gone has nothing more to tell: the pipeline has ended as well.
    let _ = ended.wait_for(|ended| *ended).await;
    tokio::time::sleep(patience).await;
}
