//! From messages to audit records, with the policy's secrets taken out.

use doorward_audit::{Entry, Http, Kind, Outcome, Verdict};
use doorward_policy::Runs;
use doorward_wire::broker::{Asker, Decision, End, HttpRecord, RequestId, Stage, StageErr, StageOut};
use serde_json::{Map, Value};

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
            target: clean(http.target),
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

/// Every string of a value with the policy's patterns taken out; keys stay. Beyond [`DEEPEST`] nothing is
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
            all.into_iter().map(|(key, one)| (key, redacted(one, runs, depth.saturating_add(1)))).collect(),
        ),
        other => other,
    }
}
