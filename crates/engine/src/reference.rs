//! `docs/engine-api.md`, made from the tables.

use crate::fields::{
    CREATE, EXEC_CREATE, EXEC_START, Field, HOST_CONFIG, Literal, MOUNT, NETWORK_CONNECT, NETWORK_CREATE,
    NETWORK_DISCONNECT, Rule, VOLUME_CREATE,
};
use crate::kind::Kind;
use crate::rules::TAKEN_LABELS;
use crate::update::UPDATE;
use crate::{Access, Effect, Endpoint, Grant, Param, ParamKind, table::ENDPOINTS};
use std::fmt::Write;

/// The whole page.
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n## Endpoints\n\n| request | allowed by | effect | query |\n|---|---|---|---|\n");
    for row in ENDPOINTS.iter().filter(|row| !matches!(row.access, Access::Refused { .. })) {
        let query = row.query.iter().map(parameter).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            page,
            "| `{} {}` | {} | {} | {query} |",
            row.method,
            row.path,
            allowed_by(row),
            effect(row.effect)
        );
    }
    page.push_str("\n## Refused endpoints\n\n| request | reason | why |\n|---|---|---|\n");
    for row in ENDPOINTS {
        if let Access::Refused { reason, message, .. } = row.access {
            let _ = writeln!(page, "| `{} {}` | `{reason}` | {message} |", row.method, row.path);
        }
    }
    for (title, about, fields) in [
        ("A new container", "Body of `POST /containers/create`.", CREATE),
        ("HostConfig", "Part of a new container; judged again before `start` and `restart`.", HOST_CONFIG),
        ("A mount", "One entry of `HostConfig.Mounts`.", MOUNT),
        ("A new network", "Body of `POST /networks/create`.", NETWORK_CREATE),
        ("A connection", "Body of `POST /networks/{id}/connect`.", NETWORK_CONNECT),
        ("Its end", "Body of `POST /networks/{id}/disconnect`.", NETWORK_DISCONNECT),
        ("A new volume", "Body of `POST /volumes/create`.", VOLUME_CREATE),
        (
            "An update",
            "Body of `POST /containers/{id}/update`. What is not said, or zero, stays as it is.",
            UPDATE,
        ),
        ("A command in a container", "Body of `POST /containers/{id}/exec`.", EXEC_CREATE),
        ("Its start", "Body of `POST /exec/{id}/start`.", EXEC_START),
    ] {
        let _ = write!(page, "\n## {title}\n\n{about}\n\n| field | type | rule |\n|---|---|---|\n");
        rows(&mut page, "", fields);
    }
    page.push_str("\n## Labels that cannot be set\n\nNor inherited from an image. Compared in lower case.\n\n| begins with | because it |\n|---|---|\n");
    for (start, why) in TAKEN_LABELS {
        let _ = writeln!(page, "| `{start}` | {why} |");
    }
    page
}

fn rows(page: &mut String, path: &str, fields: &[Field]) {
    for field in fields {
        let place = format!("{path}{}", field.name);
        let mut rule = match field.rule {
            Rule::Neutral(why) => format!("stays neutral: {why}"),
            Rule::Free => "free".to_owned(),
            Rule::Judged(_) => "judged by the policy".to_owned(),
            Rule::Parts(_) => "by its parts".to_owned(),
        };
        for literal in field.neutral {
            let _ = match literal {
                Literal::Int(number) => write!(rule, "; `{number}` counts as not said"),
                Literal::Text(text) => write!(rule, "; `{text}` counts as not said"),
            };
        }
        let _ = writeln!(page, "| `{place}` | {} | {rule} |", field.kind.name());
        if !OWN_SECTION.contains(&field.name) {
            parts(page, &place, &field.kind);
        }
    }
}

/// Fields whose objects have a section of their own.
const OWN_SECTION: [&str; 2] = ["HostConfig", "Mounts"];

fn parts(page: &mut String, place: &str, kind: &Kind) {
    match kind {
        Kind::Object(fields) => rows(page, &format!("{place}."), fields),
        Kind::List(inner, _) => parts(page, &format!("{place}[]"), inner),
        Kind::Map(inner, _) => parts(page, &format!("{place}{{}}"), inner),
        _ => {}
    }
}

fn allowed_by(row: &Endpoint) -> String {
    match row.access {
        Access::Always | Access::Refused { .. } => "every worker".to_owned(),
        Access::Granted(grants) => {
            let grants = grants.iter().map(|grant| match grant {
                Grant::Verb(verb) => format!("`{}`", verb.words()),
                Grant::Own(verb) => format!("`{}` on own objects", verb.words()),
                Grant::Project(verb) => format!("`{}` on own objects of its projects", verb.words()),
            });
            grants.collect::<Vec<_>>().join(", ")
        }
    }
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::None => "none",
        Effect::ReadsOut => "reads out",
        Effect::Changes => "changes",
    }
}

