//! What a session is told when something is not done: one or two lines on stderr, and an exit code.

use doorward_policy::{Reason, Refusal, is_clean, is_hidden};
use doorward_wire::client::LinkError;

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
pub(crate) fn worded(refusal: &Refusal, refused: &str, allowed: &str) -> String {
    let place = refusal.path.as_deref().map(|path| format!(" [{path}]")).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

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
