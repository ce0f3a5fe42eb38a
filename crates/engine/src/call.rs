//! From a request's bytes to a typed request.

use crate::dockerfile::Dockerfile;
use crate::kind::Kind;
use crate::query::Query;
use crate::update::UPDATE;
use crate::{Access, Act, ApiVersion, Body, Endpoint, Travel, fields, json, table, uri};
use doorward_policy::{Reason, Refusal};
use serde_json::Value;

/// Longest target that is read, in bytes.
const MAX_TARGET: usize = 20 * 1024;

/// A head that made sense: an endpoint, its path parameters and its query.
#[derive(Debug)]
pub struct Call {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) version: ApiVersion,
    /// What stands in the template's braces, in order.
    pub(crate) params: Vec<String>,
    pub(crate) query: Query,
    /// Whether `Upgrade: tcp` was asked for.
    pub(crate) upgrade: bool,
}

/// A whole typed request.
#[derive(Debug)]
pub struct Request {
    pub(crate) call: Call,
    pub(crate) body: Option<Value>,
    /// Of a build whose context was read.
    pub(crate) dockerfile: Option<Dockerfile>,
}

/// Reads a request's head. `target` is the request line's second word as it came (path and query);
/// `ceiling` is the newest version to speak: [`ApiVersion::NEWEST`] or the engine's own, whichever is less.
///
/// # Errors
/// Anything that is not exactly an endpoint of the table that may be used.
pub fn read_head(
    method: &str,
    target: &str,
    headers: &[(String, Vec<u8>)],
    ceiling: ApiVersion,
) -> Result<Call, Refusal> {
    if target.len() > MAX_TARGET {
        return Err(Refusal::new(Reason::TooLarge, "the request's target is too long"));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = uri::decode(path, false)?;
    let (version, path) = split_version(&path, ceiling)?;
    // The one path with a trailing slash that engines route by itself.
    if !uri::is_clean(path) && path != "/networks/" {
        return Err(no_endpoint());
    }
    let (endpoint, params) = table::find(method, path).ok_or_else(no_endpoint)?;
    if let Access::Refused { reason, message, nearest } = endpoint.access {
        let refusal = Refusal::new(reason, message);
        return Err(if nearest.is_empty() { refusal } else { refusal.nearest(nearest) });
    }
    let upgrade = read_headers(endpoint, headers)?;
    let query = Query::read(query, endpoint.query)?;
    Ok(Call { endpoint, version, params, query, upgrade })
}

impl Call {
    /// The row of the table.
    pub fn endpoint(&self) -> &'static Endpoint {
        self.endpoint
    }

    /// The version that the request is judged as and sent on with.
    pub fn version(&self) -> ApiVersion {
        self.version
    }

    /// Most bytes of body to read; `None`: no body may come, and [`Call::with_body`] wants no bytes.
    pub fn body_limit(&self) -> Option<usize> {
        match self.endpoint.body {
            Body::None | Body::Context => None,
            Body::Json(most) => Some(most),
        }
    }

    /// Adds the body. `content_type` is the header's value, when there was one. A build's context is none: it
    /// is read apart, and its Dockerfile added by [`Request::with_dockerfile`].
    ///
    /// # Errors
    /// A body where none is expected, another type than JSON, and whatever the field table does not know.
    pub fn with_body(self, content_type: Option<&[u8]>, bytes: &[u8]) -> Result<Request, Refusal> {
        let Some(most) = self.body_limit() else {
            return match bytes {
                [] if self.endpoint.body == Body::Context && !content_type.is_none_or(is_archive) => {
                    Err(Refusal::new(Reason::BadRequest, "a build's context is a tar archive")
                        .path("Content-Type")
                        .nearest("Content-Type: application/x-tar"))
                }
                [] => Ok(Request { call: self, body: None, dockerfile: None }),
                _ => Err(Refusal::new(Reason::BadRequest, "no body may come with this request")),
            };
        };
        if bytes.len() > most {
            return Err(Refusal::new(Reason::TooLarge, format!("the body is longer than {most} bytes")));
        }
        if !content_type.is_some_and(is_json) {
            return Err(Refusal::new(Reason::BadRequest, "the body must be JSON")
                .path("Content-Type")
                .nearest("Content-Type: application/json"));
        }
        let value = json::read(bytes)?;
        let body = body_kind(self.endpoint.act).read(value, "")?;
        Ok(Request { call: self, body: Some(body), dockerfile: None })
    }
}

impl Request {
    /// The row of the table.
    pub fn endpoint(&self) -> &'static Endpoint {
        self.call.endpoint
    }

    /// The version that the request is judged as and sent on with; lookups are made with it too.
    pub fn version(&self) -> ApiVersion {
        self.call.version
    }

    /// Adds the Dockerfile that a build's context holds; what is judged before has none.
    ///
    /// # Errors
    /// Whatever is not in the subset that can be judged.
    pub fn with_dockerfile(self, bytes: &[u8]) -> Result<Request, Refusal> {
        Ok(Request { dockerfile: Some(Dockerfile::read(bytes)?), ..self })
    }

    /// The body, for what cannot be judged without one.
    pub(crate) fn needed_body(&self) -> Result<&Value, Refusal> {
        self.body.as_ref().ok_or_else(|| Refusal::new(Reason::BadRequest, "a body is needed"))
    }

    /// The path's first parameter.
    pub(crate) fn named(&self) -> &str {
        self.call.params.first().map(String::as_str).unwrap_or_default()
    }
}

