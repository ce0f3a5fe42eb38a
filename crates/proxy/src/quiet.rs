//! A unix socket that wakes its task only for what comes in. A stream of tokio's also asks the kernel to be told
//! whenever the peer has read something: for each request two wake-ups with nothing to do.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as Socket;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;

/// Most bytes of one read.
const PIECE: usize = 32 * 1024;

/// A connected stream.
#[derive(Debug)]
pub(crate) struct Quiet {
    socket: AsyncFd<Socket>,
    /// Present once the peer has been slower than what is sent to it.
    room: Option<AsyncFd<OwnedFd>>,
}

/// Asks the kernel to be told of `interest`, and what it tells anyway.
#[allow(
    deprecated,
    reason = "only for types whose descriptor could change, and owned ones have one for life; the other constructor is unsafe"
)]
pub(crate) fn watched<T: AsRawFd>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(fd, interest)
}

impl Quiet {
    /// Of a socket that does not block.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Quiet> {
        Ok(Quiet { socket: watched(Socket::from(socket), Interest::READABLE)?, room: None })
    }

    /// Its descriptor, to be looked at.
    pub(crate) fn socket(&self) -> &Socket {
        self.socket.get_ref()
    }

    /// An ordinary stream again.
    pub(crate) fn into_stream(self) -> io::Result<UnixStream> {
        UnixStream::from_std(self.socket.into_inner())
    }

    /// Writes as much as there is room for, or is woken when there is some.
    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        send: impl Fn(&mut &Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.socket.get_ref();
        let room = match &mut self.room {
            Some(room) => room,
            none => match send(&mut socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    none.insert(watched(socket.as_fd().try_clone_to_owned()?, Interest::WRITABLE)?)
                }
                sent => return Poll::Ready(sent),
            },
        };
        loop {
            let mut guard = ready!(room.poll_write_ready(context))?;
            if let Ok(sent) = guard.try_io(|_| send(&mut socket)) {
                return Poll::Ready(sent);
            }
        }
    }
}

impl AsyncRead for Quiet {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let quiet = self.get_mut();
        let most = into.remaining().min(PIECE);
        loop {
            let mut guard = ready!(quiet.socket.poll_read_ready(context))?;
            let space = into.initialize_unfilled_to(most);
            let Ok(read) = guard.try_io(|socket| socket.get_ref().read(space)) else { continue };
            let length = read?;
            if (1..most).contains(&length) {
                // There was no more; what comes now is told anew.
                guard.clear_ready();
            }
            into.advance(length);
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for Quiet {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(context, |socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(context, |socket| socket.write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    fn pair() -> (Quiet, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        (Quiet::new(near.into_std().unwrap().into()).unwrap(), far)
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_until_the_peer_has_read() {
        let (mut near, mut far) = pair();
        let sent = vec![7; 4 << 20];
        let sending = tokio::spawn(async move {
            near.write_all(&sent).await.unwrap();
            near.shutdown().await.unwrap();
            near
        });
        tokio::task::yield_now().await;
        let mut got = Vec::new();
        far.read_to_end(&mut got).await.unwrap();
        assert_eq!((got.len(), got.iter().all(|byte| *byte == 7)), (4 << 20, true));
        drop(sending.await.unwrap());
    }

    #[tokio::test]
    async fn bytes_and_the_end_are_read_as_they_come() {
        let (mut near, mut far) = pair();
        let reading = tokio::spawn(async move {
            let mut got = Vec::new();
            near.read_to_end(&mut got).await.unwrap();
            got
        });
        for _ in 0..200 {
            far.write_all(&[1; 999]).await.unwrap();
            tokio::task::yield_now().await;
        }
        drop(far);
        assert_eq!(reading.await.unwrap().len(), 200 * 999);
    }

    #[tokio::test]
    async fn as_an_ordinary_stream_it_goes_on_both_ways() {
        let (mut near, mut far) = pair();
        far.write_all(b"early").await.unwrap();
        let mut early = [0; 2];
        near.read_exact(&mut early).await.unwrap();
        let mut plain = near.into_stream().unwrap();
        let mut rest = [0; 3];
        plain.read_exact(&mut rest).await.unwrap();
        assert_eq!((&early, &rest), (b"ea", b"rly"));
        plain.write_all(b"late").await.unwrap();
        let mut late = [0; 4];
        far.read_exact(&mut late).await.unwrap();
        assert_eq!(&late, b"late");
    }
}
