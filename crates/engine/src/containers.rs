//! Endpoints on one container, which goes on by its full id.

use crate::approved::{approve, rule};
use crate::judged::Judged;
use crate::objects::{self, Bearer, Object, Standing, is_full_id, labels, plain_name};
use crate::rules::{NameOf, free_name, names_in, present_networks};
use crate::touched::Touched;
use crate::{Act, Answer, Approved, Decision, Effect, Lookup, Shape, present, update, uri};
use doorward_policy::{DockerRole, Reason, Refusal};
use serde_json::Value;

/// `/containers/{id}/…` but for execs.
pub(crate) fn judge(judged: Judged<'_>) -> Decision {
    let Judged { request, facts, policy, .. } = judged;
    let name = request.named();
    let found = facts.about(&Lookup::Container(name.to_owned()));
    let Some(found) = found else { return Decision::absent("container", name) };
    let standing = judged.container(found);
    let object = Object::new(objects::CONTAINERS, plain_name(found), standing, labels(found));
    let (role, verb) = match judged.granted(Some(object)) {
        Ok(granted) => granted,
        Err(denied) => return Decision::denied(denied, "container", name),
    };
    let id = found.get("Id").and_then(Value::as_str).unwrap_or_default();
    if !is_full_id(id) {
        let message = "the engine told no id for the container";
        return Decision::Refuse(Refusal::new(Reason::EngineUnavailable, message));
    }
    let rule = rule(role, verb);
    let mut approved = approve(request, policy, &rule, verb);
    approved.objects = vec![id.to_owned()];
    let path = request.endpoint().path.replacen("{id}", id, 1);
    approved.target = judged.target(&path);
    approved.answer = Answer::pass().said_by(found);
    match (Touched { judged, found, standing }).act(approved, role) {
        Ok(approved) => Decision::forward(approved),
        Err(refusal) => Decision::Refuse(refusal.rule(rule)),
    }
}

impl Touched<'_> {
    fn act(&self, mut approved: Approved, role: &DockerRole) -> Result<Approved, Refusal> {
        let query = &self.judged.request.call.query;
        let own = self.standing == Standing::Own;
        match self.judged.request.endpoint().act {
            Act::ContainerInspect => approved.answer = Answer::container(own),
            Act::ContainerTop if !own => approved.answer = Answer::processes(),
            Act::ContainerRemove if query.flag("v") && !own => {
                let message = "only own containers' volumes may be removed with them";
                let refusal = Refusal::new(Reason::FieldNotAllowed, message).path("?v");
                return Err(refusal.nearest("docker rm without -v"));
            }
            Act::ContainerAttach => {
                let stdin = query.flag("stdin");
                if stdin && !role.run.stdin {
                    let message = "no standard input may be given to containers (stdin = false)";
                    let refusal = Refusal::new(Reason::FieldNotAllowed, message).path("?stdin");
                    return Err(refusal.nearest("docker attach --no-stdin"));
                }
                approved.shape = Shape::Hijack { stdin };
                if stdin {
                    approved.effect = Effect::Changes;
                }
            }
            Act::ContainerStart | Act::ContainerRestart | Act::ContainerUnpause => {
                approved.binds = self.present()?;
            }
            Act::ContainerRename => return self.rename(approved, role),
            Act::ContainerUpdate => return update::judge(self, approved),
            _ => {}
        }
        Ok(approved)
    }

    /// The present configuration: one role must allow all of it.
    fn present(&self) -> Result<Vec<String>, Refusal> {
        let body = present::body(self.found);
        let judged = |role| self.judge_as(role, &body);
        objects::first_allowing(self.roles().into_iter(), "no role allows the container as it is", judged)
    }

    /// The new name is judged as a new container's. An operator's container keeps its own: by that name other
    /// roles, and the operator's own tools, know it.
    fn rename(&self, mut approved: Approved, role: &DockerRole) -> Result<Approved, Refusal> {
        if self.standing != Standing::Own {
            let message = "only own containers may be renamed: the names of others are the operator's";
            return Err(Refusal::new(Reason::ObjectNotAllowed, message));
        }
        let name = self.judged.request.call.query.text("name").unwrap_or_default();
        let name = name.strip_prefix('/').unwrap_or(name);
        let body = present::body(self.found);
        let wish = self.wish(role, &body);
        let at = |refusal: Refusal| refusal.path("?name");
        free_name(&wish, name, NameOf::Container).map_err(at)?;
        let hostname = Bearer::of_container(self.found).hostname;
        for network in present_networks(self.found) {
            names_in(&wish, &network, None, &Bearer { name, hostname }).map_err(at)?;
        }
        approved.target = format!(
            "/v{}/containers/{}/rename?name={}",
            self.judged.request.version(),
            approved.objects.first().map(String::as_str).unwrap_or_default(),
            uri::encode(name, "")
        );
        Ok(approved)
    }
}
