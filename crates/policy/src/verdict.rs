//! What a judgement says.

use crate::{CommandRule, Location, Reason};
use serde::{Deserialize, Serialize};

/// A command line that one rule allows as a whole.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct CommandGrant<'p> {
    /// The rule; its `how` says with what privilege the program runs.
    pub rule: &'p CommandRule,
}

/// A refusal that teaches: which reason, in one line, and what is allowed instead. Never a fact about the
/// file system or another worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct Refusal {
    /// Stable code.
    pub reason: Reason,
    /// One line for a person or an agent, without the `doorward:` prefix.
    pub message: String,
    /// The nearest thing that is allowed: a usage line, a flag, a value.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nearest: Option<String>,
    /// The rule that came closest and still did not allow it, like `host-audit#3`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// The offending word or field, like `word 3` or `HostConfig.Binds[0]`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// Where the rule stands; for the operator only, so it is left out of what a worker is sent.
    #[serde(skip)]
    pub at: Option<Box<Location>>,
}

impl Refusal {
    /// A refusal with a reason and a message; the rest is added with the builder methods.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Refusal { reason, message: message.into(), nearest: None, rule: None, path: None, at: None }
    }
    /// Adds the nearest allowed thing.
    pub fn nearest(mut self, nearest: impl Into<String>) -> Self {
        self.nearest = Some(nearest.into());
        self
    }
    /// Adds the path of the offending word or field.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }
    /// Adds the rule that came closest.
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }
}

impl std::fmt::Display for Refusal {
    /// `refused (code): message [path]; allowed: nearest`, on one line; without the path when the message names
    /// it already.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused ({}): {}", self.reason, self.message)?;
        if let Some(path) = self.path.as_deref().filter(|path| !self.message.contains(path)) {
            write!(f, " [{path}]")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; allowed: {nearest}")?;
        }
        Ok(())
    }
}
