//! Request × facts × policy → decision.

use crate::approved::approve;
use crate::image::{absent_image, image_allowed, image_refused};
use crate::image_name::ImageName;
use crate::objects::{self, Denied, Standing, granted, is_full_id, labels, plain_name};
use crate::rules::Wish;
use crate::{
    Access, Act, Answer, Approved, Decision, Effect, Facts, Lookup, Request, Shape, connect, create, events,
    exec, present, prune, uri, volumes,
};
use doorward_policy::{DockerRole, Policy, Reason, Refusal, Verb};
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
        Act::Info => judged.info(),
        Act::DiskUsage => judged.usage(),
        Act::Events => events::judge(request, facts, policy, worker),
        Act::ContainerPrune | Act::ImagePrune | Act::NetworkPrune | Act::VolumePrune => {
            prune::judge(request, policy, worker)
        }
        Act::ContainerList | Act::ImageList | Act::NetworkList | Act::VolumeList => judged.list(),
        Act::ContainerCreate => create::container(request, facts, policy, worker),
        Act::NetworkCreate => create::network(request, facts, policy, worker),
        Act::ContainerInspect
        | Act::ContainerLogs
        | Act::ContainerStop
        | Act::ContainerKill
        | Act::ContainerWait
        | Act::ContainerRemove
        | Act::ContainerAttach
        | Act::ContainerResize
        | Act::ContainerStart
        | Act::ContainerRestart => judged.container(),
        Act::ExecCreate => exec::create(request, facts, policy, worker),
        Act::ExecStart | Act::ExecInspect | Act::ExecResize => exec::existing(request, facts, policy, worker),
        Act::ImageInspect => judged.image(),
        Act::ImagePull => judged.pull(),
        Act::NetworkInspect | Act::NetworkRemove => judged.network(),
        Act::NetworkConnect | Act::NetworkDisconnect => connect::judge(request, facts, policy, worker),
        Act::VolumeInspect | Act::VolumeRemove => judged.volume(),
        Act::VolumeCreate => volumes::create(request, facts, policy, worker),
        Act::Refused => Decision::Refuse(Refusal::new(Reason::EndpointRefused, "this endpoint is refused")),
    }
}

struct Judged<'a> {
    request: &'a Request,
    facts: &'a Facts,
    policy: &'a Policy,
    worker: &'a str,
}

impl<'a> Judged<'a> {
    fn approve(&self, rule: &str, verb: &'static str) -> Approved {
        approve(self.request, self.policy, rule, verb)
    }

