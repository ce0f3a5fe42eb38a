//! A container that a request is about.

use crate::image_name::ImageName;
use crate::judged::Judged;
use crate::objects::{self, Object, Standing, labels, plain_name};
use crate::rules::{IMAGE, ROLE, Wish};
use crate::{lifetime, present};
use doorward_policy::{DockerRole, Refusal};
use serde_json::Value;

/// A container that a request names, as the worker may touch it.
pub(crate) struct Touched<'a> {
    pub(crate) judged: Judged<'a>,
    /// Its inspect.
    pub(crate) found: &'a Value,
    pub(crate) standing: Standing,
}

impl<'a> Touched<'a> {
    /// The roles of which one must allow all of the container as it is or will be, so that roles do not mix.
    ///
    /// Of an own one it is the role that it was made under: its image was judged by that one alone. When the
    /// worker has lost that role, each that allows the image. Of an operator's, those that grant the request.
    pub(crate) fn roles(&self) -> Vec<&'a DockerRole> {
        let roles = self.judged.roles();
        if self.standing != Standing::Own {
            let labels = labels(self.found);
            let name = plain_name(self.found);
            let object = Some(Object::new(objects::CONTAINERS, name, self.standing, labels));
            let endpoint = self.judged.request.endpoint();
            return roles.filter(|role| objects::grants(role, endpoint, object)).collect();
        }
        let label = |name| labels(self.found).and_then(|labels| labels.get(name)).and_then(Value::as_str);
        let by = label(ROLE);
        if let Some(role) = self.judged.roles().find(|role| Some(role.role.as_str()) == by) {
            return vec![role];
        }
        let allows_image = |role: &&DockerRole| match label(IMAGE) {
            Some(image) => ImageName::read(image).is_some_and(|name| name.allowed(role)),
            None => true,
        };
        roles.filter(allows_image).collect()
    }

    /// Judges all of an own container, as it is with `body` in place of its configuration, by one role; an
    /// operator's by what gives power over the host. Says which host paths it binds.
    pub(crate) fn judge_as(&self, role: &DockerRole, body: &Value) -> Result<Vec<String>, Refusal> {
        if self.standing == Standing::Own {
            let Judged { facts, policy, worker, .. } = self.judged;
            lifetime::check(self.found, facts, policy, worker)?;
        }
        present::judge(&self.wish(role, body), self.found)
    }

    /// What one role judges this container by.
    pub(crate) fn wish<'w>(&'w self, role: &'w DockerRole, body: &'w Value) -> Wish<'w> {
        Wish { mode: present::mode(self.standing), ..self.judged.wish(role, body) }
    }
}
