//! Request × facts × policy → decision.

use crate::approved::approve;
use crate::judged::Judged;
use crate::objects::{self, Object, Standing, is_full_id, plain_name};
use crate::query::Query;
use crate::rules::OWNER;
use crate::{
    Access, Act, Answer, Approved, Decision, Facts, Lookup, Request, build, connect, containers, create,
    events, exec, images, own_images, prune, uri, volumes,
};
use doorward_policy::{Policy, Reason, Refusal, Verb};
use serde_json::{Value, json};

/// Decides on a request of `worker`. Total: whatever is missing in `facts` or `policy` is refused.
pub fn judge(request: &Request, facts: &Facts, policy: &Policy, worker: &str) -> Decision {
    if !policy.workers.contains_key(worker) {
        return Decision::Refuse(Refusal::new(Reason::UnknownWorker, "the policy has no such worker"));
    }
    if let Access::Refused { reason, message, .. } = request.endpoint().access {
        return Decision::Refuse(Refusal::new(reason, message));
    }
    if let Err(refusal) = objects::has_verb(policy, worker, request.endpoint()) {
        return Decision::Refuse(refusal);
    }
    let judged = Judged { request, facts, policy, worker };
    match request.endpoint().act {
        Act::Ping | Act::Version => judged.always(),
        Act::Absent => Decision::absent("plugin", request.named()),
        Act::Info => {
            let (own, images) = (facts.about(&Lookup::OwnContainers), facts.about(&Lookup::AllImages));
            judged.shown("info", Answer::info(own, images))
        }
        Act::DiskUsage => judged.shown("df", Answer::usage()),
        Act::Events => events::judge(judged),
        Act::ContainerPrune | Act::ImagePrune | Act::NetworkPrune | Act::VolumePrune => prune::judge(judged),
        Act::ImageBuild => build::judge(judged),
        Act::BuildPrune => judged.build_prune(),
        Act::ContainerList | Act::ImageList | Act::NetworkList | Act::VolumeList => judged.list(),
        Act::ContainerCreate => create::container(judged),
        Act::NetworkCreate => create::network(judged),
        Act::ContainerInspect
        | Act::ContainerLogs
        | Act::ContainerStop
        | Act::ContainerKill
        | Act::ContainerWait
        | Act::ContainerRemove
        | Act::ContainerAttach
        | Act::ContainerResize
        | Act::ContainerStart
        | Act::ContainerRestart
        | Act::ContainerPause
        | Act::ContainerUnpause
        | Act::ContainerRename
        | Act::ContainerUpdate
        | Act::ContainerTop
        | Act::ContainerStats => containers::judge(judged),
        Act::ExecCreate => exec::create(judged),
        Act::ExecStart | Act::ExecInspect | Act::ExecResize => exec::existing(judged),
        Act::ImageInspect | Act::ImageHistory => images::look(judged),
        Act::ImageRemove => images::remove(judged),
        Act::ImagePull => images::pull(judged),
        Act::ImageTag => own_images::tag(judged),
        Act::ImagePush => own_images::push(judged),
        Act::ImageSave => own_images::save(judged),
        Act::NetworkInspect | Act::NetworkRemove => judged.network(),
        Act::NetworkConnect | Act::NetworkDisconnect => connect::judge(judged),
        Act::VolumeInspect | Act::VolumeRemove => judged.volume(),
        Act::VolumeCreate => volumes::create(judged),
        Act::Refused => Decision::Refuse(Refusal::new(Reason::EndpointRefused, "this endpoint is refused")),
    }
}

