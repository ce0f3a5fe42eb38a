//! What is written down of a request.

use crate::rules::Rules;
use crate::visit::Visit;
use doorward_engine::{Approved, Effect};
use doorward_policy::{Reason, Refusal};
use doorward_wire::broker::{Decision, HttpRecord, RequestId, ToBroker};
use doorward_wire::client::LinkError;
use hyper::{Method, Uri};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Most bytes of a method or target in a record.
const LONGEST: usize = 4096;
/// Query parameters whose values may be secrets; their names are recorded, their values are not.
const SECRET: [&str; 5] = ["buildargs", "remote", "outputs", "changes", "labels"];

/// One request as it is recorded.
#[derive(Debug)]
pub(crate) struct Asked {
    /// New for each request.
    pub(crate) request: RequestId,
    http: HttpRecord,
    /// What is known of its meaning so far.
    operation: Value,
}

impl Asked {
    /// A request whose head came.
    pub(crate) fn new(method: &Method, target: &Uri) -> Self {
        let http = HttpRecord { method: bounded(method.as_str()), target: shown(target), body_sha256: None };
        Asked { request: RequestId::new(), http, operation: json!({}) }
    }

    /// Something that did not get as far as a head.
    pub(crate) fn nothing() -> Self {
        Asked::new(&Method::GET, &Uri::from_static("/"))
    }

    /// A further record of the same request.
    pub(crate) fn again(&self) -> Self {
        Asked { request: RequestId::new(), http: self.http.clone(), operation: self.operation.clone() }
    }

    /// The endpoint is known.
    pub(crate) fn endpoint(&mut self, endpoint: &doorward_engine::Endpoint) {
        self.operation = json!({ "endpoint": format!("{} {}", endpoint.method, endpoint.path) });
    }

    /// The body came.
    pub(crate) fn body(&mut self, bytes: &[u8]) {
        self.http.body_sha256 = (!bytes.is_empty()).then(|| hex(&Sha256::digest(bytes)));
    }

    /// The operation of a request that is let through.
    pub(crate) fn approved(&mut self, approved: &Approved) {
        self.operation = approved.operation.clone();
    }

    /// Answered as absent without the engine.
    pub(crate) fn absent(&mut self) {
        if let Some(operation) = self.operation.as_object_mut() {
            operation.insert("answered".into(), "absent".into());
        }
    }

    /// Writes that this is let through. For what changes the host or takes something out of it, returns when the
    /// record is durable. What only looks does not wait for its record, as long as records can be written.
    ///
    /// # Errors
    /// When it cannot be written: the request must not be done.
    pub(crate) async fn allow(
        &self,
        visit: &Visit,
        rules: &Rules,
        rule: Option<&str>,
        objects: &[String],
        effect: Effect,
    ) -> Result<(), Refusal> {
        let decision = Decision { allow: true, rule: rule.map(Into::into), reason: None, message: None };
        let durable = effect != Effect::None;
        let intent = self.intent(visit, &rules.hash, decision, objects.to_vec(), durable);
        let (broker, request) = (&visit.proxy.broker, self.request.clone());
        let recorded = match effect {
            Effect::None => broker.intend_soon(request, intent).await,
            Effect::ReadsOut | Effect::Changes => broker.intent(request, intent).await.map(drop),
        };
        recorded.map_err(unrecorded)
    }

    /// Writes that this is refused. Returns when the record stands.
    ///
    /// # Errors
    /// When it cannot be written; the worker is then told that instead.
    pub(crate) async fn deny(&self, visit: &Visit, hash: &str, refusal: &Refusal) -> Result<(), Refusal> {
        let decision = Decision {
            allow: false,
            rule: refusal.rule.clone(),
            reason: Some(refusal.reason.code().into()),
            message: Some(refusal.message.clone()),
        };
        let intent = self.intent(visit, hash, decision, Vec::new(), false);
        visit.proxy.broker.intent(self.request.clone(), intent).await.map(drop).map_err(unrecorded)
    }

    fn intent(
        &self,
        visit: &Visit,
        hash: &str,
        decision: Decision,
        objects: Vec<String>,
        durable: bool,
    ) -> ToBroker {
        ToBroker::Intent {
            request: self.request.clone(),
            asker: visit.asker(),
            policy: hash.to_owned(),
            decision,
            operation: with_weaker(&self.operation, &visit.proxy.weaker),
            argv: None,
            line_base64: None,
            http: Some(self.http.clone()),
            objects,
            durable,
        }
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The broker's no as a refusal.
pub(crate) fn unrecorded(error: LinkError) -> Refusal {
    match error {
        LinkError::Gone => Refusal::new(
            Reason::BrokerUnavailable,
            "doorward's broker is gone, so nothing can be recorded and nothing was done",
        ),
        LinkError::Refused { reason, message } => {
            Refusal::new(Reason::named(&reason).unwrap_or(Reason::Internal), message)
        }
    }
}

/// An operation, with what is weaker in this process than designed.
pub(crate) fn with_weaker(operation: &Value, weaker: &[String]) -> Value {
    let mut operation = operation.clone();
    if let (Some(fields), false) = (operation.as_object_mut(), weaker.is_empty()) {
        fields.insert("weaker".into(), json!(weaker));
    }
    operation
}

fn shown(target: &Uri) -> String {
    let Some(query) = target.query() else { return bounded(target.path()) };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret)) => {
            format!("{name}=(removed)")
        }
        _ => pair.to_owned(),
    });
    bounded(&format!("{}?{}", target.path(), pairs.collect::<Vec<_>>().join("&")))
}

fn bounded(text: &str) -> String {
    let clean = text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter });
    let mut left = LONGEST;
    clean
        .take_while(|letter| {
            let fits = left >= letter.len_utf8();
            left = left.saturating_sub(letter.len_utf8());
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_may_be_secret_are_not_recorded() {
        let target =
            "/v1.41/build?t=x&buildargs=%7B%22TOKEN%22%3A%22hush%22%7D&BuildArgs=hush".parse().unwrap();
        let asked = Asked::new(&Method::POST, &target);
        assert_eq!(asked.http.target, "/v1.41/build?t=x&buildargs=(removed)&BuildArgs=(removed)");
    }

    #[test]
    fn a_long_target_is_cut() {
        let target = format!("/{}", "a".repeat(9000)).parse().unwrap();
        assert_eq!(Asked::new(&Method::GET, &target).http.target.len(), LONGEST);
    }

    #[test]
    fn what_is_weaker_stands_in_every_operation() {
        let with = with_weaker(&json!({"endpoint": "GET /info"}), &["landlock".into()]);
        assert_eq!(with["weaker"], json!(["landlock"]));
        assert_eq!(with_weaker(&json!({}), &[]), json!({}));
    }
}