    fn fact(&self, lookup: Lookup) -> Option<&'a Value> {
        self.facts.found.get(&lookup).and_then(Option::as_ref)
    }

    fn always(&self) -> Decision {
        let mut approved = self.approve("always", Verb::Version.words());
        if self.request.endpoint().act == Act::Version {
            approved.answer = Answer::version();
        }
        Decision::forward(approved)
    }

    fn info(&self) -> Decision {
        match granted(self.policy, self.worker, self.request.endpoint(), None) {
            Ok((role, verb)) => {
                let mut approved = self.approve(&rule(role, verb), verb.words());
                approved.answer = Answer::info(self.fact(Lookup::OwnContainers));
                Decision::forward(approved)
            }
            Err(denied) => refuse(denied, "info", ""),
        }
    }

    fn usage(&self) -> Decision {
        match granted(self.policy, self.worker, self.request.endpoint(), None) {
            Ok((role, verb)) => {
                let mut approved = self.approve(&rule(role, verb), verb.words());
                approved.answer = Answer::usage();
                Decision::forward(approved)
            }
            Err(denied) => refuse(denied, "df", ""),
        }
    }

    fn list(&self) -> Decision {
        let (role, verb) = match granted(self.policy, self.worker, self.request.endpoint(), None) {
            Ok(granted) => granted,
            Err(denied) => return refuse(denied, "list", ""),
        };
        let query = &self.request.call.query;
        let mut approved = self.approve(&rule(role, verb), verb.words());
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
            _ => Answer::volumes(),
        };
        Decision::forward(approved)
    }

    /// An endpoint on one container, by its full id.
    fn container(&self) -> Decision {
        let name = self.request.named();
        let Some(found) = self.fact(Lookup::Container(name.to_owned())) else {
            return Decision::absent("container", name);
        };
        let id = found.get("Id").and_then(Value::as_str).unwrap_or_default();
        let standing = Standing::of(labels(found), self.worker);
        let object = (objects::CONTAINERS, plain_name(found), standing);
        let (role, verb) = match granted(self.policy, self.worker, self.request.endpoint(), Some(object)) {
            Ok(granted) => granted,
            Err(denied) => return refuse(denied, "container", name),
        };
        if !is_full_id(id) {
            return Decision::Refuse(Refusal::new(
                Reason::EngineUnavailable,
                "the engine told no id for the container",
            ));
        }
        let mut approved = self.approve(&rule(role, verb), verb.words());
        approved.objects = vec![id.to_owned()];
        let path = self.request.endpoint().path.replacen("{id}", id, 1);
        approved.target =
            format!("/v{}{path}{}", self.request.version(), self.request.call.query.render(&[]));
        approved.answer = Answer::pass().said_by(found);
        match self.container_act(&mut approved, role, found, standing) {
            Ok(()) => Decision::forward(approved),
            Err(refusal) => Decision::Refuse(refusal.rule(rule(role, verb))),
        }
    }

    fn container_act(
        &self,
        approved: &mut Approved,
        role: &DockerRole,
        found: &Value,
        standing: Standing,
    ) -> Result<(), Refusal> {
        let query = &self.request.call.query;
        match self.request.endpoint().act {
            Act::ContainerInspect => approved.answer = Answer::container(standing == Standing::Own),
            Act::ContainerRemove if query.flag("v") && standing != Standing::Own => {
                return Err(Refusal::new(
                    Reason::FieldNotAllowed,
                    "only own containers' volumes may be removed with them",
                )
                .path("?v")
                .nearest("docker rm without -v"));
            }
            Act::ContainerAttach => {
                if query.flag("stdin") && !role.run.stdin {
                    return Err(Refusal::new(
                        Reason::FieldNotAllowed,
                        "no standard input may be given to containers (stdin = false)",
                    )
                    .path("?stdin")
                    .nearest("docker attach --no-stdin"));
                }
                approved.shape = Shape::Hijack { stdin: query.flag("stdin") };
                if query.flag("stdin") {
                    approved.effect = Effect::Changes;
                }
            }
            Act::ContainerStart | Act::ContainerRestart => {
                approved.binds = self.present(found, standing)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The present configuration: some role of the worker must allow all of it.
    fn present(&self, found: &Value, standing: Standing) -> Result<Vec<String>, Refusal> {
        let body = present::body(found);
        let mut closest = None;
        for role in objects::roles(self.policy, self.worker) {
            let wish = Wish {
                role,
                policy: self.policy,
                worker: self.worker,
                facts: self.facts,
                version: self.request.version(),
                mode: present::mode(standing),
                body: &body,
                image: None,
            };
            match present::judge(&wish, found) {
                Ok(binds) => return Ok(binds),
                Err(refusal) => closest = closest.or(Some(refusal)),
            }
        }
        Err(closest.unwrap_or_else(|| Refusal::new(Reason::VerbNotAllowed, "no role grants this")))
    }

    fn image(&self) -> Decision {
        let asked = self.request.named();
        let Some(found) = self.fact(Lookup::Image(asked.to_owned())) else { return no_image(asked) };
        let visible = |role: &&DockerRole| {
            let own = Standing::of(found.get("Config").and_then(|config| config.get("Labels")), self.worker);
            image_allowed(found, asked, role) || own == Standing::Own
        };
        let (role, verb) = match granted(self.policy, self.worker, self.request.endpoint(), None) {
            Ok(granted) => granted,
            Err(denied) => return refuse(denied, "image", asked),
        };
        let id = found.get("Id").and_then(Value::as_str).unwrap_or_default();
        if !objects::roles(self.policy, self.worker).any(|role| visible(&role))
            || !crate::image_name::is_id(id)
        {
            return no_image(asked);
        }
        let mut approved = self.approve(&rule(role, verb), verb.words());
        approved.objects = vec![id.to_owned()];
        approved.target = format!(
            "/v{}/images/{}/json{}",
            self.request.version(),
            uri::encode(id, ":"),
            self.request.call.query.render(&[])
        );
        approved.answer = Answer::image();
        Decision::forward(approved)
    }

    fn pull(&self) -> Decision {
        let query = &self.request.call.query;
        let from = query.text("fromImage").unwrap_or_default();
        let asked = match query.text("tag") {
            // Without a tag the engine would pull every tag of the repository.
            None => from.to_owned(),
            Some(tag) if tag.starts_with("sha256:") => format!("{from}@{tag}"),
            Some(tag) => format!("{from}:{tag}"),
        };
        let mut closest = None;
        for role in objects::roles(self.policy, self.worker).filter(|role| role.verbs.contains(&Verb::Pull)) {
            let Some(name) =
                ImageName::read(&asked).filter(|name| role.images.iter().any(|glob| name.matches(glob)))
            else {
                closest = closest.or(Some(image_refused(role).path("?fromImage")));
                continue;
            };
            let mut approved = self.approve(&rule(role, Verb::Pull), Verb::Pull.words());
            let tag = name.digest().or(name.tag()).unwrap_or("latest");
            approved.target = format!(
                "/v{}/images/create?fromImage={}&tag={}",
                self.request.version(),
                uri::encode(name.familiar_repository(), ""),
                uri::encode(tag, "")
            );
            approved.operation = json!({"op": "image pull", "image": name.canonical()});
            return Decision::forward(approved);
        }
        Decision::Refuse(
            closest.unwrap_or_else(|| Refusal::new(Reason::VerbNotAllowed, "no role grants 'pull'")),
        )
    }

    fn network(&self) -> Decision {
        let name = self.request.named();
        let Some(found) = self.fact(Lookup::Network(name.to_owned())) else {
            return Decision::absent("network", name);
        };
        let id = found.get("Id").and_then(Value::as_str).unwrap_or_default();
        let standing = Standing::of(found.get("Labels"), self.worker);
        let own_name = plain_name(found);
        let builtin = self.request.endpoint().act == Act::NetworkInspect
            && objects::roles(self.policy, self.worker).any(|role| objects::builtin_network(role, own_name));
        let object = (objects::NETWORKS, own_name, standing);
        let object = if builtin { None } else { Some(object) };
        match granted(self.policy, self.worker, self.request.endpoint(), object) {
            Ok((role, verb)) if is_full_id(id) => {
                let mut approved = self.approve(&rule(role, verb), verb.words());
                approved.objects = vec![id.to_owned()];
                approved.target = format!(
                    "/v{}/networks/{id}{}",
                    self.request.version(),
                    self.request.call.query.render(&[])
                );
                if self.request.endpoint().act == Act::NetworkInspect {
                    approved.answer = Answer::network(standing == Standing::Own);
                }
                Decision::forward(approved)
            }
            Ok(_) => Decision::absent("network", name),
            Err(denied) => refuse(denied, "network", name),
        }
    }

    fn volume(&self) -> Decision {
        let name = self.request.named();
        let Some(found) = self.fact(Lookup::Volume(name.to_owned())) else {
            return Decision::absent("volume", name);
        };
        let own_name = plain_name(found);
        let object = (objects::VOLUMES, own_name, Standing::of(found.get("Labels"), self.worker));
        match granted(self.policy, self.worker, self.request.endpoint(), Some(object)) {
            Ok((role, verb)) => {
                let mut approved = self.approve(&rule(role, verb), verb.words());
                approved.objects = vec![own_name.to_owned()];
                approved.target = format!(
                    "/v{}/volumes/{}{}",
                    self.request.version(),
                    uri::encode(own_name, ""),
                    self.request.call.query.render(&[])
                );
                if self.request.endpoint().act == Act::VolumeInspect {
                    approved.answer = Answer::volume();
                }
                Decision::forward(approved)
            }
            Err(denied) => refuse(denied, "volume", name),
        }
    }
}

/// As records name it.
fn rule(role: &DockerRole, verb: Verb) -> String {
    format!("{}.docker.{}", role.role, verb.words())
}

fn refuse(denied: Denied, kind: &str, name: &str) -> Decision {
    match denied {
        Denied::Refused(refusal) => Decision::Refuse(refusal),
        Denied::Absent => Decision::absent(kind, name),
    }
}

fn no_image(asked: &str) -> Decision {
    match ImageName::read(asked) {
        Some(name) => absent_image(&name),
        None => Decision::absent("image", asked),
    }
}