fn parameter(param: &Param) -> String {
    let kind = match param.kind {
        ParamKind::Flag => "flag".to_owned(),
        ParamKind::FlagOn => "flag, on when absent".to_owned(),
        ParamKind::PsArgs => "what `ps` lists".to_owned(),
        ParamKind::Never(_) => "must be false".to_owned(),
        ParamKind::Empty(_) => "must be empty".to_owned(),
        ParamKind::Number(least, most) => format!("{least}..{most}"),
        ParamKind::OneOf(words) => words.join(" or "),
        ParamKind::Time => "Unix time".to_owned(),
        ParamKind::Tail => "`all` or a number".to_owned(),
        ParamKind::Signal => "signal".to_owned(),
        ParamKind::Text(most) => format!("text up to {most} bytes"),
        ParamKind::Neutral(..) | ParamKind::ClassicBuilder(_) => "must say nothing".to_owned(),
        ParamKind::Texts(..) => "text, more than once".to_owned(),
        ParamKind::Arguments(_) => "object of texts, kept secret".to_owned(),
        ParamKind::Labels(_) => "object of texts".to_owned(),
        ParamKind::Filters(keys) => format!("filters on {}", keys.join(" ")),
    };
    format!("`{}` ({kind})", param.name)
}

const INTRODUCTION: &str = "# The Engine API, as a worker may use it

Made from the tables in `crates/engine`; `doorward` refuses everything that stands nowhere on this page.

- A version prefix lies between 1.40 and the lower of 1.55 and what the engine speaks. Without one, a request is
  judged as the newest of those, and sent on with that version.
- A request is read, judged and built anew. Names go on as full ids, images as image ids.
- Bodies are JSON with the exact spelling of every key, no key twice, no unknown key, no number with a fraction, at
  most 32 levels. `null` counts as absent. No other body is read, and none where none is expected.
- *Neutral* is what clients send when nothing was asked. Where the role has a cap, neutral is replaced by the cap:
  `Memory`, `MemorySwap` (equal to `Memory`), `NanoCpus`, `PidsLimit`, `ShmSize`. A limit within the cap, or any limit
  where the role has none, may be asked for.
- `memory`, `cpus` and `pids` are caps of one container. All of a worker together have at most `count` times that.
- Without egress, the default network is `none`, own networks are internal, and a port can be published but leads
  nowhere. A worker has at most `count` own networks (8 when the role says no `count`).
- Own volumes are the local driver's, without options; a named volume that is absent is made with the label before the
  container that wants it, and one without a name gets the label when its container is made. A worker has at most four
  times `count` of them (32 when the role says no `count`), those without a name included.
- In a network that is not the worker's own, other containers look for each other by name: there an own container has
  no alias and no host name but its own name, and that begins with the worker's name and `-`.
- A name of hex digits alone is not given while an id begins with it, and never when it is as long as the short form
  of one. The same holds for `rename`.
- `rename` and `update` are for own containers alone.
- An image is removed when it is own (it carries the label, and all its names are in the role's `tags`), or when it came
  from a registry, the role may pull it again, and `force` is not said. Of several names only the one named goes. Images
  made on the host by others stay. The values of build arguments are left out of `history`.
- `tag`, `push` and `save` are for own images that bear a name, each with its own verb. `tag` gives names of the role's
  `tags` that no image of others bears. A push goes to the registry in the image's name and carries no password;
  `X-Registry-Auth` is never passed on.
- What an image says itself (user, volumes, folder, labels, health check) is judged as if the request said it.
- A new container carries `doorward.role`, the role that allowed it. With a `lifetime` in that role it is stopped when it
  was made so long ago, whatever its restart policy, and `start`, `restart`, `unpause`, `update` and
  `network connect` are refused; the stop is recorded like a request of the worker's, by the way `lifetime`. Under a
  role that is gone, the shortest of the worker's roles counts.
- Logs are the engine's own files of at most 256 MiB together: two of 32 MiB when nothing is said.
- One role must allow all of a request. What an own container has is judged again before `start`, `restart`, `unpause`,
  `update` and `network connect` by the role that it was made under, together with what is asked; when the worker has
  lost that role, by one that allows its image.
- Before a container starts, its present configuration is judged as if it were made now. Of a container that no worker
  owns, its limits, ports, restart policy, volumes, environment and command are the operator's choice; privileges,
  capabilities, devices, namespaces, host paths and security options are judged.
- Own objects carry the label `doorward.worker`. Objects that the worker may not see are answered as absent.
- Of a container that the role names but the worker does not own, lists and `inspect` show its shape, field by field:
  state, limits, ports, command, and the names of its variables and labels. Their values, its host paths, health check
  and log settings, and what it shares with objects that the worker does not see, are left out.
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/engine-api.md");
        let page = super::reference();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let stands = std::fs::read_to_string(path).unwrap_or_default();
        assert!(stands == page, "docs/engine-api.md is not current: run the test with UPDATE=1");
    }
}
