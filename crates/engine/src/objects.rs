//! Whose an object is, and who may touch it.

use crate::rules::{FROM, OWNER, PROJECT};
use crate::{Access, Endpoint, Grant};
use doorward_policy::{DockerRole, Glob, Policy, Reason, Refusal, Selector, Verb};
use serde_json::Value;

/// Whose an object is, from a worker's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// This worker's.
    Own,
    /// No worker's: the operator made it.
    Operators,
    /// Another worker's, or marked in a way that makes no sense.
    Foreign,
}

impl Standing {
    /// By the engine's own labels of the object.
    pub(crate) fn of(labels: Option<&Value>, worker: &str) -> Standing {
        match labels.and_then(|labels| labels.get(OWNER)) {
            None => Standing::Operators,
            Some(owner) if owner.as_str() == Some(worker) => Standing::Own,
            Some(_) => Standing::Foreign,
        }
    }

    /// Of a container, by its inspect.
    pub(crate) fn of_container(found: &Value, worker: &str) -> Standing {
        Standing::of_made(labels(found), found.get("Image"), worker)
    }

    /// Of a container, by its entry in a list.
    pub(crate) fn of_listed(entry: &Value, worker: &str) -> Standing {
        Standing::of_made(entry.get("Labels"), entry.get("ImageID"), worker)
    }

    /// Of a container with these labels, made from this image. An owner's label that came with the image makes it
    /// nobody's whom a policy names.
    pub(crate) fn of_made(labels: Option<&Value>, image: Option<&Value>, worker: &str) -> Standing {
        let from = labels.and_then(|labels| labels.get(FROM));
        match Standing::of(labels, worker) {
            Standing::Own if from.is_none() || from != image => Standing::Foreign,
            standing => standing,
        }
    }

    /// Of a volume. One without a name of its own and without a label belongs to a container, whosever that is.
    pub(crate) fn of_volume(found: &Value, worker: &str) -> Standing {
        match Standing::of(found.get("Labels"), worker) {
            Standing::Operators if is_full_id(plain_name(found)) => Standing::Foreign,
            standing => standing,
        }
    }
}

/// Whether selectors name an object. A pattern never names an object that a worker owns.
pub(crate) fn selects(selectors: &[Selector], name: &str, standing: Standing) -> bool {
    selectors.iter().any(|selector| match (selector, standing) {
        (Selector::Own, Standing::Own) => true,
        (Selector::Named(glob), Standing::Operators) => glob.matches(name),
        _ => false,
    })
}

/// The docker tables of a worker's roles.
pub(crate) fn roles<'p>(policy: &'p Policy, worker: &str) -> impl Iterator<Item = &'p DockerRole> {
    policy.docker_roles(worker)
}

/// Asks each of some roles; the refusal told is of the role that came furthest, the first of equals.
pub(crate) fn first_allowing<'p, T>(
    roles: impl Iterator<Item = &'p DockerRole>,
    none: &str,
    judge: impl Fn(&'p DockerRole) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut closest: Option<Refusal> = None;
    for role in roles {
        match judge(role) {
            Ok(allowed) => return Ok(allowed),
            Err(refusal) => {
                let further = |old: &Refusal| {
                    old.reason == Reason::ImageNotAllowed && refusal.reason != Reason::ImageNotAllowed
                };
                if closest.as_ref().is_none_or(further) {
                    closest = Some(refusal);
                }
            }
        }
    }
    Err(closest.unwrap_or_else(|| Refusal::new(Reason::VerbNotAllowed, none)))
}

/// Which of a role's lists of selectors a kind of object goes by.
pub(crate) type Selectors = fn(&DockerRole) -> &[Selector];

/// An object as grants look at it.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    pub(crate) selectors: Selectors,
    pub(crate) name: &'a str,
    pub(crate) standing: Standing,
    /// The compose project that it belongs to.
    pub(crate) project: Option<&'a str>,
}

