//! Notices that a peer is gone, as opposed to having only ended its own side.

use crate::quiet::watched;
use rustix::fd::OwnedFd;
use std::future::pending;
use std::os::fd::AsFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches one connection.
#[derive(Debug)]
pub(crate) struct Hangup {
    watched: Option<AsyncFd<OwnedFd>>,
}

impl Hangup {
    /// Watches `socket` by a descriptor of its own. Registered for urgent data alone, which unix sockets do
    /// not have, so the one thing that the kernel reports is `EPOLLHUP`: both directions are closed.
    pub(crate) fn of(socket: &impl AsFd) -> Self {
        let watched = socket.as_fd().try_clone_to_owned().and_then(|fd| watched(fd, Interest::PRIORITY)).ok();
        Hangup { watched }
    }

    /// Returns when the peer has closed the connection; a peer that only stopped sending is still there.
    pub(crate) async fn wait(&self) {
        match &self.watched {
            Some(watched) => drop(watched.ready(Interest::PRIORITY).await),
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_half_closed_peer_is_still_there_and_a_closed_one_is_gone() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let hangup = Hangup::of(&near);
        far.write_all(b"some bytes that nobody reads").await.unwrap();
        far.shutdown().await.unwrap();
        assert!(timeout(Duration::from_millis(100), hangup.wait()).await.is_err(), "only half closed");
        drop(far);
        hangup.wait().await;
        hangup.wait().await;
    }
}
