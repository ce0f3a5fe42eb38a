//! User, image, labels, standard input and folders.

use super::compose::{COMPOSE, compose_label};
use super::{Made, Mode, Wish, flag, listed, not_allowed, text};
use crate::fields::HEALTHCHECK;
use crate::{Lookup, objects};
use doorward_policy::{DockerRole, Glob, Reason, Refusal, Users, Verb};
use serde_json::{Value, json};

/// The label that says whose an object is.
pub(crate) const OWNER: &str = "doorward.worker";
/// The label that says which image name was asked for.
pub(crate) const IMAGE: &str = "doorward.image";

/// The label that says which image, by id, a container was made from. Containers bear their images' labels, too, but
/// no image can hold its own id: beside it alone, [`OWNER`] is the container's own.
pub(crate) const FROM: &str = "doorward.from";

/// The label that says which role allowed a container.
pub(crate) const ROLE: &str = "doorward.role";

/// Beginnings of labels that mean something to doorward or to tools that act on labels, in lower case.
pub(crate) const TAKEN_LABELS: &[(&str, &str)] = &[
    ("doorward.", "says whose an object is"),
    ("com.docker.", "is compose's and the engine's"),
    ("com.centurylinklabs.", "is watchtower's"),
    ("com.github.", "is companion containers'"),
    ("traefik.", "routes traffic"),
    ("caddy", "routes traffic"),
    ("ofelia.", "runs scheduled commands"),
    ("deck-chores.", "runs scheduled commands"),
    ("chadburn.", "runs scheduled commands"),
    ("swarm.cronjob.", "runs scheduled commands"),
    ("docker-volume-backup.", "runs commands at backups"),
    ("autoheal", "restarts containers"),
    ("deunhealth.", "restarts containers"),
    ("diun.", "watches images"),
    ("wud.", "updates containers"),
    ("dockcheck.", "updates containers"),
    ("ouroboros.", "updates containers"),
    ("shepherd.", "updates containers"),
    ("sablier.", "starts and stops containers"),
    ("lazytainer.", "starts and stops containers"),
    ("io.portainer.", "is portainer's"),
    ("portainer.", "is portainer's"),
    ("io.balena.", "is balena's"),
    ("io.rancher.", "is rancher's"),
    ("io.kubernetes.", "is kubernetes'"),
    ("io.containers.", "is podman's"),
    ("socket-proxy.", "grants rights"),
    ("socketproxy.", "grants rights"),
    ("tsdproxy.", "routes traffic"),
    ("tailscale.", "routes traffic"),
    ("cloudflare.", "routes traffic"),
    ("dockflare.", "routes traffic"),
    ("swag", "routes traffic"),
    ("sozu.", "routes traffic"),
    ("nginx", "routes traffic"),
    ("haproxy.", "routes traffic"),
    ("easyhaproxy.", "routes traffic"),
    ("tinyauth.", "grants access"),
    ("authelia.", "grants access"),
    ("kuma.", "is a monitor's"),
    ("homepage.", "is a dashboard's"),
    ("glance.", "is a dashboard's"),
    ("homarr.", "is a dashboard's"),
    ("prometheus", "is a monitor's"),
    ("logging", "steers log collectors"),
    ("co.elastic.", "steers log collectors"),
    ("fluentd.", "steers log collectors"),
];

/// `User`: what will run, also when the image says it.
pub(crate) fn user(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let asked = text(given);
    let effective = if asked.is_empty() { wish.image_text("User").unwrap_or_default() } else { asked };
    match &wish.role.run.users {
        Users::Only(users) if !users.iter().any(|user| user == effective) => {
            let message = match asked {
                "" if effective.is_empty() => "the image runs as root, which is not in the role's users",
                "" => "the image's own user is not in the role's users",
                _ => "this user is not in the role's users",
            };
            Err(not_allowed(message).nearest(format!("--user {}", listed(users, "(none)"))))
        }
        _ => Ok((!asked.is_empty()).then(|| json!(asked))),
    }
}

/// `AttachStdin`, `OpenStdin`, `StdinOnce`.
pub(crate) fn stdin(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    match (flag(given), wish.role.run.stdin) {
        (true, false) => Err(not_allowed("no standard input may be given to containers (stdin = false)")
            .nearest("docker run without -i")),
        (on, _) => Ok(on.then_some(Value::Bool(true))),
    }
}

/// `Image`: the id of what the name was resolved to. The name itself is judged before.
pub(crate) fn image(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    match wish.mode {
        Mode::New => Ok(wish.image.and_then(|image| image.get("Id")).cloned().or_else(|| given.cloned())),
        Mode::Own | Mode::Operator => Ok(given.cloned()),
    }
}

/// `WorkingDir`: absolute and clean, and not under `/proc`, where a file descriptor of the runtime may lead
/// to the host (CVE-2024-21626).
pub(crate) fn working_dir(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    let asked = text(given);
    for path in [asked, wish.image_text("WorkingDir").unwrap_or_default()] {
        let clean = path.is_empty() || path == "/" || crate::uri::is_clean(path.trim_end_matches('/'));
        if !clean || path == "/proc" || path.starts_with("/proc/") {
            return Err(not_allowed("the working folder must be an absolute, clean path outside /proc")
                .nearest("--workdir /tmp"));
        }
    }
    Ok((!asked.is_empty()).then(|| json!(asked)))
}

