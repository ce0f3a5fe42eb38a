//! Connections to the engine: one for each request that goes there; what only looks may take one that an
//! earlier request of the same worker has left whole.

use crate::quiet::Quiet;
use crate::upload::Upload;
use doorward_engine::ApiVersion;
use doorward_policy::{Reason, Refusal};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// Most bytes of an answer that is read whole: far over what a host's largest list is.
const MOST: usize = 64 << 20;
/// Most spare connections of a worker.
const SPARES: usize = 4;
/// Longest that one is kept unused.
const REST: Duration = Duration::from_secs(60);

/// Why the engine gave no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineError {
    /// It does not listen, or closed without an answer.
    Gone,
    /// It took too long.
    Slow,
    /// Its answer is over the bound.
    Endless,
    /// Its answer is not what the Engine API says.
    Garbled,
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Refusal {
        let message = match error {
            EngineError::Gone => "the Docker Engine does not answer; its operator must start it",
            EngineError::Slow => "the Docker Engine took too long to answer",
            EngineError::Endless => "the Docker Engine's answer is too long to be checked",
            EngineError::Garbled => "the Docker Engine's answer cannot be read",
        };
        Refusal::new(Reason::EngineUnavailable, message)
    }
}

/// One connection to the engine; closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    socket: String,
    sender: SendRequest<Upload>,
    carrier: Carrier,
}

/// The task that moves a connection's bytes; ended with this, and the connection with it.
#[derive(Debug)]
pub(crate) struct Carrier(JoinHandle<()>);

impl Drop for Carrier {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where the engine is, and which versions it speaks.
#[derive(Debug, Default)]
pub(crate) struct EngineLink {
    /// The newest version that both the engine and the tables know; asked anew after the engine was gone.
    ceiling: Mutex<Option<ApiVersion>>,
}

impl EngineLink {
    /// The newest version that may be spoken.
    ///
    /// # Errors
    /// When the engine is not there or speaks none that the tables know.
    pub(crate) async fn ceiling(&self, socket: &str, patience: Duration) -> Result<ApiVersion, Refusal> {
        let known = *self.lock();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut upstream = Upstream::connect(socket).await?;
        let (status, body) = upstream.get("/version", patience).await?;
        let said = serde_json::from_slice::<Value>(&body).ok().filter(|_| status == 200);
        let version = said
            .as_ref()
            .and_then(|said| said.get("ApiVersion"))
            .and_then(Value::as_str)
            .and_then(ApiVersion::parse)
            .ok_or(EngineError::Garbled)?;
        if version < ApiVersion::OLDEST {
            let message = format!("the Docker Engine speaks API {version}; {} is needed", ApiVersion::OLDEST);
            return Err(Refusal::new(Reason::EngineUnavailable, message));
        }
        let ceiling = version.min(ApiVersion::NEWEST);
        *self.lock() = Some(ceiling);
        Ok(ceiling)
    }

    /// To be called with every answer: an engine that says another version than the known one is another
    /// engine, and is asked again before the next request.
    pub(crate) fn notice<B>(&self, answer: &Response<B>) {
        let said = answer.headers().get("api-version").and_then(|value| value.to_str().ok());
        if let Some(said) = said.and_then(ApiVersion::parse) {
            let mut known = self.lock();
            if known.is_some_and(|known| known != said.min(ApiVersion::NEWEST)) {
                *known = None;
            }
        }
    }

    /// To be called when the engine was not there: what is known of it may no longer hold.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<ApiVersion>> {
        self.ceiling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstream {
    /// Connects to the engine's socket.
    pub(crate) async fn connect(socket: &str) -> Result<Upstream, EngineError> {
        let stream = UnixStream::connect(PathBuf::from(socket)).await.map_err(|_| EngineError::Gone)?;
        let quiet = stream.into_std().and_then(|socket| Quiet::new(socket.into()));
        let quiet = quiet.map_err(|_| EngineError::Gone)?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(quiet)).await.map_err(|_| EngineError::Gone)?;
        // How the connection ends is seen by whoever waits for its answer.
        let carrier = Carrier(tokio::spawn(async move { drop(connection.with_upgrades().await) }));
        Ok(Upstream { socket: socket.to_owned(), sender, carrier })
    }

    /// Sends a request; the answer's head. The body is then read from it.
    pub(crate) async fn send(
        &mut self,
        head: Builder,
        body: Upload,
        patience: Duration,
    ) -> Result<Response<Incoming>, EngineError> {
        let request: Request<Upload> = head
            .header(HOST, "docker")
            .header(USER_AGENT, "doorward")
            .body(body)
            .map_err(|_| EngineError::Garbled)?;
        let answered = async {
            self.sender.ready().await?;
            self.sender.send_request(request).await
        };
        let answered = timeout(patience, answered).await.map_err(|_| EngineError::Slow)?;
        answered.map_err(|error| if error.is_parse() { EngineError::Garbled } else { EngineError::Gone })
    }

    /// A `GET` with its whole answer.
    pub(crate) async fn get(
        &mut self,
        target: &str,
        patience: Duration,
    ) -> Result<(u16, Bytes), EngineError> {
        let answer = self.send(Request::builder().method("GET").uri(target), None.into(), patience).await?;
        let status = answer.status().as_u16();
        Ok((status, read_whole(answer.into_body(), patience).await?))
    }

    /// What must be kept for as long as an answer of this connection is read.
    pub(crate) fn into_carrier(self) -> Carrier {
        self.carrier
    }
}

/// A worker's connections to the engine whose last answer was read whole. Never another worker's, never for
/// what changes something, and never after bytes that nobody asked for: such a connection is closed.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<Vec<(Upstream, Instant)>>);

impl Spares {
    /// One that is still open.
    pub(crate) fn take(&self, socket: &str) -> Option<Upstream> {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((spare, since)) = spares.pop() {
            if !spare.sender.is_closed() && spare.socket == socket && since.elapsed() < REST {
                return Some(spare);
            }
        }
        None
    }

    /// Keeps one whose answer was read whole.
    pub(crate) fn keep(&self, upstream: Upstream) {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARES && !upstream.sender.is_closed() {
            spares.push((upstream, Instant::now()));
        }
    }

    /// A `GET` with its whole answer, on a spare connection or a new one.
    pub(crate) async fn get(
        &self,
        socket: &str,
        target: &str,
        patience: Duration,
    ) -> Result<(u16, Bytes), EngineError> {
        if let Some(mut spare) = self.take(socket) {
            match spare.get(target, patience).await {
                Ok(answer) => {
                    self.keep(spare);
                    return Ok(answer);
                }
                // The engine has closed it meanwhile.
                Err(EngineError::Gone) => {}
                Err(error) => return Err(error),
            }
        }
        let mut upstream = Upstream::connect(socket).await?;
        let answer = upstream.get(target, patience).await?;
        self.keep(upstream);
        Ok(answer)
    }
}

/// Reads an answer's body, at most [`MOST`] bytes of it and no longer than `patience`.
pub(crate) async fn read_whole(mut body: Incoming, patience: Duration) -> Result<Bytes, EngineError> {
    let read = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| EngineError::Gone)?;
            if let Some(data) = frame.data_ref() {
                if bytes.len().saturating_add(data.len()) > MOST {
                    return Err(EngineError::Endless);
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(Bytes::from(bytes))
    };
    timeout(patience, read).await.map_err(|_| EngineError::Slow)?
}
