//! One command of a line on the host: a rule's, or else a filter.

use super::command::bare_program;
use crate::filters::Filter;
use crate::{CommandRule, Policy, Refusal};

/// What allows a command.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub enum StageGrant<'p> {
    /// A rule; its `how` says with what privilege the program runs.
    Rule(&'p CommandRule),
    /// A filter, which no rule was needed for.
    Filter(&'static Filter),
}

impl Policy {
    /// Whether a worker may run this command, alone or in a pipeline: by the first rule that accounts for
    /// every word, or as a filter. `docker …` belongs to [`Policy::judge_docker_words`].
    ///
    /// A filter may be spelt with a folder of the search path, as a program of a rule may.
    pub fn judge_stage(&self, worker: &str, argv: &[String]) -> Result<StageGrant<'_>, Refusal> {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        self.clean_words(worker, &words)?;
        let by_rule = match self.judge_argv(worker, argv) {
            Ok(grant) => return Ok(StageGrant::Rule(grant.rule)),
            Err(refusal) => refusal,
        };
        let bare = bare_program(&words).unwrap_or(words);
        let Some(filter) = bare.first().and_then(|name| Filter::named(name)) else { return Err(by_rule) };
        match filter.judge(argv.get(1..).unwrap_or_default()) {
            Ok(()) => Ok(StageGrant::Filter(filter)),
            Err(as_filter) => Err(better(filter, as_filter, by_rule)),
        }
    }
}

/// What teaches more: a filter's refusal says why; a rule for the same program, when there is one, is what
/// may be done with files.
fn better(filter: &Filter, as_filter: Refusal, by_rule: Refusal) -> Refusal {
    let usage = by_rule.nearest.filter(|usage| usage.split(' ').next() == Some(filter.name));
    match (usage, by_rule.rule) {
        (Some(usage), Some(rule)) => as_filter.nearest(usage).rule(rule),
        _ => as_filter,
    }
}
