//! What is written down of a request.

use crate::outcome::Outcome;
use crate::rules::Rules;
use crate::visit::Visit;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_engine::{Approved, Effect};
use doorward_policy::{Reason, Refusal};
use doorward_wire::broker::{Decision, HttpRecord, MAX_REQUEST, RequestId, ToBroker};
use doorward_wire::client::LinkError;
use hyper::{Method, Uri};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::io;

/// Most bytes of a method or target in a record.
const LONGEST: usize = 4096;
/// The same where it was not understood what the request is.
const UNREAD: usize = 1024;
/// Longest operation in a record, in bytes of JSON: a quarter of what the broker takes in one message. Of a longer
/// one, parts up to the second length stay.
const OPERATION: usize = MAX_REQUEST / 4;
const OPERATION_PART: usize = 4096;
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
        let http = HttpRecord {
            method: bounded(method.as_str(), LONGEST),
            target: shown(target),
            body_sha256: None,
        };
        Asked { request: RequestId::new(), http, operation: json!({}) }
    }

    /// Bytes that have no request's head: of them their length, their digest and how they begin.
    pub(crate) fn no_request(bytes: &[u8]) -> Self {
        let http = HttpRecord { method: String::new(), target: String::new(), body_sha256: None };
        let mut operation =
            json!({ "op": "no request", "bytes": bytes.len(), "sha256": hex(&Sha256::digest(bytes)) });
        if let (Some(fields), Some((name, begins))) = (operation.as_object_mut(), beginning(bytes)) {
            fields.insert(name.into(), begins.into());
        }
        Asked { request: RequestId::new(), http, operation }
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
    /// record is durable. What only looks does not wait for its record, as long as records can be written. How it
    /// ends is told when the outcome is dropped, also when this is given up halfway.
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
    ) -> Result<Outcome, Refusal> {
        let decision = Decision { allow: true, rule: rule.map(Into::into), reason: None, message: None };
        let durable = effect != Effect::None;
        let intent = self.intent(visit, &rules.hash, decision, objects.to_vec(), durable);
        let (broker, request) = (&visit.proxy.broker, self.request.clone());
        let outcome = Outcome::of(broker, &request);
        let recorded = match effect {
            Effect::None => broker.intend_soon(request, intent).await,
            Effect::ReadsOut | Effect::Changes => broker.intent(request, intent).await.map(drop),
        };
        match recorded {
            Ok(()) => Ok(outcome),
            Err(error) => {
                outcome.void();
                Err(unrecorded(error))
            }
        }
    }

    /// Writes that this is refused. Returns when the record stands.
    ///
    /// # Errors
    /// When it cannot be written; the worker is then told that instead.
    pub(crate) async fn deny(&self, visit: &Visit, hash: &str, refusal: &Refusal) -> Result<(), Refusal> {
        let intent = self.denial(visit, hash, refusal);
        visit.proxy.broker.intent(self.request.clone(), intent).await.map(drop).map_err(unrecorded)
    }

    /// The same of what is answered as absent: waited for no longer than what is absent is, as the time that it takes
    /// would tell the two apart.
    ///
    /// # Errors
    /// As [`Self::deny`].
    pub(crate) async fn deny_as_absent(
        &self,
        visit: &Visit,
        hash: &str,
        refusal: &Refusal,
    ) -> Result<(), Refusal> {
        let intent = self.denial(visit, hash, refusal);
        visit.proxy.broker.intend_soon(self.request.clone(), intent).await.map_err(unrecorded)
    }

    fn denial(&self, visit: &Visit, hash: &str, refusal: &Refusal) -> ToBroker {
        let decision = Decision {
            allow: false,
            rule: refusal.rule.clone(),
            reason: Some(refusal.reason.code().into()),
            message: Some(refusal.message.clone()),
        };
        let mut intent = self.intent(visit, hash, decision, Vec::new(), false);
        if let (ToBroker::Intent { http: Some(http), .. }, true) = (&mut intent, self.is_unread()) {
            for text in [&mut http.method, &mut http.target] {
                *text = bounded(text, UNREAD);
            }
        }
        intent
    }

    /// Whether not even the endpoint is known.
    fn is_unread(&self) -> bool {
        self.operation.as_object().is_some_and(serde_json::Map::is_empty)
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
            operation: with_weaker(&fitted(&self.operation), &visit.proxy.weaker),
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

/// An operation that is short enough to be recorded: of what is too long its length and digest stand in its place,
/// beside the digest of the whole body that the worker sent.
fn fitted(operation: &Value) -> Value {
    if fits(operation, OPERATION) {
        return operation.clone();
    }
    let whole = || cut(operation);
    let Some(parts) = operation.as_object() else { return whole() };
    let parts = parts.iter().map(|(name, part)| {
        (name.clone(), if fits(part, OPERATION_PART) { part.clone() } else { cut(part) })
    });
    Some(parts.collect::<Value>()).filter(|fitted| fits(fitted, OPERATION)).unwrap_or_else(whole)
}

fn cut(value: &Value) -> Value {
    let text = value.to_string();
    json!({ "cut": { "bytes": text.len(), "sha256": hex(&Sha256::digest(text)) } })
}

fn fits(value: &Value, most: usize) -> bool {
    serde_json::to_writer(Room(most), value).is_ok()
}

/// Takes so many bytes and fails at the next.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
    let Some(query) = target.query() else { return bounded(target.path(), LONGEST) };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret)) => {
            format!("{name}=(removed)")
        }
        _ => pair.to_owned(),
    });
    bounded(&format!("{}?{}", target.path(), pairs.collect::<Vec<_>>().join("&")), LONGEST)
}