impl<'a> Object<'a> {
    /// An object with these labels.
    pub(crate) fn new(
        selectors: Selectors,
        name: &'a str,
        standing: Standing,
        labels: Option<&'a Value>,
    ) -> Object<'a> {
        Object { selectors, name, standing, project: project(labels) }
    }
}

/// The compose project that an object's labels say it belongs to.
pub(crate) fn project(labels: Option<&Value>) -> Option<&str> {
    labels.and_then(|labels| labels.get(PROJECT)).and_then(Value::as_str)
}

/// The role and verb by which a worker may use an endpoint on an object; the refusal otherwise. `None`
/// selectors: on no object in particular.
pub(crate) fn granted<'p>(
    policy: &'p Policy,
    worker: &str,
    endpoint: &Endpoint,
    object: Option<Object<'_>>,
) -> Result<(&'p DockerRole, Verb), Denied> {
    let Access::Granted(grants) = endpoint.access else {
        return Err(Denied::Refused(Refusal::new(
            Reason::EndpointRefused,
            "this endpoint is not granted by verbs",
        )));
    };
    let mut later = None;
    for role in roles(policy, worker) {
        for grant in grants {
            match (allows(role, grant, object), verb(grant)) {
                (true, verb) if verb.in_force() => return Ok((role, verb)),
                (true, verb) => later = Some(verb),
                (false, _) => {}
            }
        }
    }
    if let Some(verb) = later {
        let message = format!("'{}' comes with a later version", verb.words());
        return Err(Denied::Refused(Refusal::new(Reason::NotYet, message)));
    }
    let visible = object.is_none_or(|Object { selectors, name, standing, .. }| {
        standing == Standing::Own
            || roles(policy, worker).any(|role| selects(selectors(role), name, standing))
    });
    match visible {
        true => Err(Denied::Refused(verb_refused(policy, worker, grants))),
        false => Err(Denied::Absent),
    }
}

/// Why an object may not be used.
#[derive(Debug)]
pub(crate) enum Denied {
    /// With this refusal.
    Refused(Refusal),
    /// The worker may not know of it: answered as absent.
    Absent,
}

/// Whether any of the worker's roles has any of the verbs at all.
pub(crate) fn has_verb(policy: &Policy, worker: &str, endpoint: &Endpoint) -> Result<(), Refusal> {
    let Access::Granted(grants) = endpoint.access else { return Ok(()) };
    let gives = |role: &DockerRole, verb: Verb| {
        role.verbs.contains(&verb) || (verb == Verb::Exec && !role.exec.is_empty())
    };
    let has = roles(policy, worker).any(|role| grants.iter().any(|grant| gives(role, verb(grant))));
    if has { Ok(()) } else { Err(verb_refused(policy, worker, grants)) }
}

/// Whether a role grants an endpoint on an object.
pub(crate) fn grants(role: &DockerRole, endpoint: &Endpoint, object: Option<Object<'_>>) -> bool {
    match endpoint.access {
        Access::Granted(grants) => grants.iter().any(|grant| allows(role, grant, object)),
        Access::Always | Access::Refused { .. } => false,
    }
}

fn allows(role: &DockerRole, grant: &Grant, object: Option<Object<'_>>) -> bool {
    role.verbs.contains(&verb(grant))
        && match (grant, object) {
            (_, None) => true,
            (Grant::Verb(_), Some(Object { selectors, name, standing, .. })) => {
                selects(selectors(role), name, standing)
            }
            (Grant::Own(_), Some(object)) => object.standing == Standing::Own,
            (Grant::Project(_), Some(object)) => {
                object.standing == Standing::Own
                    && object.project.is_some_and(|project| role.has_project(project))
            }
        }
}

fn verb(grant: &Grant) -> Verb {
    match grant {
        Grant::Verb(verb) | Grant::Own(verb) | Grant::Project(verb) => *verb,
    }
}

