//! What a judgement comes to, and how a client is told of a refusal.

use crate::Approved;
use crate::image_name::ImageName;
use crate::objects::Denied;
use crate::query::shown;
use doorward_policy::Refusal;
use serde_json::{Value, json};

/// What is to be sent in answer to a request.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// Send this to the engine.
    Forward(Box<Approved>),
    /// Answer this without the engine, in the engine's own words: objects that are absent or foreign, and what
    /// the engine is not asked.
    Answer {
        /// The rule that grants it; none for what is absent.
        rule: Option<String>,
        /// HTTP status.
        status: u16,
        /// JSON body.
        body: Value,
    },
    /// Refused; [`http_status`] and [`refusal_body`] say how a client is told.
    Refuse(Refusal),
}

impl Decision {
    /// Lets a request through.
    pub(crate) fn forward(approved: Approved) -> Decision {
        Decision::Forward(Box::new(approved))
    }

    /// Why not.
    pub(crate) fn denied(denied: Denied, kind: &str, name: &str) -> Decision {
        match denied {
            Denied::Refused(refusal) => Decision::Refuse(refusal),
            Denied::Absent => Decision::absent(kind, name),
        }
    }

    /// An image that is not there, as the engine words it, so that clients pull.
    pub(crate) fn absent_image(name: &ImageName) -> Decision {
        let message = format!("No such image: {}", name.familiar());
        Decision::Answer { rule: None, status: 404, body: json!({"message": message}) }
    }

    /// What the engine says of an object that does not exist.
    pub(crate) fn absent(kind: &str, name: &str) -> Decision {
        let name = shown(name);
        let message = match kind {
            "container" => format!("No such container: {name}"),
            "exec" => format!("No such exec instance: {name}"),
            "network" => format!("network {name} not found"),
            "volume" => format!("get {name}: no such volume"),
            "plugin" => format!("plugin \"{name}\" not found"),
            _ => format!("No such {kind}: {name}"),
        };
        Decision::Answer { rule: None, status: 404, body: json!({"message": message}) }
    }
}

/// HTTP status for a refusal: what makes the docker CLI print the message and stop.
pub fn http_status(refusal: &Refusal) -> u16 {
    use doorward_policy::Reason;
    match refusal.reason {
        Reason::BadRequest | Reason::BadEncoding | Reason::UnknownField => 400,
        Reason::TooLarge => 413,
        Reason::RateLimited => 429,
        Reason::PolicyChanged | Reason::QuotaReached => 409,
        Reason::AuditUnavailable
        | Reason::BrokerUnavailable
        | Reason::EngineUnavailable
        | Reason::Unavailable
        | Reason::GatewayUnavailable => 503,
        Reason::Internal | Reason::EngineMismatch => 500,
        Reason::NotYet => 501,
        _ => 403,
    }
}

/// `{"message": "doorward: refused (code): …", "doorward": {verdict, rule, reason, message, nearest, path}}`:
/// clients print `message`, programs read the rest.
pub fn refusal_body(refusal: &Refusal) -> Value {
    json!({
        "message": told(refusal),
        "doorward": {
            "verdict": "deny",
            "rule": refusal.rule,
            "reason": refusal.reason.code(),
            "message": refusal.message,
            "nearest": refusal.nearest,
            "path": refusal.path,
        }
    })
}

/// One line; a client shows it beside the name of what it asked for, so the rule stands in it.
fn told(refusal: &Refusal) -> String {
    match &refusal.rule {
        Some(rule) => format!("doorward: {refusal}; rule: {rule}"),
        None => format!("doorward: {refusal}"),
    }
}
