//! What a judgement lets through.

use crate::redact::redacted;
use crate::{Answer, Effect, Expected, Request, Shape, Travel};
use doorward_policy::{DockerRole, Policy, Verb};
use serde_json::{Value, json};

/// A request as it is sent to the engine: all of it rebuilt, nothing of it the worker's bytes.
#[derive(Debug)]
pub struct Approved {
    /// The rule that allows it: `role.docker.verb`, an exec rule's id, or `always`.
    pub rule: String,
    /// The docker verb that was used, as the policy spells it.
    pub verb: &'static str,
    /// The typed operation for the audit log; secrets removed.
    pub operation: Value,
    /// Full ids (volumes: names) of the objects it concerns.
    pub objects: Vec<String>,
    /// What it does to the host.
    pub effect: Effect,
    /// HTTP method.
    pub method: &'static str,
    /// Path with version, and query; percent-encoded.
    pub target: String,
    /// Headers beyond `Host` and `Content-Length`: `Content-Type`, and `Connection` with `Upgrade`.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Option<Vec<u8>>,
    /// How the answer travels.
    pub shape: Shape,
    /// What of the answer the worker sees. Streams and hijacked connections pass as they are; their error
    /// answers (status 400 and above) go through [`crate::Answer::apply`] like any other.
    pub answer: Answer,
    /// After a create: what the new object must be.
    pub expected: Option<Expected>,
    /// Host paths that the broker must find safe before this is sent.
    pub binds: Vec<String>,
    /// What must be made before this is sent, in this order: each answered with 201 and by an answer that
    /// [`crate::Answer::apply`] takes.
    pub beforehand: Vec<Approved>,
    /// What of a stream of events is passed on; `None` for every other stream.
    pub events: Option<crate::EventFilter>,
    /// Of a build: what is to become of its context and its answer.
    pub build: Option<Box<crate::Build>>,
}

impl Approved {
    /// A change that no request asked for, but that doorward makes for one, or for a rule.
    pub(crate) fn unasked(
        rule: String,
        verb: Verb,
        target: String,
        operation: Value,
        object: &str,
    ) -> Approved {
        Approved {
            rule,
            verb: verb.words(),
            operation,
            objects: vec![object.to_owned()],
            effect: Effect::Changes,
            method: "POST",
            target,
            headers: Vec::new(),
            body: None,
            shape: Shape::Whole,
            answer: Answer::pass(),
            expected: None,
            binds: Vec::new(),
            beforehand: Vec::new(),
            events: None,
            build: None,
        }
    }

    /// Adds the rebuilt body.
    pub(crate) fn with_body(mut self, body: &Value) -> Approved {
        self.headers.push(("Content-Type", "application/json".to_owned()));
        self.body = Some(body.to_string().into_bytes());
        self.effect = Effect::Changes;
        self
    }
}

/// A rule as records name it.
pub(crate) fn rule(role: &DockerRole, verb: Verb) -> String {
    format!("{}.docker.{}", role.role, verb.words())
}

/// An approval by an endpoint's row alone; what the row does not say is filled in by who judges.
pub(crate) fn approve(request: &Request, policy: &Policy, rule: &str, verb: Verb) -> Approved {
    let endpoint = request.endpoint();
    let query = redacted(&request.call.query.record(), policy);
    let mut headers = Vec::new();
    if request.call.upgrade {
        headers.push(("Connection", "Upgrade".to_owned()));
        headers.push(("Upgrade", "tcp".to_owned()));
    }
    Approved {
        rule: rule.to_owned(),
        verb: verb.words(),
        operation: json!({"op": format!("{} {}", endpoint.method, endpoint.path), "on": request.call.params, "query": query}),
        objects: Vec::new(),
        effect: endpoint.effect,
        method: endpoint.method,
        target: format!("/v{}{}{}", request.version(), endpoint.path, request.call.query.render(&[])),
        headers,
        body: None,
        shape: match endpoint.travel {
            Travel::Whole => Shape::Whole,
            Travel::Stream => Shape::Stream,
            Travel::Hijack => Shape::Hijack { stdin: false },
        },
        answer: Answer::pass(),
        expected: None,
        binds: Vec::new(),
        beforehand: Vec::new(),
        events: None,
        build: None,
    }
}
