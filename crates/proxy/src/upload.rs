//! What a request to the engine carries: bytes that are known, or pieces that are still to come.

use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Pieces that may wait.
const WAITING: usize = 4;

/// A request's body.
#[derive(Debug)]
pub(crate) enum Upload {
    /// Known whole.
    Whole(Full<Bytes>),
    /// To come, until the end is said. Without that the connection breaks off, so that no half is taken for a whole.
    Pieces(mpsc::Receiver<Option<Bytes>>, bool),
}

/// Where the pieces come from.
#[derive(Debug)]
pub(crate) struct Sender(mpsc::Sender<Option<Bytes>>);

impl Upload {
    /// A body that is still to come.
    pub(crate) fn pieces() -> (Sender, Upload) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Sender(sender), Upload::Pieces(receiver, false))
    }
}

impl From<Option<Vec<u8>>> for Upload {
    fn from(bytes: Option<Vec<u8>>) -> Upload {
        Upload::Whole(Full::new(Bytes::from(bytes.unwrap_or_default())))
    }
}

impl Sender {
    /// Sends a piece; whether more is taken.
    pub(crate) async fn send(&self, piece: Bytes) -> bool {
        piece.is_empty() || self.0.send(Some(piece)).await.is_ok()
    }

    /// Says that this is all.
    pub(crate) async fn end(&self) {
        drop(self.0.send(None).await);
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Upload::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Upload::Pieces(_, true) => Poll::Ready(None),
            Upload::Pieces(pieces, ended) => pieces.poll_recv(context).map(|piece| match piece {
                Some(Some(piece)) => Some(Ok(Frame::data(piece))),
                Some(None) => {
                    *ended = true;
                    None
                }
                None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Upload::Whole(body) => body.is_end_stream(),
            Upload::Pieces(_, ended) => *ended,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Upload::Whole(body) => body.size_hint(),
            Upload::Pieces(..) => SizeHint::default(),
        }
    }
}
