//! Builds. A build is judged twice: its head and query before its context is read, which fixes what is sent as
//! head; and with the Dockerfile, which the context holds, before the engine gets the end of the context.

mod head;
mod made;
mod plan;
mod steps;

pub use made::Made;
pub use steps::Steps;

use crate::Decision;
use crate::judged::Judged;
use crate::objects;
use doorward_policy::Verb;

/// Under which name the engine is sent the Dockerfile that was judged; no context may hold it.
pub const JUDGED_DOCKERFILE: &str = ".doorward-dockerfile";

/// What is to become of a build's context and of its answer.
#[derive(Debug, Clone)]
pub struct Build {
    /// Where in the context the worker's Dockerfile is: a clean, relative path. When it is `Dockerfile` and is
    /// not there, `dockerfile` stands in for it.
    pub dockerfile: String,
    /// What of it is known with the Dockerfile.
    pub planned: Option<Planned>,
}

/// What is known of a build with its Dockerfile.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The Dockerfile's text as it was made anew, to be sent last and as [`JUDGED_DOCKERFILE`].
    pub dockerfile: Vec<u8>,
    /// The answer goes through it.
    pub steps: Steps,
    /// What the image must then be.
    pub made: Made,
}

/// `POST /build`. Without a Dockerfile the approval's method, target and headers are what the engine is sent
/// first; with it they are the same again, and [`Planned::dockerfile`] is what it is sent last.
pub(crate) fn judge(judged: Judged<'_>) -> Decision {
    let roles = judged.roles().filter(|role| role.verbs.contains(&Verb::Build));
    let by = |role| {
        let mut approved = head::judge(judged, role)?;
        if let Some(dockerfile) = &judged.request.dockerfile {
            plan::add(judged, role, dockerfile, &mut approved)?;
        }
        Ok(Decision::forward(approved))
    };
    let by = |role| {
        by(role).map_err(|refusal: doorward_policy::Refusal| {
            refusal.rule(crate::approved::rule(role, Verb::Build))
        })
    };
    objects::first_allowing(roles, "no role grants 'build'", by).unwrap_or_else(Decision::Refuse)
}