fn verb_refused(policy: &Policy, worker: &str, grants: &[Grant]) -> Refusal {
    let wanted = match grants.first() {
        Some(Grant::Verb(verb)) => format!("the verb '{}' is not granted for this", verb.words()),
        _ => "this is allowed on your own objects alone, with the verb 'run'".to_owned(),
    };
    // What a refusal calls allowed must be.
    let have = roles(policy, worker).flat_map(|role| &role.verbs).filter(|verb| verb.in_force());
    let mut have: Vec<&str> = have.map(|verb| verb.command()).collect();
    have.sort_unstable();
    have.dedup();
    let have = if have.is_empty() { "no docker verb".to_owned() } else { have.join(", ") };
    Refusal::new(Reason::VerbNotAllowed, wanted).nearest(have)
}

/// The labels of a container's inspect.
pub(crate) fn labels(found: &Value) -> Option<&Value> {
    found.get("Config").and_then(|config| config.get("Labels"))
}

/// A container's or network's name without the engine's leading slash.
pub(crate) fn plain_name(object: &Value) -> &str {
    let name = object.get("Name").and_then(Value::as_str).unwrap_or_default();
    name.strip_prefix('/').unwrap_or(name)
}

/// Under what names a container would be found in a network.
#[derive(Debug)]
pub(crate) struct Bearer<'a> {
    /// Its name; empty when the engine chooses one.
    pub name: &'a str,
    /// Its host name; empty when the engine takes its id.
    pub hostname: &'a str,
}

impl<'a> Bearer<'a> {
    /// From its inspect.
    pub(crate) fn of_container(found: &'a Value) -> Self {
        let text = |value: Option<&'a Value>| value.and_then(Value::as_str).unwrap_or_default();
        let hostname = text(found.get("Config").and_then(|config| config.get("Hostname")));
        let id = text(found.get("Id"));
        // What the engine takes when no host name was asked for, and nothing shorter or longer.
        let hostname = if id.get(..12) == Some(hostname) { "" } else { hostname };
        Bearer { name: plain_name(found), hostname }
    }
}

/// `[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}`: what the engine takes for a name, an id, or the beginning of one.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 255
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// Whether a name is also the beginning of what could be an id.
pub(crate) fn could_begin_id(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text is a full id as the engine makes them: 64 lower-case hex digits.
pub fn is_full_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Patterns that name containers, in `containers` and in the exec table.
pub(crate) fn container_patterns(role: &DockerRole) -> Vec<Glob> {
    let named = globs(&role.containers);
    named.into_iter().chain(role.exec.keys().map(|name| Glob(name.clone()))).collect()
}

/// Patterns that name networks.
pub(crate) fn network_patterns(role: &DockerRole) -> Vec<Glob> {
    globs(&role.networks)
}

/// Patterns that name volumes.
pub(crate) fn volume_patterns(role: &DockerRole) -> Vec<Glob> {
    globs(&role.volumes)
}

fn globs(selectors: &[Selector]) -> Vec<Glob> {
    let named = selectors.iter().filter_map(|selector| match selector {
        Selector::Named(glob) => Some(glob.clone()),
        Selector::Own => None,
    });
    named.collect()
}

/// The role's `containers`.
pub(crate) const CONTAINERS: Selectors = |role| &role.containers;
/// The role's `networks`.
pub(crate) const NETWORKS: Selectors = |role| &role.networks;
/// The role's `volumes`.
pub(crate) const VOLUMES: Selectors = |role| &role.volumes;

/// Whether a network of the engine itself may be seen: `none` always, `bridge` with egress.
pub(crate) fn builtin_network(role: &DockerRole, name: &str) -> bool {
    name == "none" || (name == "bridge" && role.egress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_first_twelve_digits_of_an_id_are_a_host_name_that_nobody_asked_for() {
        let id = format!("0123456789ab{}", "c".repeat(52));
        let first = |digits: usize| id.chars().take(digits).collect::<String>();
        let hostname = |said: &str| {
            let found = json!({"Id": id, "Name": "/worker-1", "Config": {"Hostname": said}});
            Bearer::of_container(&found).hostname.to_owned()
        };
        assert_eq!(hostname(&first(12)), "");
        for said in [first(1), first(4), first(11), first(13), first(63), first(64), "db".into()] {
            assert_eq!(hostname(&said), said);
        }
    }
}
