//! The labels by which compose knows what belongs to it: which there are, and what each may say.

use super::{Wish, listed, not_allowed};
use crate::objects;
use doorward_policy::{DockerRole, Refusal, Verb};
use serde_json::{Map, Value};

/// The beginning of all of them.
pub(crate) const COMPOSE: &str = "com.docker.compose.";

/// The label that says which project an object belongs to.
pub(crate) const PROJECT: &str = "com.docker.compose.project";

/// What the value of a label may be.
#[derive(Debug, Clone, Copy)]
enum Says {
    /// One of the role's `projects`.
    Project,
    /// The name of a service, a network, a volume or a container.
    Name,
    /// A number of at most nine digits.
    Number,
    /// `True` or `False`.
    Truth,
    /// A digest in hex digits, with or without its kind.
    Digest,
    /// A version, like `2.40.3` or `v2.40.3-desktop.1`.
    Version,
    /// Names and conditions: `db:service_started:false,cache:service_healthy:true`.
    Names,
    /// Paths on the worker's side. They mean nothing on the host: no tool opens them but the worker's own.
    Paths,
}

/// The table: every label that compose 1.29 and 2.40 put on what they make, and no other.
const LABELS: &[(&str, Says)] = &[
    ("config-hash", Says::Digest),
    ("container-number", Says::Number),
    ("depends_on", Says::Names),
    ("image", Says::Digest),
    ("image.builder", Says::Name),
    ("network", Says::Name),
    ("oneoff", Says::Truth),
    ("project", Says::Project),
    ("project.config_files", Says::Paths),
    ("project.environment_file", Says::Paths),
    ("project.working_dir", Says::Paths),
    ("replace", Says::Name),
    ("service", Says::Name),
    ("slug", Says::Digest),
    ("version", Says::Version),
    ("volume", Says::Name),
];

impl Says {
    fn fits(self, value: &str, role: &DockerRole) -> bool {
        let short = |most: usize| value.len() <= most;
        let of = |more: &[u8]| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte));
        match self {
            Says::Project => role.has_project(value),
            Says::Name => value.is_empty() || objects::is_name(value),
            Says::Number => short(9) && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()),
            Says::Truth => ["True", "False"].contains(&value),
            Says::Digest => {
                let hex = value.strip_prefix("sha256:").unwrap_or(value);
                short(71) && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            }
            Says::Version => short(64) && of(b".+-"),
            Says::Names => short(4096) && of(b"_.-:,"),
            Says::Paths => short(4096) && !value.chars().any(char::is_control),
        }
    }

    fn described(self, role: &DockerRole) -> String {
        match self {
            Says::Project => compose_projects(role),
            Says::Name => "a name: letters, digits, '_', '.' and '-'".to_owned(),
            Says::Number => "a number".to_owned(),
            Says::Truth => "True, False".to_owned(),
            Says::Digest => "hex digits in lower case".to_owned(),
            Says::Version => "a version like 2.40.3".to_owned(),
            Says::Names => "names of services with their conditions".to_owned(),
            Says::Paths => "paths of at most 4096 bytes".to_owned(),
        }
    }
}

/// Which projects a role has, for a hint.
pub(crate) fn compose_projects(role: &DockerRole) -> String {
    match role.verbs.contains(&Verb::Compose) {
        true => listed(
            role.projects.iter().map(|glob| format!("docker compose -p {}", glob.0)),
            "the role has no projects",
        ),
        false => "no compose: it is not among the role's verbs".to_owned(),
    }
}

/// One label of compose's, in the labels that an object is going to have.
pub(super) fn compose_label(
    wish: &Wish<'_>,
    labels: &Map<String, Value>,
    name: &str,
    value: &Value,
) -> Result<(), Refusal> {
    let of = |name: &str| name.strip_prefix(COMPOSE).map(str::to_owned);
    let known = LABELS.iter().find(|(known, _)| of(name).as_deref() == Some(known));
    let Some((_, says)) = known else {
        let message = format!("compose has no label '{}'", crate::query::shown(name));
        return Err(not_allowed(message).nearest("labels of your own, like purpose=bench"));
    };
    let value = value.as_str().unwrap_or_default();
    if !says.fits(value, wish.role) {
        let message = match says {
            Says::Project => {
                format!("the compose project '{}' is not in the role's projects", crate::query::shown(value))
            }
            _ => format!("the label '{name}' does not say what compose says in it"),
        };
        return Err(not_allowed(message).nearest(says.described(wish.role)));
    }
    if !labels.contains_key(PROJECT) {
        let message = format!("the label '{name}' belongs to a compose project, and there is none");
        return Err(not_allowed(message).nearest(compose_projects(wish.role)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorward_policy::{Bundle, Policy, Source};

    fn policy() -> Policy {
        let text = "version = 1\n[worker.w]\nuser = \"w\"\nroles = [\"r\"]\n[role.r]\nabout = \"A.\"\n\
                    [role.r.docker]\nverbs = [\"compose\"]\nprojects = [\"lab-*\"]\n";
        let file = Source { path: "/policy.toml".into(), text: text.into() };
        Policy::load(&Bundle { files: vec![file] }).unwrap_or_else(|errors| panic!("{errors:#?}"))
    }

    #[test]
    fn each_label_says_what_compose_says_in_it_and_nothing_else() {
        let policy = policy();
        let role = policy.docker_roles("w").next().unwrap();
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (name, good, bad) in [
            ("config-hash", vec![digest], vec!["E3", "xyz", "e3;rm"]),
            ("container-number", vec!["1", "12"], vec!["", "-1", "1e9", "1234567890"]),
            (
                "depends_on",
                vec!["", "db:service_started:false,c_1.x:service_healthy:true"],
                vec!["a b", "a\nb", "$(x)"],
            ),
            ("image", vec![&*format!("sha256:{digest}")], vec!["busybox:latest"]),
            ("network", vec!["default"], vec!["-x", "a/b", "a b"]),
            ("oneoff", vec!["True", "False"], vec!["", "true", "Truest"]),
            (
                "project",
                vec!["lab-", "lab-one", "lab-a_b-1"],
                vec!["", "lab", "prod", "Lab-x", "lab-X", "lab-a.b", "lab-a/b", "lab-ä", "lab-a b"],
            ),
            ("project.working_dir", vec!["/srv/über uns"], vec!["/srv\n", "/srv\u{1b}[2J"]),
            ("service", vec!["web"], vec!["web db", "we\u{212a}b"]),
            ("version", vec!["1.29.2", "v2.40.3-desktop.1", "2.0.0+ds1-6"], vec!["2.40 3", "<2>"]),
        ] {
            let (_, says) = LABELS.iter().find(|(known, _)| *known == name).unwrap();
            for value in good {
                assert!(says.fits(value, role), "{name}={value}");
            }
            for value in bad {
                assert!(!says.fits(value, role), "{name}={value}");
            }
        }
    }
}
