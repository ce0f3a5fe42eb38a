//! One command of a line on the host: a rule's, or else a filter.

use super::command::bare_program;
use crate::filters::{FILTERS, Filter};
use crate::{CommandRule, Policy, Refusal};

/// The rule, in records and rows, of what every worker may do: no rule of the policy's was needed for it.
pub const BUILT_IN: &str = "built-in";

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
        let Some(name) = bare.first() else { return Err(by_rule) };
        let Some(filter) = Filter::named(name) else { return Err(instead_of_tool(name, by_rule)) };
        match filter.judge(argv.get(1..).unwrap_or_default()) {
            Ok(()) => Ok(StageGrant::Filter(filter)),
            Err(as_filter) => Err(better(filter, as_filter, by_rule)),
        }
    }
}

/// Programs for text that agents reach for and that are no filters: each can write files or start programs.
const TEXT_TOOLS: &[&str] = &[
    "awk", "gawk", "mawk", "sed", "xargs", "perl", "python", "python3", "tee", "less", "more", "egrep",
    "fgrep", "rg", "tac", "nl", "rev", "paste", "column", "join", "comm", "fold", "fmt", "expand", "printf",
    "yq",
];

/// Where no rule is near, the filters are.
fn instead_of_tool(name: &str, by_rule: Refusal) -> Refusal {
    if by_rule.nearest.is_some() || !TEXT_TOOLS.contains(&name) {
        return by_rule;
    }
    let names: Vec<&str> = FILTERS.iter().map(|filter| filter.name).collect();
    by_rule.nearest(format!("the filters {}", names.join(", ")))
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
