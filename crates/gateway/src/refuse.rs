//! What a session is told when something is not done: one or two lines on stderr, and an exit code.

use doorward_policy::{Reason, Refusal, is_clean, is_hidden};
use doorward_wire::client::LinkError;

/// The words ask for nothing that there is.
pub(crate) const USAGE: u8 = 2;
/// Doorward refused.
pub(crate) const REFUSED: u8 = 126;
/// Doorward itself failed.
pub(crate) const FAILED: u8 = 125;
/// The deadline ended it.
pub(crate) const DEADLINE: u8 = 124;

/// Reasons that are no decision about the request but a failure of doorward. Everything else, also that
/// the audit log cannot be written, is a refusal.
const FAILURES: &[Reason] =
    &[Reason::BrokerUnavailable, Reason::GatewayUnavailable, Reason::SpawnFailed, Reason::Internal];

/// The exit code that goes with a reason.
pub(crate) fn exit_code(reason: Reason) -> u8 {
    if FAILURES.contains(&reason) { FAILED } else { REFUSED }
}

/// The lines for stderr.
pub(crate) fn lines(refusal: &Refusal) -> String {
    worded(refusal, "doorward: refused", "doorward: allowed")
}

/// A refusal as one or two lines that begin as told. Hidden characters of what is repeated to the asker do
/// not reach a terminal.
pub fn worded(refusal: &Refusal, refused: &str, allowed: &str) -> String {
    let place = refusal.path.as_deref().filter(|path| !refusal.message.contains(path));
    let place = place.map(|path| format!(" [{path}]")).unwrap_or_default();
    let mut text = format!("{refused} ({}): {}{place}\n", refusal.reason, one_line(&refusal.message));
    if let Some(nearest) = &refusal.nearest {
        text.push_str(&format!("{allowed}: {}\n", one_line(nearest)));
    }
    text
}

/// What the broker's answer means for the asker.
pub(crate) fn by_broker(error: LinkError) -> Refusal {
    match error {
        LinkError::Gone => Refusal::new(
            Reason::BrokerUnavailable,
            "the service that runs and records commands is not there, so nothing was done",
        )
        .nearest("try again in a few seconds; if it stays so, tell the operator"),
        LinkError::Refused { reason, message } => {
            Refusal::new(Reason::named(&reason).unwrap_or(Reason::Internal), message)
        }
    }
}

/// `text` on one line, with its hidden characters escaped.
pub(crate) fn one_line(text: &str) -> String {
    if is_clean(text) {
        return text.to_owned();
    }
    text.chars().map(|c| if is_hidden(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// JSON with its hidden characters escaped, but for those that stand between values.
pub(crate) fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        if c < '\u{7f}' || !is_hidden(c) {
            plain.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            plain.push_str(&format!("\\u{unit:04x}"));
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_no_hidden_character_and_means_the_same() {
        let text = "a\n\u{7f}\u{9b}\u{202e}\u{ad}\u{e0041}ü🦀\"\\";
        let value = serde_json::json!({ "text": text });
        let plain = plain_json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!plain.chars().any(|c| is_hidden(c) && c != '\n'), "{plain}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&plain).unwrap(), value);
    }

    #[test]
    fn a_refusal_says_the_reason_the_place_and_what_is_allowed() {
        let refusal =
            Refusal::new(Reason::NotInPolicy, "no rule allows 'x\u{1b}[2J'").path("word 2").nearest("y");
        assert_eq!(
            lines(&refusal),
            "doorward: refused (not_in_policy): no rule allows 'x\\u{1b}[2J' [word 2]\ndoorward: allowed: y\n"
        );
    }

    #[test]
    fn what_fails_in_doorward_is_told_apart_from_what_is_refused() {
        let codes: Vec<_> = Reason::ALL.iter().filter(|reason| exit_code(**reason) == FAILED).collect();
        assert_eq!(codes.len(), FAILURES.len());
        assert_eq!(exit_code(Reason::AuditUnavailable), REFUSED);
    }

    #[test]
    fn a_broker_that_answers_with_an_unknown_reason_has_failed() {
        let refusal = by_broker(LinkError::Refused { reason: "?".into(), message: "m".into() });
        assert_eq!(refusal.reason, Reason::Internal);
    }
}
