//! A build's context on its way: read from the worker piece by piece, and what it becomes passed on.

use doorward_engine::ContextReader;
use doorward_policy::{Reason, Refusal};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use std::time::Duration;
use tokio::time::timeout;

/// So many bytes are read at once, as they can become many more when they are unpacked.
const PIECE: usize = 4096;
/// So many are sent at once.
const PARCEL: usize = 64 * 1024;
/// Most that is read of a context that nobody wants, so that its sender comes to read the answer.
const UNWANTED: u64 = 4 << 30;

/// Where a context goes.
pub(crate) trait Sink {
    /// Takes a piece; whether more is wanted.
    fn take(&self, piece: Bytes) -> impl Future<Output = bool> + Send;
}

/// A context that is only looked at.
pub(crate) struct Nowhere;

impl Sink for Nowhere {
    async fn take(&self, _piece: Bytes) -> bool {
        true
    }
}

/// Reads a context to its end, with at most `patience` between its pieces; the worker's Dockerfile. `None` when the
/// sink wants no more.
pub(crate) async fn read(
    body: &mut Option<Incoming>,
    reader: &mut ContextReader,
    patience: Duration,
    sink: &impl Sink,
) -> Result<Option<Vec<u8>>, Refusal> {
    let mut out = Vec::new();
    while let Some(data) = next(body, patience).await? {
        for piece in data.chunks(PIECE) {
            reader.push(piece, &mut out)?;
            if out.len() >= PARCEL && !sink.take(std::mem::take(&mut out).into()).await {
                return Ok(None);
            }
        }
    }
    let dockerfile = reader.end(&mut out)?;
    match out.is_empty() || sink.take(out.into()).await {
        true => Ok(Some(dockerfile)),
        false => Ok(None),
    }
}

/// Reads what nobody wants.
pub(crate) async fn drain(body: &mut Option<Incoming>, patience: Duration) {
    let mut read: u64 = 0;
    while let Ok(Some(data)) = next(body, patience).await {
        read = read.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if read > UNWANTED {
            return;
        }
    }
}

/// The next bytes; `None` when there are no more.
async fn next(body: &mut Option<Incoming>, patience: Duration) -> Result<Option<Bytes>, Refusal> {
    let Some(incoming) = body else { return Ok(None) };
    let bad = |why: String| Refusal::new(Reason::BadRequest, why).path("context");
    match timeout(patience, incoming.frame()).await {
        Err(_) => {
            *body = None;
            Err(bad(format!("nothing more of the context came within {} s", patience.as_secs())))
        }
        Ok(None) => {
            *body = None;
            Ok(None)
        }
        Ok(Some(Err(_))) => {
            *body = None;
            Err(bad("the context ends before its end".to_owned()))
        }
        Ok(Some(Ok(frame))) => {
            frame.into_data().map(Some).map_err(|_| bad("a context with trailers is not taken".to_owned()))
        }
    }
}
