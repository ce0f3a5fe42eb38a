//! A worker's request as bytes: its head and its bounded body.

use doorward_policy::{Reason, Refusal};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::{Request, Version};
use std::time::Duration;
use tokio::time::timeout;

/// The headers as the engine room reads them: names in lower case, values as bytes.
pub(crate) fn headers<B>(request: &Request<B>) -> Vec<(String, Vec<u8>)> {
    request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect()
}

/// What the engine's own reader refuses and this one's library does not: HTTP/1.1 without a host.
///
/// # Errors
/// When there is none.
pub(crate) fn host<B>(request: &Request<B>) -> Result<(), Refusal> {
    if request.version() == Version::HTTP_11 && !request.headers().contains_key(HOST) {
        let refusal = Refusal::new(Reason::BadRequest, "HTTP/1.1 wants a Host");
        return Err(refusal.path("host").nearest("Host: docker"));
    }
    Ok(())
}

/// Whether the worker would take a `101`. What it gets is decided by the engine's answer.
pub(crate) fn offers_upgrade<B>(request: &Request<B>) -> bool {
    let connection = request.headers().get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    request.headers().contains_key(UPGRADE)
        && connection
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
}

/// Reads a body of at most `limit` bytes within `patience`. Where no body may come, `None`, its first bytes
/// are enough: they are a refusal.
pub(crate) async fn body(
    mut body: Incoming,
    limit: Option<usize>,
    patience: Duration,
) -> Result<Bytes, Refusal> {
    let read = async {
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|_| Refusal::new(Reason::BadRequest, "the body ends before its end"))?;
            let Ok(data) = frame.into_data() else {
                return Err(Refusal::new(Reason::BadRequest, "a body with trailers is not taken"));
            };
            bytes.extend_from_slice(&data);
            match limit {
                None if !bytes.is_empty() => return Ok(bytes),
                Some(limit) if bytes.len() > limit => {
                    let message = format!("the body is over {limit} bytes");
                    return Err(
                        Refusal::new(Reason::TooLarge, message).nearest(format!("up to {limit} bytes"))
                    );
                }
                _ => {}
            }
        }
        Ok(bytes)
    };
    match timeout(patience, read).await {
        Ok(read) => read.map(Bytes::from),
        Err(_) => {
            let message = format!("the body did not come within {} s", patience.as_secs());
            Err(Refusal::new(Reason::BadRequest, message))
        }
    }
}
