//! Where a built-in word's answer goes: to the line, into the pipe to the next command, or nowhere.

use crate::conversation::Gone;
use crate::delivery::Delivery;
use crate::store::Stream;
use doorward_wire::broker::{Stage, StageErr, StageOut};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::Sender;

/// Bytes given on at one time.
const PIECE: usize = 64 * 1024;

/// A word's stdout and stderr.
pub(crate) struct Voice<'a> {
    delivery: &'a Delivery,
    pipe: Option<Sender>,
    out: Way,
    err: Way,
    /// Longest that the session may take for one piece; `None`: the line's own time ends it.
    patience: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Line(Stream),
    Pipe,
    Nowhere,
}

impl<'a> Voice<'a> {
    /// To the line.
    pub(crate) fn aloud(delivery: &'a Delivery, patience: Duration) -> Self {
        let (out, err) = (Way::Line(Stream::Out), Way::Line(Stream::Err));
        Voice { delivery, pipe: None, out, err, patience: Some(patience) }
    }

    /// As the redirections of `stage` say; `pipe` leads to the next command.
    pub(crate) fn redirected(
        delivery: &'a Delivery,
        stage: &Stage,
        pipe: Option<Sender>,
        patience: Option<Duration>,
    ) -> Self {
        let next = if pipe.is_some() { Way::Pipe } else { Way::Line(Stream::Out) };
        let out = match stage.out {
            StageOut::Next => next,
            StageOut::Null => Way::Nowhere,
        };
        let err = match stage.err {
            StageErr::Line => Way::Line(Stream::Err),
            StageErr::Null => Way::Nowhere,
            StageErr::Next => next,
        };
        // A pipe that nothing is written to ends at once.
        let pipe = pipe.filter(|_| [out, err].contains(&Way::Pipe));
        Voice { delivery, pipe, out, err, patience }
    }

    /// Text that was asked for.
    pub(crate) async fn stdout(&mut self, text: &str) -> Result<(), Gone> {
        self.put(Stream::Out, text.as_bytes().to_vec()).await
    }

    /// A message.
    pub(crate) async fn stderr(&mut self, text: &str) -> Result<(), Gone> {
        self.put(Stream::Err, text.as_bytes().to_vec()).await
    }

    /// Bytes; waits until there is room for them.
    pub(crate) async fn put(&mut self, stream: Stream, bytes: Vec<u8>) -> Result<(), Gone> {
        let way = match stream {
            Stream::Out => self.out,
            Stream::Err => self.err,
        };
        for piece in bytes.chunks(PIECE) {
            match (way, &mut self.pipe) {
                (Way::Line(stream), _) => self.to_line(stream, piece.to_vec()).await?,
                (Way::Pipe, Some(pipe)) => pipe.write_all(piece).await.map_err(|_| Gone)?,
                (Way::Pipe, None) | (Way::Nowhere, _) => {}
            }
        }
        Ok(())
    }

    async fn to_line(&self, stream: Stream, bytes: Vec<u8>) -> Result<(), Gone> {
        let put = self.delivery.put(stream, bytes);
        let Some(patience) = self.patience else { return put.await.map_err(|_| Gone) };
        match tokio::time::timeout(patience, put).await {
            Ok(put) => put.map_err(|_| Gone),
            Err(_) => {
                self.delivery.give_up().await;
                Err(Gone)
            }
        }
    }
}
