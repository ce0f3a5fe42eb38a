//! `explain [--json] -- LINE`: the verdict on a line, without doing anything.

use super::Speaker;
use crate::conversation::Gone;
use crate::line::read;
use crate::meaning::Meaning;
use crate::plan::judge_list;
use crate::record::Request;
use crate::session::Answer;
use doorward_policy::{Policy, Refusal};
use serde_json::json;

/// What is said of docker lines, since the words are only an early look.
const EARLY_LOOK: &str = "this is the early look at the words; the engine's socket judges every call that the \
                          docker command makes, with its values, when it runs";

impl Speaker<'_> {
    pub(super) async fn explain(&mut self, request: Request, words: &[String]) -> Result<Answer, Gone> {
        let (data, line) = match words {
            [json, dashes, line @ ..] if json == "--json" && dashes == "--" => (true, line),
            [dashes, line @ ..] if dashes == "--" => (false, line),
            _ => return self.refuse_usage(request, "explain").await,
        };
        let (text, _) = explain(&self.asking.known.policy, &self.asking.asker.worker, line, data);
        self.show(request, &text).await
    }
}

/// What would happen to a worker's line, as text or as data, and whether it would be allowed.
///
/// One word is a whole line in quotes; several words are the line's words.
pub fn explain(policy: &Policy, worker: &str, words: &[String], data: bool) -> (String, bool) {
    let verdict = verdict(policy, worker, words);
    let text = if data { as_json(&verdict) } else { as_text(&verdict) };
    (text, verdict.is_ok())
}

fn verdict(policy: &Policy, worker: &str, words: &[String]) -> Result<Option<Meaning>, Refusal> {
    let line = match words {
        [line] => line.clone(),
        words => doorward_line::quote(words),
    };
    let Some(list) = read(line.as_bytes())? else { return Ok(None) };
    let plan = judge_list(policy, worker, &list)?;
    Ok(plan.commands().next().map(|command| command.meaning.clone()))
}

fn as_text(verdict: &Result<Option<Meaning>, Refusal>) -> String {
    match verdict {
        Ok(None) => "allow: an empty line is answered with the greeting\n".into(),
        Ok(Some(meaning)) => {
            let mut text = format!("allow: by {}\n", meaning.rule());
            if let Some(note) = note(meaning) {
                text.push_str(&format!("  {note}\n"));
            }
            text
        }
        Err(refusal) => crate::refuse::worded(refusal, "deny:", "  allowed"),
    }
}

fn as_json(verdict: &Result<Option<Meaning>, Refusal>) -> String {
    let value = match verdict {
        Ok(meaning) => {
            let rule = meaning.as_ref().map_or("built-in", Meaning::rule);
            let message = meaning.as_ref().and_then(note);
            json!({ "verdict": "allow", "rule": rule, "reason": null, "message": message, "nearest": null })
        }
        Err(refusal) => json!({
            "verdict": "deny",
            "rule": refusal.rule,
            "reason": refusal.reason.code(),
            "message": refusal.message,
            "nearest": refusal.nearest,
        }),
    };
    format!("{value}\n")
}

fn note(meaning: &Meaning) -> Option<String> {
    match meaning {
        Meaning::Word(word) => Some(word.about.to_owned()),
        Meaning::Dial { .. } => Some("the session becomes a pipe to your own docker.sock".into()),
        Meaning::Docker { .. } => Some(EARLY_LOOK.into()),
        Meaning::Command { usage, .. } => Some(usage.clone()),
        Meaning::Filter { filter, .. } => Some(filter.about.to_owned()),
    }
}