/// The first line of what is no request, without a query, as text or in base64. What begins like a body is left
/// out, since a body may hold secrets.
fn beginning(bytes: &[u8]) -> Option<(&'static str, String)> {
    let first = bytes.trim_ascii_start();
    if first.is_empty() || first.starts_with(b"{") || first.starts_with(b"[") {
        return None;
    }
    let line = first.split(|byte| matches!(byte, b'\r' | b'\n' | b'?')).next().unwrap_or_default();
    let line = line.get(..UNREAD).unwrap_or(line);
    match std::str::from_utf8(line).ok().filter(|text| !text.chars().any(char::is_control)) {
        Some(text) => Some(("begins", text.to_owned())),
        None => Some(("begins_base64", STANDARD.encode(line.get(..UNREAD / 4 * 3).unwrap_or(line)))),
    }
}

fn bounded(text: &str, most: usize) -> String {
    let clean = text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter });
    let mut left = most;
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

    #[test]
    fn of_what_is_too_long_for_a_record_its_length_and_digest_stand_there() {
        let body = json!({"Env": ["x".repeat(400 << 10)]});
        let fitted = fitted(&json!({"op": "container create", "image": "busybox", "body": body}));
        assert_eq!((&fitted["op"], &fitted["image"]), (&json!("container create"), &json!("busybox")));
        let text = body.to_string();
        let said = json!({"cut": {"bytes": text.len(), "sha256": hex(&Sha256::digest(text))}});
        assert_eq!(fitted["body"], said);
    }

    #[test]
    fn no_operation_is_longer_than_its_record_may_be() {
        let many: serde_json::Map<_, _> =
            (0..100_000).map(|number| (number.to_string(), json!("\u{1}"))).collect();
        for operation in [json!(many), json!("x".repeat(OPERATION)), json!({"x".repeat(OPERATION): 1})] {
            assert!(fitted(&operation).to_string().len() <= OPERATION);
        }
        let most = json!("x".repeat(OPERATION - 2));
        assert_eq!(fitted(&most), most);
    }

    #[test]
    fn of_what_is_no_request_little_is_recorded() {
        let begins = |bytes: &[u8]| beginning(bytes).map(|(name, text)| format!("{name} {text}"));
        assert_eq!(
            begins(b"GET /x y HTTP/1.1\r\nX-Registry-Auth: hush\r\n").unwrap(),
            "begins GET /x y HTTP/1.1"
        );
        assert_eq!(begins(b"POST /build?buildargs=hush HTTP/9\r\n").unwrap(), "begins POST /build");
        assert_eq!(begins(b"\x16\x03\x01\x00").unwrap(), "begins_base64 FgMBAA==");
        assert_eq!(begins(b" {\"Env\":[\"TOKEN=hush\"]}"), None);
        assert_eq!(begins(b""), None);
        for letter in [b'a', 0xff] {
            let (name, text) = beginning(&vec![letter; 60_000]).unwrap();
            assert_eq!(text.len(), UNREAD, "{name}");
        }
        let operation = Asked::no_request(b"hello").operation;
        assert_eq!((&operation["bytes"], &operation["begins"]), (&json!(5), &json!("hello")));
    }
}
