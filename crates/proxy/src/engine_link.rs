//! Connections to the engine: a new one for each request that goes there.

use doorward_engine::ApiVersion;
use doorward_policy::{Reason, Refusal};
use http_body_util::{BodyExt, Full};
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
use tokio::time::timeout;

/// Most bytes of an answer that is read whole: far over what a host's largest list is.
const MOST: usize = 64 << 20;

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
    sender: SendRequest<Full<Bytes>>,
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
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|_| EngineError::Gone)?;
        // How the connection ends is seen by whoever waits for its answer.
        let carrier = Carrier(tokio::spawn(async move { drop(connection.with_upgrades().await) }));
        Ok(Upstream { sender, carrier })
    }

    /// Sends a request; the answer's head. The body is then read from it.
    pub(crate) async fn send(
        &mut self,
        head: Builder,
        body: Option<Vec<u8>>,
        patience: Duration,
    ) -> Result<Response<Incoming>, EngineError> {
        let request: Request<Full<Bytes>> = head
            .header(HOST, "docker")
            .header(USER_AGENT, "doorward")
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|_| EngineError::Garbled)?;
        timeout(patience, self.sender.send_request(request))
            .await
            .map_err(|_| EngineError::Slow)?
            .map_err(|error| if error.is_parse() { EngineError::Garbled } else { EngineError::Gone })
    }

    /// A `GET` with its whole answer. Only questions of doorward's own share a connection.
    pub(crate) async fn get(
        &mut self,
        target: &str,
        patience: Duration,
    ) -> Result<(u16, Bytes), EngineError> {
        let answer = self.send(Request::builder().method("GET").uri(target), None, patience).await?;
        let status = answer.status().as_u16();
        Ok((status, read_whole(answer.into_body(), patience).await?))
    }

    /// What must be kept for as long as an answer of this connection is read.
    pub(crate) fn into_carrier(self) -> Carrier {
        self.carrier
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
