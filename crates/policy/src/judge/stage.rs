//! One command of a line on the host: a rule's, or else a filter.

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
    pub fn judge_stage(&self, worker: &str, argv: &[String]) -> Result<StageGrant<'_>, Refusal> {
        let refusal = match self.judge_argv(worker, argv) {
            Ok(grant) => return Ok(StageGrant::Rule(grant.rule)),
            Err(refusal) => refusal,
        };
        let (Some(filter), true) =
            (argv.first().and_then(|name| Filter::named(name)), self.workers.contains_key(worker))
        else {
            return Err(refusal);
        };
        filter.judge(argv.get(1..).unwrap_or_default()).map(|()| StageGrant::Filter(filter))
    }
}
