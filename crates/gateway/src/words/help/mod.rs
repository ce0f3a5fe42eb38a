//! `help` and the greeting: what the worker may do, from the policy and the tables of words, verbs and
//! filters. What would be refused is not shown as allowed.

mod docker;
mod rules;
mod run;
#[cfg(test)]
mod tests;
mod topics;
mod verbs;

use super::Speaker;
use super::{Does, WORDS, Word, named};
use crate::conversation::Gone;
use crate::record::Request;
use crate::session::Answer;
use doorward_policy::{FILTERS, Filter, Policy};
use std::fmt::Write;
use topics::TOPICS;

impl Speaker<'_> {
    /// The answer to an empty line.
    pub(crate) async fn greet(&mut self, mut request: Request) -> Result<Answer, Gone> {
        request.operation = serde_json::json!({ "op": "greeting" });
        let text = greeting(&self.asking.known.policy, &self.asking.asker.worker);
        self.show(request, &text).await
    }

    pub(super) async fn help(&mut self, request: Request, words: &[String]) -> Result<Answer, Gone> {
        let text = help(&self.asking.known.policy, &self.asking.asker.worker, words);
        self.show(request, &text).await
    }
}

fn greeting(policy: &Policy, worker: &str) -> String {
    format!(
        "You are worker '{worker}' on this host. There is no shell: each line is judged by the host's policy, \
         and recorded.\n\n{}",
        overview(policy, worker)
    )
}

/// What `help` answers to these words.
fn help(policy: &Policy, worker: &str, words: &[String]) -> String {
    let Some((first, rest)) = words.split_first() else { return overview(policy, worker) };
    if first == "docker" {
        return docker::help(policy, worker, rest);
    }
    let mut text = String::new();
    if let (Some(word), []) = (named(first), rest) {
        text.push_str(&word_help(word));
    }
    text.push_str(&rules::help(policy, worker, words));
    if let Some(filter) = Filter::named(first) {
        text.push_str(&filter.help());
    }
    if let Some((_, about)) = TOPICS.iter().find(|(name, _)| *name == first && rest.is_empty()) {
        text.push_str(about);
    }
    if text.is_empty() {
        let wanted = crate::refuse::one_line(&words.join(" "));
        let _ = writeln!(text, "Nothing that you may do begins with '{wanted}'. 'help' shows all.");
    }
    text
}

fn overview(policy: &Policy, worker: &str) -> String {
    let mut text = String::from("You may:\n");
    for role in policy.roles_of(worker) {
        let _ = writeln!(text, "\n{}: {}", role.name, role.about);
        rules::usages(role, &mut text);
        docker::usages(role, &mut text);
    }
    let filters: Vec<_> = FILTERS.iter().map(|filter| filter.name).collect();
    let _ = writeln!(text, "\nFilters, on stdin alone:\n  {}", filters.join(" "));
    text.push_str("\nAbout your own things:\n");
    for word in WORDS.iter().filter(|word| word.does != Does::Later) {
        text.push_str(&usages(word));
        let _ = writeln!(text, "      {}", word.about);
    }
    text.push_str("\nhelp WORDS tells more, like: help docker run, help grep, help line\n");
    text
}

fn word_help(word: &Word) -> String {
    match word.does {
        Does::Later => format!("'{}' comes with a later version.\n", word.name),
        _ => format!("{}      {}\n", usages(word), word.about),
    }
}

fn usages(word: &Word) -> String {
    word.usage.iter().map(|usage| format!("  {usage}\n")).collect()
}