/// The health check that the image brings: judged as if the request said it, unless the request says another.
pub(crate) fn inherited_health(wish: &Wish<'_>) -> Result<(), Refusal> {
    let inherited =
        wish.image.and_then(|image| image.get("Config")).and_then(|config| config.get("Healthcheck"));
    let said = wish.body.get("Healthcheck").is_some_and(|own| !crate::walk::is_zero(own));
    match inherited {
        Some(own) if !said => {
            crate::walk::judge_fields(HEALTHCHECK, Some(own), wish, "Healthcheck").map(drop)
        }
        _ => Ok(()),
    }
}

/// `Labels`: free ones, and the worker's stamp, which it can neither set nor drop nor inherit.
pub(crate) fn labels(wish: &Wish<'_>, given: Option<&Value>) -> Made {
    if wish.mode != Mode::New {
        return Ok(given.cloned());
    }
    let inherited = wish.image.and_then(|image| image.get("Config")).and_then(|config| config.get("Labels"));
    let mut all = inherited.and_then(Value::as_object).cloned().unwrap_or_default();
    all.extend(given.and_then(Value::as_object).cloned().unwrap_or_default());
    for (name, value) in all.iter().filter(|(name, _)| is_compose(wish, name)) {
        compose_label(wish, &all, name, value)?;
    }
    for (labels, whose) in [(given, "the label"), (inherited, "the image's label")] {
        for (name, value) in labels.and_then(Value::as_object).into_iter().flatten() {
            // An image that is the worker's own may say so.
            let own = name == OWNER && value.as_str() == Some(wish.worker) && whose != "the label";
            if let Some((start, why)) = taken_label(name).filter(|_| !own && !is_compose(wish, name)) {
                return Err(not_allowed(format!(
                    "{whose} '{}' is not allowed: {start}… {why}",
                    crate::query::shown(name)
                ))
                .nearest("labels of your own, like purpose=bench"));
            }
        }
    }
    let mut labels = given.and_then(Value::as_object).cloned().unwrap_or_default();
    labels.insert(OWNER.into(), json!(wish.worker));
    let asked = text(wish.body.get("Image"));
    if !asked.is_empty() {
        let name = crate::image_name::ImageName::read(asked).map(|name| name.familiar());
        labels.insert(IMAGE.into(), json!(name.unwrap_or_else(|| asked.to_owned())));
        labels.insert(ROLE.into(), json!(wish.role.role));
        if let Some(id) = wish.image.and_then(|image| image.get("Id")) {
            labels.insert(FROM.into(), id.clone());
        }
    }
    Ok(Some(labels.into()))
}

/// Whether a label is one of compose's, for a role that has compose.
fn is_compose(wish: &Wish<'_>, label: &str) -> bool {
    wish.role.verbs.contains(&Verb::Compose) && label.starts_with(COMPOSE)
}

/// Why a label is not a worker's to set: what it begins with, and what that does.
pub(crate) fn taken_label(label: &str) -> Option<&'static (&'static str, &'static str)> {
    let label = label.to_lowercase();
    TAKEN_LABELS.iter().find(|(start, _)| label.starts_with(start))
}

/// What a new name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameOf {
    /// A container.
    Container,
    /// A network.
    Network,
    /// A volume; it has no id.
    Volume,
}

impl NameOf {
    fn patterns(self, role: &DockerRole) -> Vec<Glob> {
        match self {
            NameOf::Container => objects::container_patterns(role),
            NameOf::Network => objects::network_patterns(role),
            NameOf::Volume => objects::volume_patterns(role),
        }
    }

    /// Whether the engine has something whose id begins with the name: it would from then on be found by the
    /// name's owner, and not by who knows its id.
    fn begins_an_id(self, wish: &Wish<'_>, name: &str) -> Result<bool, Refusal> {
        let lookup = match self {
            NameOf::Container => Lookup::AllContainers,
            NameOf::Network => Lookup::AllNetworks,
            NameOf::Volume => return Ok(false),
        };
        if !objects::could_begin_id(name) {
            return Ok(false);
        }
        match wish.facts.about(&lookup) {
            Some(Value::Array(all)) => Ok(all.iter().any(|object| text(object.get("Id")).starts_with(name))),
            _ => Err(Refusal::new(Reason::EngineUnavailable, "the engine did not tell which ids there are")),
        }
    }
}

/// Whether a name for a new object may be taken: not when it could be meant as an id, or when a pattern in
/// another worker's roles would name it and none of this worker's does.
pub(crate) fn free_name(wish: &Wish<'_>, name: &str, of: NameOf) -> Result<(), Refusal> {
    let refuse = |why: &str| {
        Err(Refusal::new(Reason::NameNotAllowed, why).nearest(format!("a name like {}-1", wish.worker)))
    };
    if !crate::objects::is_name(name) {
        return refuse("a name is letters, digits, '_', '.' and '-', and begins with a letter or digit");
    }
    let hex = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex && (name.len() >= 12 || name.bytes().all(|byte| byte.is_ascii_digit())) {
        return refuse("this name could be taken for an id");
    }
    if of.begins_an_id(wish, name)? {
        return refuse("this name could be taken for an id");
    }
    let names = |worker: &str| {
        objects::roles(wish.policy, worker)
            .any(|role| of.patterns(role).iter().any(|glob| glob.matches(name)))
    };
    let others = wish.policy.workers.keys().filter(|worker| worker.as_str() != wish.worker);
    if !names(wish.worker) && others.into_iter().any(|worker| names(worker)) {
        return refuse("this name is kept for others");
    }
    Ok(())
}
