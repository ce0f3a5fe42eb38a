//! The session's stdin: one pipe for a line, made when a command first reads it and shared by all that do,
//! as a shell's is. Bytes wait in the pipe and at the session, never here.

use crate::conversation::Inlet;
use crate::delivery::Delivery;
use doorward_wire::session::{FromSession, ToSession};
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::net::unix::pipe::Sender;

/// How often a session that is not read from is looked at, since its end is behind what it has sent.
const LOOK: Duration = Duration::from_millis(100);

/// The pipe between a session's stdin and the commands of its line.
#[derive(Debug, Default)]
pub(crate) struct Stdin {
    reader: RefCell<Option<OwnedFd>>,
    writer: RefCell<Option<Sender>>,
    asked: Cell<bool>,
}

impl Stdin {
    /// A read end for a command. The session is asked for its stdin when this is the first.
    pub(crate) async fn reader(&self, delivery: &Delivery) -> io::Result<OwnedFd> {
        if !self.asked.replace(true) {
            let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            self.reader.replace(Some(reader));
            self.writer.replace(Some(Sender::from_owned_fd(writer)?));
            // A session that is gone is noticed where its frames are read.
            let _ = delivery.tell(&ToSession::Feed).await;
        }
        match &*self.reader.borrow() {
            Some(reader) => reader.try_clone(),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// No other command will read: once those that do have ended, what still comes is thrown away.
    pub(crate) fn no_more_readers(&self) {
        self.reader.take();
    }

    /// Carries what the session sends into the pipe, and comes back when the session is gone, or says what it
    /// was not asked for.
    pub(crate) async fn carry(&self, inlet: &mut Inlet) {
        loop {
            match inlet.next_fed().await {
                Some(FromSession::Stdin(bytes)) if self.asked.get() => {
                    if !self.put(&bytes, inlet).await {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    /// Reads what a session sends and throws it away, counting it in `count`; whether it came to its end
    /// within `most` bytes.
    pub(crate) async fn discard(inlet: &mut Inlet, most: u64, count: &Cell<u64>) -> bool {
        while count.get() <= most {
            match inlet.next_fed().await {
                Some(FromSession::Stdin(bytes)) if bytes.is_empty() => return true,
                Some(FromSession::Stdin(bytes)) => {
                    let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    count.set(count.get().saturating_add(more));
                }
                _ => return false,
            }
        }
        false
    }

    /// Whether the session is still there.
    async fn put(&self, bytes: &[u8], inlet: &Inlet) -> bool {
        let Some(mut writer) = self.writer.take() else { return true };
        if bytes.is_empty() {
            return true;
        }
        let written = tokio::select! {
            written = tokio::io::AsyncWriteExt::write_all(&mut writer, bytes) => written.is_ok(),
            () = gone(inlet) => return false,
        };
        if written {
            self.writer.replace(Some(writer));
        }
        true
    }
}

/// Comes back when the session has hung up, though what it has sent is not read.
async fn gone(inlet: &Inlet) {
    while !inlet.is_closed().await {
        tokio::time::sleep(LOOK).await;
    }
}
