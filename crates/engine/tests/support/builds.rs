//! What holds for every Dockerfile and every context, whatever its bytes. The property tests and the fuzz targets
//! share this file; the readers in it are small ones of its own.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each of those that share it uses a part; an invariant that fails panics"
)]

use super::support::{answer, ceiling, policy_of};
use doorward_engine::{
    ContextReader, Decision, Facts, JUDGED_DOCKERFILE, Planned, Request, judge, read_head,
};
use doorward_policy::Policy;
use std::sync::LazyLock;

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = include_str!("../data/policy.toml").replace("\"df\", ", "\"df\", \"build\", ");
    policy_of(&text.replace("images     =", "tags       = [\"hermes/*\"]\nimages     ="))
});

/// Bytes of a block of an archive.
const BLOCK: usize = 512;

/// Any bytes as a Dockerfile; whether it is let through.
pub(crate) fn of_dockerfile(bytes: &[u8]) -> bool {
    let Some(planned) = planned(Some(bytes)) else { return false };
    let text = String::from_utf8(planned.dockerfile).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(text.ends_with('\n'), "{text}");
    for (place, line) in lines.iter().enumerate() {
        let (keyword, rest) = line.split_once(' ').unwrap();
        assert!(!rest.trim().is_empty() && !line.trim_end().ends_with('\\'), "{line:?}");
        assert!(
            line.chars().all(|c| c == '\t' || c == ' ' || !(c.is_control() || c.is_whitespace())),
            "{line:?}"
        );
        match keyword {
            "FROM" => {
                let words: Vec<&str> = rest.split(' ').collect();
                assert!(
                    matches!(words.as_slice(), [from, "AS", name] if is_source(from) && is_stage(name)),
                    "{line}"
                );
                // All that a stage leaves bears the label of whose it is.
                assert_eq!(lines.get(place + 1), Some(&OWNER), "{text}");
            }
            "COPY" => {
                let options = rest.split(' ').take_while(|word| word.starts_with("--"));
                for option in options {
                    let source = option.strip_prefix("--from=");
                    assert!(source.is_some_and(is_source) || option.starts_with("--chown="), "{line}");
                }
                assert!(!rest.contains("<<"), "{line}");
            }
            "RUN" => assert!(!rest.contains("<<") && !rest.starts_with("--"), "{line}"),
            "LABEL" => {
                let names = |word: &str| word.to_lowercase().starts_with("doorward.");
                let owner = rest.split([' ', '\t']).any(names) && *line != OWNER;
                assert!(!owner || rest.contains(['"', '\'']), "{line}");
            }
            "HEALTHCHECK" => {}
            "ARG" | "CMD" | "ENTRYPOINT" | "ENV" | "EXPOSE" | "MAINTAINER" | "SHELL" | "STOPSIGNAL"
            | "USER" | "VOLUME" | "WORKDIR" => assert!(!rest.starts_with("--"), "{line}"),
            _ => panic!("{line}"),
        }
    }
    true
}

/// The first step of each stage.
const OWNER: &str = "LABEL doorward.worker=\"hermes\"";

fn is_source(word: &str) -> bool {
    let hex = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    word == "scratch" || hex || is_stage(word)
}

fn is_stage(word: &str) -> bool {
    word.strip_prefix("stage-").is_some_and(|number| number.parse::<u16>().is_ok())
}

/// A byte that says in how large pieces they come, and then any bytes as a context; whether it is let through.
pub(crate) fn of_context(bytes: &[u8]) -> bool {
    let Some((size, bytes)) = bytes.split_first() else { return false };
    let Some(approved) = head() else { panic!("the head is let through") };
    let mut reader = ContextReader::new(&approved);
    let mut sent = Vec::new();
    for piece in bytes.chunks(usize::from(*size).max(1) * 16) {
        if reader.push(piece, &mut sent).is_err() {
            return false;
        }
    }
    let Ok(_) = reader.end(&mut sent) else { return false };
    sent.extend(reader.seal(b"judged"));
    let names = names(&sent);
    assert_eq!(names.last().map(String::as_str), Some(JUDGED_DOCKERFILE));
    assert_eq!(names.iter().filter(|name| *name == JUDGED_DOCKERFILE).count(), 1);
    assert_eq!(names.iter().filter(|name| *name == ".dockerignore").count(), 1);
    for name in names {
        let parts = name.strip_prefix("./").unwrap_or(&name).trim_end_matches('/').split('/');
        assert!(!name.starts_with('/') && parts.into_iter().all(|part| part != ".."), "{name:?}");
    }
    true
}

/// The names in an archive that was written anew.
fn names(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut long: Option<String> = None;
    loop {
        let (head, rest) = bytes.split_at(BLOCK);
        if head.iter().all(|byte| *byte == 0) {
            assert!(rest.len() == BLOCK && rest.iter().all(|byte| *byte == 0), "more than the end");
            return names;
        }
        let field = |from: usize, to: usize| {
            let field = head.get(from..to).unwrap();
            String::from_utf8(field.iter().copied().take_while(|byte| *byte != 0).collect()).unwrap()
        };
        let size = usize::from_str_radix(&field(124, 135), 8).unwrap();
        let (data, after) = rest.split_at(size.next_multiple_of(BLOCK));
        bytes = after;
        match head.get(156) {
            Some(b'x') => {
                let text = String::from_utf8(data.get(..size).unwrap().to_vec()).unwrap();
                long = text.split_once(" path=").map(|(_, rest)| rest.split('\n').next().unwrap().to_owned());
                long = long.or(Some(String::new()));
            }
            Some(b'0' | b'1' | b'2' | b'5') => {
                let told = long.take().filter(|long| !long.is_empty());
                names.push(told.unwrap_or_else(|| field(0, 100)));
            }
            other => panic!("an entry of another kind: {other:?}"),
        }
    }
}

fn head() -> Option<doorward_engine::Build> {
    let request = request();
    match decided(&request) {
        Decision::Forward(approved) => approved.build.map(|build| *build),
        _ => None,
    }
}

fn planned(dockerfile: Option<&[u8]>) -> Option<Planned> {
    let request = request().with_dockerfile(dockerfile?).ok()?;
    match decided(&request) {
        Decision::Forward(approved) => approved.build?.planned,
        Decision::Refuse(_) => None,
        Decision::Answer { .. } => panic!("a build is not answered without the engine"),
    }
}

fn request() -> Request {
    let target = "/v1.41/build?t=hermes%2Fx%3A1&buildargs=%7B%22A%22%3A%22b%22%7D";
    read_head("POST", target, &[], ceiling()).unwrap().with_body(Some(b"application/x-tar"), &[]).unwrap()
}

fn decided(request: &Request) -> Decision {
    let mut facts = Facts::default();
    loop {
        let needs = request.needs(&facts, &POLICY, "hermes");
        if needs.is_empty() {
            return judge(request, &facts, &POLICY, "hermes");
        }
        for lookup in needs {
            let found = answer(&lookup);
            facts.found.insert(lookup, found);
        }
    }
}
