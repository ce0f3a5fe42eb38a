//! A worker's request with what it is judged by.

use crate::approved::{approve, rule};
use crate::objects::{self, Denied, Object, Standing};
use crate::rules::compose_projects;
use crate::rules::{Mode, Wish};
use crate::{Approved, Decision, Facts, Request};
use doorward_policy::{DockerRole, Policy, Reason, Refusal, Verb};
use serde_json::Value;

/// Everything that a judgement may look at.
#[derive(Clone, Copy)]
pub(crate) struct Judged<'a> {
    pub(crate) request: &'a Request,
    pub(crate) facts: &'a Facts,
    pub(crate) policy: &'a Policy,
    pub(crate) worker: &'a str,
}

impl<'a> Judged<'a> {
    /// The worker's roles.
    pub(crate) fn roles(&self) -> impl Iterator<Item = &'a DockerRole> + use<'a> {
        objects::roles(self.policy, self.worker)
    }

    /// Whose an object with these labels is.
    pub(crate) fn standing(&self, labels: Option<&Value>) -> Standing {
        Standing::of(labels, self.worker)
    }

    /// Whose a container is.
    pub(crate) fn container(&self, found: &Value) -> Standing {
        Standing::of_container(found, self.worker)
    }

    /// The role and verb by which the request's endpoint may be used; `None`: on no object in particular.
    pub(crate) fn granted(&self, object: Option<Object<'_>>) -> Result<(&'a DockerRole, Verb), Denied> {
        objects::granted(self.policy, self.worker, self.request.endpoint(), object)
    }

    /// An approval by a verb of a role's.
    pub(crate) fn approve(&self, role: &DockerRole, verb: Verb) -> Approved {
        approve(self.request, self.policy, &rule(role, verb), verb)
    }

    /// A path of the engine's under the request's version, with its query made anew.
    pub(crate) fn target(&self, path: &str) -> String {
        format!("/v{}{path}{}", self.request.version(), self.request.call.query.render(&[]))
    }

    /// What one role judges a new thing by.
    pub(crate) fn wish(&self, role: &'a DockerRole, body: &'a Value) -> Wish<'a> {
        let Judged { request, facts, policy, worker } = *self;
        Wish { role, policy, worker, facts, version: request.version(), mode: Mode::New, body, image: None }
    }

    /// The verb by which a role makes or joins something with these labels: `compose` for what is of one of its
    /// projects, `run` for all else.
    pub(crate) fn making(&self, role: &DockerRole, labels: Option<&Value>) -> Result<Verb, Refusal> {
        match objects::project(labels) {
            Some(project) if role.has_project(project) => Ok(Verb::Compose),
            _ if role.verbs.contains(&Verb::Run) => Ok(Verb::Run),
            project => {
                let message = match project {
                    Some(_) => "this project is not in the role's projects",
                    None => "this role makes what belongs to its compose projects, and nothing else",
                };
                let refusal = Refusal::new(Reason::VerbNotAllowed, message).path("Labels");
                Err(refusal.nearest(compose_projects(role)))
            }
        }
    }

    /// What the first role that makes containers and allows it makes of the request.
    pub(crate) fn by_first_role(
        &self,
        judge: impl Fn(&'a DockerRole) -> Result<Decision, Refusal>,
    ) -> Decision {
        self.by_first_of(self.roles(), judge)
    }

    /// The same of some roles.
    pub(crate) fn by_first_of(
        &self,
        roles: impl Iterator<Item = &'a DockerRole>,
        judge: impl Fn(&'a DockerRole) -> Result<Decision, Refusal>,
    ) -> Decision {
        let roles = roles.filter(|role| role.makes_containers());
        let judged = |role: &'a DockerRole| {
            judge(role).map_err(|refusal| refusal.rule(format!("{}.docker", role.role)))
        };
        objects::first_allowing(roles, "no role grants 'run' or 'compose'", judged)
            .unwrap_or_else(Decision::Refuse)
    }
}
