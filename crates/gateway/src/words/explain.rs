//! `explain [--json] -- LINE`: the verdict on a line and on each of its commands, without doing anything.

use super::Speaker;
use crate::answer::Answer;
use crate::conversation::Gone;
use crate::line::read;
use crate::meaning::Meaning;
use crate::plan::{Judged, judge_each, rules};
use crate::record::Request;
use crate::refuse::{one_line, worded};
use doorward_policy::{BUILT_IN, Policy, Refusal};
use serde_json::{Value, json};

/// What is said of docker lines, of which only the words are judged here.
const EARLY_LOOK: &str = "only its words were judged; the engine's socket judges every call that the docker command \
                          makes, with its values, when it runs, and may refuse it";

impl Speaker<'_> {
    pub(super) async fn explain(&mut self, request: Request, words: &[String]) -> Result<Answer, Gone> {
        let (data, line) = match words {
            [json, dashes, line @ ..] if json == "--json" && dashes == "--" => (true, line),
            [dashes, line @ ..] if dashes == "--" => (false, line),
            _ => {
                let wrong = "'explain' takes a line, after '--'".into();
                return self.refuse_usage(request, wrong, "explain").await;
            }
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
    let text = if data { format!("{}\n", as_data(&verdict)) } else { as_text(&verdict) };
    (text, verdict.is_allowed())
}

/// What is said of a line.
enum Verdict {
    /// It has no command.
    Greeting,
    /// It could not be read.
    Unread(Refusal),
    Single(Judged),
    /// Each command; those that are refused name their place.
    Several(Vec<Judged>),
}

fn verdict(policy: &Policy, worker: &str, words: &[String]) -> Verdict {
    let line = match words {
        [line] => line.clone(),
        words => doorward_line::quote(words),
    };
    let list = match read(line.as_bytes()) {
        Ok(Some(list)) => list,
        Ok(None) => return Verdict::Greeting,
        Err(refusal) => return Verdict::Unread(refusal),
    };
    let mut commands: Vec<_> =
        judge_each(policy, worker, &list).into_iter().flat_map(|(_, commands)| commands).collect();
    match (commands.pop(), commands.is_empty()) {
        (Some(only), true) => Verdict::Single(only),
        (last, _) => {
            commands.extend(last);
            Verdict::Several(commands)
        }
    }
}

impl Verdict {
    fn is_allowed(&self) -> bool {
        match self {
            Verdict::Greeting => true,
            Verdict::Unread(_) => false,
            Verdict::Single((_, judged)) => judged.is_ok(),
            Verdict::Several(commands) => first_refused(commands).is_none(),
        }
    }
}

/// The refusal that the line as a whole would get, and its command's number from 1.
fn first_refused(commands: &[Judged]) -> Option<(usize, &Refusal)> {
    (1..).zip(commands).find_map(|(number, (_, judged))| Some((number, judged.as_ref().err()?)))
}

fn allowed_by(commands: &[Judged]) -> String {
    rules(commands.iter().filter_map(|(_, judged)| judged.as_ref().ok()))
}

fn as_text(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Greeting => "allow: an empty line is answered with the greeting\n".into(),
        Verdict::Unread(refusal) => worded(refusal, "deny:", "  allowed"),
        Verdict::Single(judged) => text_of(judged, ""),
        Verdict::Several(commands) => {
            let count = commands.len();
            let mut text = match first_refused(commands) {
                None => {
                    format!(
                        "{} all {count} commands, by {}\n",
                        allow(by_words(commands)),
                        allowed_by(commands)
                    )
                }
                Some((number, _)) => {
                    format!("deny: command {number} of {count} is refused, so none of them would run\n")
                }
            };
            for (number, judged) in (1..).zip(commands) {
                text.push_str(&format!("command {number}: {}\n", one_line(&judged.0)));
                text.push_str(&text_of(judged, "  "));
            }
            text
        }
    }
}

fn text_of((_, judged): &Judged, indent: &str) -> String {
    match judged {
        Ok(command) => {
            let note = note(&command.meaning);
            let allow = allow(command.meaning.is_judged_by_words());
            format!("{indent}{allow} by {}\n{indent}  {note}\n", command.meaning.rule())
        }
        Err(refusal) => worded(refusal, &format!("{indent}deny:"), &format!("{indent}  allowed")),
    }
}

/// The verdict's first words: what is not judged to the end is not said to be allowed.
fn allow(by_words: bool) -> &'static str {
    if by_words { "allow so far:" } else { "allow:" }
}

fn by_words(commands: &[Judged]) -> bool {
    commands.iter().filter_map(|(_, judged)| judged.as_ref().ok()).any(|one| one.meaning.is_judged_by_words())
}

fn as_data(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Greeting => allowed(BUILT_IN, None, false),
        Verdict::Unread(refusal) => denied(refusal, refusal.message.clone()),
        Verdict::Single((_, judged)) => data_of(judged.as_ref().map(|command| &command.meaning)),
        Verdict::Several(commands) => {
            let mut whole = match first_refused(commands) {
                None => allowed(&allowed_by(commands), None, by_words(commands)),
                Some((number, refusal)) => denied(refusal, format!("command {number}: {}", refusal.message)),
            };
            let each = commands.iter().map(|(line, judged)| {
                let mut one = data_of(judged.as_ref().map(|command| &command.meaning));
                insert(&mut one, "line", json!(line));
                one
            });
            let each: Value = each.collect();
            insert(&mut whole, "commands", each);
            whole
        }
    }
}

fn data_of(judged: Result<&Meaning, &Refusal>) -> Value {
    match judged {
        Ok(meaning) => allowed(meaning.rule(), Some(note(meaning)), meaning.is_judged_by_words()),
        Err(refusal) => denied(refusal, refusal.message.clone()),
    }
}

fn allowed(rule: &str, message: Option<String>, by_words: bool) -> Value {
    json!({
        "verdict": "allow",
        "judged": if by_words { "words" } else { "whole" },
        "rule": rule,
        "reason": null,
        "message": message,
        "nearest": null,
    })
}

fn denied(refusal: &Refusal, message: String) -> Value {
    json!({
        "verdict": "deny",
        "judged": "whole",
        "rule": refusal.rule,
        "reason": refusal.reason.code(),
        "message": message,
        "nearest": refusal.nearest,
    })
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn note(meaning: &Meaning) -> String {
    match meaning {
        Meaning::Word(word) => word.about.to_owned(),
        Meaning::Dial { .. } => "the session becomes a pipe to your own docker.sock".into(),
        Meaning::Docker { only_help: true, .. } => "docker prints its own help".into(),
        Meaning::Docker { .. } => EARLY_LOOK.into(),
        Meaning::Command { usage, .. } => usage.clone(),
        Meaning::Filter { filter, .. } => filter.about.to_owned(),
    }
}
