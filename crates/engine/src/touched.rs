//! A container that a request is about.

use crate::judged::Judged;
use crate::objects::Standing;
use crate::present;
use crate::rules::Wish;
use doorward_policy::DockerRole;
use serde_json::Value;

/// A container that a request names, as the worker may touch it.
pub(crate) struct Touched<'a> {
    pub(crate) judged: Judged<'a>,
    /// Its inspect.
    pub(crate) found: &'a Value,
    pub(crate) standing: Standing,
}

impl Touched<'_> {
    /// What one role judges this container by.
    pub(crate) fn wish<'w>(&'w self, role: &'w DockerRole, body: &'w Value) -> Wish<'w> {
        Wish { mode: present::mode(self.standing), ..self.judged.wish(role, body) }
    }
}
