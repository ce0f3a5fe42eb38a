//! From a request's bytes to a typed request.

use crate::{ApiVersion, Decision, Endpoint, Facts, Lookup};
use doorward_policy::{Policy, Reason, Refusal};

/// A head that made sense: an endpoint, its path parameters and its query.
#[derive(Debug)]
pub struct Call {
    endpoint: &'static Endpoint,
}

/// A whole typed request.
#[derive(Debug)]
pub struct Request {
    call: Call,
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
    let _ = (method, target, headers, ceiling);
    Err(Refusal::new(Reason::NotYet, "not built"))
}

impl Call {
    /// The row of the table.
    pub fn endpoint(&self) -> &'static Endpoint {
        self.endpoint
    }

    /// The version that the request is judged as and sent on with.
    pub fn version(&self) -> ApiVersion {
        ApiVersion::NEWEST
    }

    /// Most bytes of body to read; `None`: no body may come, and [`Call::with_body`] wants no bytes.
    pub fn body_limit(&self) -> Option<usize> {
        None
    }

    /// Adds the body. `content_type` is the header's value, when there was one.
    ///
    /// # Errors
    /// A body where none is expected, another type than JSON, and whatever the field table does not know.
    pub fn with_body(self, content_type: Option<&[u8]>, bytes: &[u8]) -> Result<Request, Refusal> {
        let _ = (content_type, bytes);
        Ok(Request { call: self })
    }
}

impl Request {
    /// The row of the table.
    pub fn endpoint(&self) -> &'static Endpoint {
        self.call.endpoint
    }

    /// The version that the request is judged as and sent on with; lookups are made with it too.
    pub fn version(&self) -> ApiVersion {
        self.call.version()
    }

    /// What must be known before [`judge`]; to be asked again after each answer, until it is empty.
    pub fn needs(&self, facts: &Facts) -> Vec<Lookup> {
        let _ = facts;
        Vec::new()
    }
}

impl Lookup {
    /// The target of the `GET` that answers it: path with version and query, percent-encoded. A 404 is the
    /// fact `None`; any other error status means that the engine is not available.
    pub fn target(&self, version: ApiVersion, worker: &str) -> String {
        let _ = (version, worker);
        String::new()
    }
}

/// Decides on a request of `worker`. Total: whatever is missing in `facts` or `policy` is refused.
pub fn judge(request: &Request, facts: &Facts, policy: &Policy, worker: &str) -> Decision {
    let _ = (request, facts, policy, worker);
    Decision::Refuse(Refusal::new(Reason::NotYet, "not built"))
}
