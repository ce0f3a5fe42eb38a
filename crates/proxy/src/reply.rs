//! What a worker is sent.

use crate::outcome::Outcome;
use crate::rules::Rules;
use doorward_engine::{ApiVersion, EventFilter, http_status, refusal_body};
use doorward_policy::Refusal;
use http_body_util::Full;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SERVER, UPGRADE};
use hyper::{Response, StatusCode};
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The answer to one request.
pub(crate) type Reply = Response<ReplyBody>;

/// The engine's headers that are passed on; all others stay here.
const PASSED: [&str; 2] = ["content-type", "ostype"];

/// A body on its way to a worker.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// Known whole.
    Whole(Full<Bytes>),
    /// Passed on from the engine as it comes; only as fast as the worker reads.
    Stream(Box<Passing>),
    /// Given piece by piece by who passes it on.
    Pieces(mpsc::Receiver<Bytes>),
}

/// An engine's body that passes through, and what is kept as long as it does.
#[derive(Debug)]
pub(crate) struct Passing {
    /// The engine's body.
    pub(crate) body: Incoming,
    /// Told when it ends, or when the worker is gone.
    pub(crate) outcome: Outcome,
    /// What of it goes on; all when there is none.
    pub(crate) sieve: Option<Sieve>,
    /// Ended with it: the connection to the engine, the worker's permit.
    pub(crate) _held: Box<dyn Held>,
}

/// Events, each judged by itself as it comes.
#[derive(Debug)]
pub(crate) struct Sieve {
    /// What is let through.
    pub(crate) filter: EventFilter,
    /// By which policy.
    pub(crate) rules: Arc<Rules>,
    /// To whom.
    pub(crate) worker: String,
}

impl Sieve {
    fn push(&mut self, data: &[u8]) -> Bytes {
        self.filter.push(data, &self.rules.policy, &self.worker).into()
    }
}

/// Something that is only kept alive.
pub(crate) trait Held: Send + std::fmt::Debug {}
impl<T: Send + std::fmt::Debug> Held for T {}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            ReplyBody::Whole(body) => Pin::new(body)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            ReplyBody::Stream(passing) => passing.poll(context),
            ReplyBody::Pieces(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ReplyBody::Whole(body) => body.is_end_stream(),
            ReplyBody::Stream(_) | ReplyBody::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole(body) => body.size_hint(),
            ReplyBody::Stream(_) | ReplyBody::Pieces(_) => SizeHint::default(),
        }
    }
}

impl Passing {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
                return Poll::Pending;
            };
            match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let data = match &mut self.sieve {
                            Some(sieve) => sieve.push(&data),
                            None => data,
                        };
                        if !data.is_empty() {
                            self.outcome.add(data.len());
                            return Poll::Ready(Some(Ok(Frame::data(data))));
                        }
                    }
                    // Trailers are headers that nobody asked for.
                    Err(_trailers) => {}
                },
                Some(Err(error)) => {
                    self.outcome.fail("the engine broke off", true);
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    self.outcome.end();
                    return Poll::Ready(None);
                }
            }
        }
    }
}

/// An answer whose body is known.
pub(crate) fn whole(status: u16, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(Full::new(body.into())));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    reply.headers_mut().insert(SERVER, HeaderValue::from_static("doorward"));
    reply
}

/// An answer that passes through.
pub(crate) fn stream(status: u16, passing: Passing) -> Reply {
    whole(status, Bytes::new()).map(|_| ReplyBody::Stream(Box::new(passing)))
}

/// A JSON answer.
pub(crate) fn json(status: u16, body: &Value) -> Reply {
    let mut reply = whole(status, body.to_string());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// A refusal, as the docker CLI prints it and as programs read it.
pub(crate) fn refused(refusal: &Refusal) -> Reply {
    json(http_status(refusal), &refusal_body(refusal))
}

/// `101`: from here on the connection is a raw stream.
pub(crate) fn upgraded(engine: &HeaderMap) -> Reply {
    let mut reply = whole(101, Bytes::new());
    let headers = reply.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("tcp"));
    if let Some(kind) = engine.get(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, kind.clone());
    }
    reply
}

/// Says to clients, which ask by a ping, to build with the classic builder: BuildKit is refused.
pub(crate) fn keep_from_buildkit(reply: &mut Reply) {
    reply.headers_mut().insert(HeaderName::from_static("builder-version"), HeaderValue::from_static("1"));
}

/// Adds what of the engine's headers a worker may see. The newest version is the one that the worker may
/// speak, and nothing here is experimental.
pub(crate) fn pass_headers(reply: &mut Reply, engine: &HeaderMap, ceiling: ApiVersion) {
    let headers = reply.headers_mut();
    for name in PASSED {
        if let Some(value) = engine.get(name) {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
    }
    if let Ok(version) = HeaderValue::from_str(&ceiling.to_string()) {
        headers.insert(HeaderName::from_static("api-version"), version);
    }
    headers.insert(HeaderName::from_static("docker-experimental"), HeaderValue::from_static("false"));
}
