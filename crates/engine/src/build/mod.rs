//! Builds. A build is judged twice: its head and query before its context is read, which fixes what is sent as
//! head; and with the Dockerfile, which the context holds, before the engine gets the end of the context.

mod steps;

pub use steps::Steps;

use crate::Decision;
use crate::judged::Judged;
use doorward_policy::{Reason, Refusal};

/// Under which name the engine is sent the Dockerfile that was judged; no context may hold it.
pub const JUDGED_DOCKERFILE: &str = ".doorward-dockerfile";

/// What is to become of a build's context and of its answer.
#[derive(Debug, Clone)]
pub struct Build {
    /// Where in the context the worker's Dockerfile is: a clean, relative path. When it is `Dockerfile` and is
    /// not there, `dockerfile` stands in for it.
    pub dockerfile: String,
    /// The canonical text of the Dockerfile that was judged, to be sent last and as [`JUDGED_DOCKERFILE`];
    /// `None` before it is known.
    pub judged: Option<Vec<u8>>,
    /// The answer goes through it.
    pub steps: Steps,
}

/// `POST /build`. Without a Dockerfile the approval's method, target and headers are what the engine is sent
/// first; with it they are the same again, and [`Build::judged`] is what it is sent last.
pub(crate) fn judge(judged: Judged<'_>) -> Decision {
    let query = &judged.request.call.query;
    let _ = (&judged.request.dockerfile, query.texts("t"), query.object("labels"));
    Decision::Refuse(Refusal::new(Reason::NotYet, "build comes with a later version"))
}
