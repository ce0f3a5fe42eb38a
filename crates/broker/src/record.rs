//! From messages to audit records, with the policy's secrets taken out.

use doorward_audit::{Entry, Http, Kind, Outcome, Verdict};
use doorward_policy::Runs;
use doorward_wire::broker::{Asker, Decision, End, HttpRecord, RequestId, Stage, StageErr, StageOut};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Deepest operation that is recorded as it is.
const DEEPEST: usize = 32;

/// What a request's record says beyond who asks.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a RequestId,
    pub(crate) asker: &'a Asker,
    pub(crate) policy: &'a str,
    pub(crate) decision: Decision,
    pub(crate) operation: Option<Value>,
    pub(crate) argv: Option<Vec<String>>,
    pub(crate) line_base64: Option<String>,
    pub(crate) http: Option<HttpRecord>,
    pub(crate) objects: Vec<String>,
    pub(crate) weaker: Vec<String>,
}

/// The `intent` record of a request.
pub(crate) fn intent(asked: Asked<'_>, runs: &Runs) -> Entry {
    let Asked { request, asker, policy, decision, operation, argv, line_base64, http, objects, weaker } =
        asked;
    let clean = |text: String| runs.redact(&text).into_owned();
    Entry {
        request: Some(request.0.clone()),
        session: Some(asker.session.clone()),
        worker: Some(asker.worker.clone()).filter(|worker| !worker.is_empty()),
        uid: Some(asker.uid),
        key: asker.key.clone(),
        source: asker.source.clone(),
        way: Some(asker.way.clone()),
        operation: operation.map(|operation| redacted(operation, runs, 0)),
        argv: argv.map(|argv| runs.redact_words(&argv)),
        line_base64,
        http: http.map(|http| Http {
            method: http.method,
            target: clean_target(&http.target, runs),
            body_sha256: http.body_sha256,
        }),
        objects,
        verdict: Some(if decision.allow { Verdict::Allow } else { Verdict::Deny }),
        rule: decision.rule,
        reason: decision.reason,
        message: decision.message.map(clean),
        policy: Some(policy.to_owned()),
        weaker,
        ..Entry::new(Kind::Intent)
    }
}

/// The `outcome` record of a request whose intent has the number `intent`.
pub(crate) fn outcome(request: &RequestId, worker: &str, intent: u64, outcome: Outcome) -> Entry {
    Entry {
        request: Some(request.0.clone()),
        worker: Some(worker.to_owned()).filter(|worker| !worker.is_empty()),
        intent: Some(intent),
        outcome: Some(outcome),
        ..Entry::new(Kind::Outcome)
    }
}

/// What a stage's record says of its place among `of` and of its redirections; a command by itself without
/// any says nothing.
pub(crate) fn of_stage(stage: &Stage, at: usize, of: usize) -> Option<Value> {
    let mut says = Map::new();
    let mut say = |name: &str, value: Value| says.insert(name.to_owned(), value);
    if of > 1 {
        say("stage", at.saturating_add(1).into());
        say("of", of.into());
    }
    match stage.out {
        StageOut::Next => None,
        StageOut::Null => say("out", "null".into()),
    };
    match stage.err {
        StageErr::Line => None,
        StageErr::Null => say("err", "null".into()),
        StageErr::Next => say("err", "next".into()),
    };
    if says.is_empty() {
        return None;
    }
    says.insert("op".to_owned(), "command".into());
    Some(Value::Object(says))
}

/// A target without what the policy's patterns find in it when it is read as what it stands for.
fn clean_target(target: &str, runs: &Runs) -> String {
    let found = |text: &str| match runs.redact(&unescaped(text)) {
        Cow::Owned(redacted) => Some(redacted),
        Cow::Borrowed(_) => None,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = found(path).unwrap_or_else(|| path.to_owned());
    if query.is_empty() {
        return path;
    }
    let pairs = query.split('&').map(|pair| match (found(pair), pair.split_once('=')) {
        (None, _) => pair.to_owned(),
        (Some(_), Some((name, _))) if found(name).is_none() => format!("{name}=[redacted]"),
        (Some(_), _) => "[redacted]".to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// What percent-encoding stands for; what is none stays.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|digits| match (first, digits) {
            (b'%', [high, low]) => hex(*high)?.checked_mul(16)?.checked_add(hex(*low)?),
            _ => None,
        });
        bytes.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// How a command ended, in the record's words.
pub(crate) fn of_end(end: &End, millis: u64, run: &str) -> Outcome {
    let base = Outcome { millis, run: Some(run.to_owned()), ..Outcome::default() };
    match end {
        End::Exited { code } => Outcome { how: "exited".into(), exit: Some(i32::from(*code)), ..base },
        End::Signaled { signal } => {
            Outcome { how: "signaled".into(), signal: Some(i32::from(*signal)), ..base }
        }
        End::Deadline => Outcome { how: "deadline".into(), ..base },
        End::Cancelled { why } => Outcome { how: "cancelled".into(), error: Some(why.clone()), ..base },
        End::SpawnFailed { step, error } => {
            Outcome { how: "spawn_failed".into(), error: Some(format!("step {step}: {error}")), ..base }
        }
    }
}

/// Every string of a value, names among them, with the policy's patterns taken out. Beyond [`DEEPEST`] nothing is
/// kept, since no operation is that deep.
fn redacted(value: Value, runs: &Runs, depth: usize) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    match value {
        Value::String(text) => Value::String(runs.redact(&text).into_owned()),
        Value::Array(all) => {
            Value::Array(all.into_iter().map(|one| redacted(one, runs, depth.saturating_add(1))).collect())
        }
        Value::Object(all) => Value::Object(
            all.into_iter()
                .map(|(key, one)| {
                    (runs.redact(&key).into_owned(), redacted(one, runs, depth.saturating_add(1)))
                })
                .collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorward_policy::{Bundle, Policy, Source};

    fn runs() -> Runs {
        let file = Source { path: "/p.toml".into(), text: "version = 1\n".into() };
        Policy::load(&Bundle { files: vec![file] }).unwrap().runs
    }

    #[test]
    fn a_secret_in_a_target_is_found_behind_its_escapes() {
        for (target, kept) in [
            ("/v1.41/containers/json?all=1", "/v1.41/containers/json?all=1"),
            ("/v1.41/x?name=password%3Dhush&a=%", "/v1.41/x?name=[redacted]&a=%"),
            (
                "/v1.41/x?filters=%7B%22label%22%3A%7B%22password%3Dhush%22%3Atrue%7D%7D",
                "/v1.41/x?filters=[redacted]",
            ),
            ("/v1.41/x?pass%77ord=hush", "/v1.41/x?pass%77ord=[redacted]"),
            ("/v1.41/x/password%3dhush/y", "/v1.41/x/[redacted]"),
        ] {
            assert_eq!(clean_target(target, &runs()), kept);
        }
    }

    #[test]
    fn a_secret_in_a_name_is_found() {
        let operation = serde_json::json!({"query": {"filters": {"label": {"password=hush": true}}}});
        assert!(!redacted(operation, &runs(), 0).to_string().contains("hush"));
    }
}