fn body_kind(act: Act) -> Kind {
    Kind::Object(match act {
        Act::ContainerCreate => fields::CREATE,
        Act::NetworkCreate => fields::NETWORK_CREATE,
        Act::NetworkConnect => fields::NETWORK_CONNECT,
        Act::NetworkDisconnect => fields::NETWORK_DISCONNECT,
        Act::VolumeCreate => fields::VOLUME_CREATE,
        Act::ContainerUpdate => UPDATE,
        Act::ExecCreate => fields::EXEC_CREATE,
        Act::ExecStart => fields::EXEC_START,
        _ => &[],
    })
}

fn no_endpoint() -> Refusal {
    Refusal::new(Reason::EndpointRefused, "the Engine API has no such endpoint, or not in this spelling")
}

/// Takes the version off a decoded path. What begins like a version must be one, spelt plainly.
fn split_version(path: &str, ceiling: ApiVersion) -> Result<(ApiVersion, &str), Refusal> {
    let ceiling = ceiling.min(ApiVersion::NEWEST);
    let looks = |word: &str| {
        word.strip_prefix(['v', 'V'])
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'))
    };
    let Some(rest) = path.strip_prefix('/') else { return Err(no_endpoint()) };
    let (word, rest) = match rest.find('/').and_then(|at| rest.split_at_checked(at)) {
        Some((word, rest)) if looks(word) => (word, rest),
        _ => return Ok((ceiling, path)),
    };
    let version = word.strip_prefix('v').and_then(ApiVersion::parse);
    match version {
        Some(version) if version >= ApiVersion::OLDEST && version <= ceiling => Ok((version, rest)),
        _ => Err(Refusal::new(Reason::BadRequest, "this API version is not spoken here").nearest(format!(
            "v{} to v{}",
            ApiVersion::OLDEST,
            ceiling
        ))),
    }
}

/// Headers that mean something to a proxy or a server are typed; the others are never sent on. Says whether
/// `Upgrade: tcp` was asked for.
fn read_headers(endpoint: &Endpoint, headers: &[(String, Vec<u8>)]) -> Result<bool, Refusal> {
    const ONCE: [&str; 7] = [
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "transfer-encoding",
        "upgrade",
    ];
    let mut upgrade = false;
    let mut seen = Vec::new();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let value = std::str::from_utf8(value).unwrap_or("\u{fffd}").trim().to_ascii_lowercase();
        let bad = |why: &str| Err(Refusal::new(Reason::BadRequest, why).path(name.clone()));
        if ONCE.contains(&name.as_str()) {
            if seen.contains(&name) {
                return bad("a header is given twice");
            }
            seen.push(name.clone());
        }
        match (name.as_str(), value.as_str()) {
            ("upgrade", "tcp") if endpoint.travel == Travel::Hijack => upgrade = true,
            ("upgrade", _) => return bad("this connection cannot be upgraded here"),
            ("content-encoding", "gzip") if endpoint.body == Body::Context => {}
            ("http2-settings" | "trailer" | "content-encoding", _) => {
                return bad("this header is not allowed");
            }
            ("transfer-encoding", "chunked") | ("expect", "100-continue") => {}
            ("transfer-encoding" | "expect", _) => return bad("this header's value is not allowed"),
            ("content-type", form)
                if form.starts_with("application/x-www-form") || form.starts_with("multipart/") =>
            {
                return bad("forms are not read here");
            }
            _ => {}
        }
    }
    if seen.iter().any(|name| name == "content-length") && seen.iter().any(|name| name == "transfer-encoding")
    {
        return Err(Refusal::new(Reason::BadRequest, "a body has either a length or chunks"));
    }
    Ok(upgrade)
}

/// `application/json` in any case, alone or with `charset=utf-8`.
fn is_json(content_type: &[u8]) -> bool {
    let text = std::str::from_utf8(content_type).unwrap_or_default().to_ascii_lowercase();
    let (kind, parameter) = text.split_once(';').unwrap_or((&text, ""));
    kind.trim() == "application/json"
        && matches!(parameter.trim(), "" | "charset=utf-8" | "charset=\"utf-8\"")
}

/// How clients name an archive. Engines go by its first bytes alone.
fn is_archive(content_type: &[u8]) -> bool {
    const ARCHIVES: [&str; 5] = [
        "application/x-tar",
        "application/tar",
        "application/octet-stream",
        "application/gzip",
        "application/x-gzip",
    ];
    let text = std::str::from_utf8(content_type).unwrap_or_default().to_ascii_lowercase();
    ARCHIVES.contains(&text.trim())
}
