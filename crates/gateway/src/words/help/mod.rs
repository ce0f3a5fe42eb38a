//! `help` and the greeting: what the worker may do, from the policy and the tables of words, verbs and
//! filters. What would be refused is not shown as allowed.

mod docker;
mod objects;
mod rules;
mod run;
#[cfg(test)]
mod tests;
mod topics;
mod verbs;

use super::Speaker;
use crate::answer::Answer;
use crate::conversation::Gone;
use crate::record::Request;
use crate::word::{Does, WORDS, Word, named};
use doorward_line::Line;
use doorward_policy::{FILTERS, Filter, Policy};
use std::fmt::Write;
use topics::{SUDO, TOPICS};

impl Speaker<'_> {
    /// The answer to an empty line.
    pub(crate) async fn greet(&mut self, mut request: Request) -> Result<Answer, Gone> {
        request.operation = serde_json::json!({ "op": "greeting" });
        let text = greeting(&self.asking.known.policy, &self.asking.asker.worker);
        self.show(request, &text).await
    }

    pub(super) async fn help(&mut self, request: Request, words: &[String]) -> Result<Answer, Gone> {
        match help(&self.asking.known.policy, &self.asking.asker.worker, words) {
            Ok(text) => self.show(request, &text).await,
            Err(nothing) => self.show_nothing(request, &nothing).await,
        }
    }
}

fn greeting(policy: &Policy, worker: &str) -> String {
    format!(
        "You are worker '{worker}' on this host. There is no shell: each line is judged by the host's policy, \
         and recorded.\n\n{}",
        overview(policy, worker)
    )
}

/// What `help` answers to these words; `Err` when it has nothing about them.
fn help(policy: &Policy, worker: &str, words: &[String]) -> Result<String, String> {
    if words.first().is_some_and(|first| first == "sudo") {
        return match commanded(words) {
            Some(words) => help(policy, worker, &words),
            None => Ok(SUDO.to_owned()),
        };
    }
    let Some((first, rest)) = words.split_first() else { return Ok(overview(policy, worker)) };
    if first == "docker" {
        return docker::help(policy, worker, rest);
    }
    let mut text = String::new();
    if let Some(word) = named(first) {
        text.push_str(&word_help(word, words));
    }
    text.push_str(&rules::help(policy, worker, words));
    if let Some(filter) = Filter::named(first) {
        text.push_str(&filter.help());
    }
    if let Some((_, about)) = TOPICS.iter().find(|(name, _)| *name == first && rest.is_empty()) {
        text.push_str(about);
    }
    match text.is_empty() {
        true => {
            let wanted = crate::refuse::one_line(&words.join(" "));
            Err(format!("nothing that you may do begins with '{wanted}'; 'help' shows all"))
        }
        false => Ok(text),
    }
}

/// The words that are left of a command when its `sudo` is dropped, as it is from a line.
fn commanded(words: &[String]) -> Option<Vec<String>> {
    match doorward_line::read(doorward_line::quote(words).as_bytes()) {
        Ok(Line::List(list)) => list.only().map(<[String]>::to_vec),
        Ok(Line::Greeting) | Err(_) => None,
    }
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

/// The ways to use a word that begin with `words`.
fn word_help(word: &Word, words: &[String]) -> String {
    let usages: String = word.usages_of(&words.join(" ")).map(|usage| format!("  {usage}\n")).collect();
    match word.does {
        _ if usages.is_empty() => String::new(),
        Does::Later => format!("'{}' comes with a later version.\n", word.name),
        _ => {
            let quoted = word.quoted().map(|quoted| format!("  {quoted}\n")).unwrap_or_default();
            format!("{usages}{quoted}      {}\n", word.about)
        }
    }
}

fn usages(word: &Word) -> String {
    word.usage.iter().map(|usage| format!("  {usage}\n")).collect()
}