impl Judged<'_> {
    fn always(&self) -> Decision {
        let mut approved = approve(self.request, self.policy, "always", Verb::Version);
        if self.request.endpoint().act == Act::Version {
            approved.answer = Answer::version();
        }
        Decision::forward(approved)
    }

    /// What concerns no object in particular: the answer alone is limited to what the worker may see.
    fn shown(&self, kind: &str, answer: Answer) -> Decision {
        match self.granted(None) {
            Ok((role, verb)) => Decision::forward(Approved { answer, ..self.approve(role, verb) }),
            Err(denied) => Decision::denied(denied, kind, ""),
        }
    }

    fn build_prune(&self) -> Decision {
        match self.granted(None) {
            Ok((role, _)) => Decision::Answer {
                rule: Some(format!("{}.docker", role.role)),
                status: 200,
                body: json!({"CachesDeleted": null, "SpaceReclaimed": 0}),
            },
            Err(denied) => Decision::denied(denied, "build cache", ""),
        }
    }

    fn list(&self) -> Decision {
        let (role, verb) = match self.granted(None) {
            Ok(granted) => granted,
            Err(denied) => return Decision::denied(denied, "list", ""),
        };
        let query = self.listing();
        let mut approved = self.approve(role, verb);
        approved.answer = match self.request.endpoint().act {
            Act::ContainerList => {
                // The engine would count containers that the worker does not see; so the limit is kept here.
                let limit =
                    query.number("limit").and_then(|limit| usize::try_from(limit).ok()).filter(|n| *n > 0);
                let rest = query.render(&["limit", "all"]);
                let all = if query.flag("all") || limit.is_some() { "?all=1" } else { "?all=0" };
                approved.target = format!(
                    "/v{}/containers/json{all}{}",
                    self.request.version(),
                    rest.replacen('?', "&", 1)
                );
                Answer::containers(limit)
            }
            Act::ImageList => Answer::images(),
            Act::NetworkList => {
                approved.target = format!("/v{}/networks{}", self.request.version(), query.render(&[]));
                Answer::networks()
            }
            _ => {
                approved.target = format!("/v{}/volumes{}", self.request.version(), query.render(&[]));
                Answer::volumes()
            }
        };
        Decision::forward(approved)
    }

    /// A list's query. By what is not shown of others' objects nothing of theirs is found, so that it cannot be
    /// guessed: such a filter asks for own objects alone.
    fn listing(&self) -> Query {
        const UNSHOWN: [&str; 3] = ["label", "network", "volume"];
        let query = &self.request.call.query;
        let guesses = UNSHOWN.iter().any(|key| query.filters(key).next().is_some());
        if guesses && self.request.endpoint().act != Act::ImageList {
            return query.with_filter("label", format!("{OWNER}={}", self.worker));
        }
        query.clone()
    }

    fn network(&self) -> Decision {
        let name = self.request.named();
        let Some(found) = self.facts.about(&Lookup::Network(name.to_owned())) else {
            return Decision::absent("network", name);
        };
        let id = found.get("Id").and_then(Value::as_str).unwrap_or_default();
        let standing = self.standing(found.get("Labels"));
        let own_name = plain_name(found);
        let builtin = self.request.endpoint().act == Act::NetworkInspect
            && self.roles().any(|role| objects::builtin_network(role, own_name));
        let object = Object::new(objects::NETWORKS, own_name, standing, found.get("Labels"));
        let object = if builtin { None } else { Some(object) };
        match self.granted(object) {
            Ok((role, verb)) if is_full_id(id) => {
                let mut approved = self.approve(role, verb);
                approved.objects = vec![id.to_owned()];
                approved.target = self.target(&format!("/networks/{id}"));
                if self.request.endpoint().act == Act::NetworkInspect {
                    approved.answer = Answer::network(standing == Standing::Own);
                }
                Decision::forward(approved)
            }
            Ok(_) => Decision::absent("network", name),
            Err(denied) => Decision::denied(denied, "network", name),
        }
    }

    fn volume(&self) -> Decision {
        let name = self.request.named();
        let Some(found) = self.facts.about(&Lookup::Volume(name.to_owned())) else {
            return Decision::absent("volume", name);
        };
        let own_name = plain_name(found);
        let standing = Standing::of_volume(found, self.worker);
        let object = Object::new(objects::VOLUMES, own_name, standing, found.get("Labels"));
        match self.granted(Some(object)) {
            Ok((role, verb)) => {
                let mut approved = self.approve(role, verb);
                approved.objects = vec![own_name.to_owned()];
                approved.target = self.target(&format!("/volumes/{}", uri::encode(own_name, "")));
                if self.request.endpoint().act == Act::VolumeInspect {
                    approved.answer = Answer::volume();
                }
                Decision::forward(approved)
            }
            Err(denied) => Decision::denied(denied, "volume", name),
        }
    }
}
