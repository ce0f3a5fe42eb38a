//! What a worker's line says, and the line that says it again.

use crate::quote::quote;
use std::fmt;

/// What a worker's line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing: the worker only connected.
    Greeting,
    /// Pipelines.
    List(List),
}

/// Pipelines, one after the other. Shown, it is one line that reads back as the same list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Always runs.
    pub first: Pipeline,
    /// Each runs, or not, by its connector and the exit status of what ran last before it.
    pub rest: Vec<(Connector, Pipeline)>,
}

/// What stands between two pipelines. `&&` and `||` bind alike, to the left (POSIX.1-2017, 2.9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connector {
    /// `&&`: when the exit status is 0.
    And,
    /// `||`: when it is not.
    Or,
    /// `;` or a newline: always.
    Then,
}

/// Commands that run at one time, each one's stdout being the next one's stdin; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pipeline {
    /// From left to right, at most [`MAX_STAGES`](crate::MAX_STAGES).
    pub stages: Vec<Stage>,
}

/// One command with its redirections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The words.
    pub command: Simple,
    /// Where its stdout goes.
    pub out: StageOut,
    /// Where its stderr goes.
    pub err: StageErr,
}

/// Where a stage's stdout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageOut {
    /// Into the pipe, or to the worker from the last stage.
    Next,
    /// `>/dev/null`.
    Null,
}

/// Where a stage's stderr goes. Redirections count from left to right: after `>/dev/null 2>&1` both are
/// [`Null`](StageErr::Null); after `2>&1 >/dev/null` stderr is [`Next`](StageErr::Next).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageErr {
    /// To the worker's stderr.
    Line,
    /// `2>/dev/null`.
    Null,
    /// `2>&1`: to where stdout went at that place.
    Next,
}

/// One command with its words; there is at least one after the leading `sudo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simple {
    pub(crate) words: Vec<String>,
    /// How many leading words are `sudo` and its options.
    pub(crate) sudo: usize,
}

impl Simple {
    /// All words as they were meant, a leading `sudo` included.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The words without leading `sudo` and its options: what is judged and run. Never empty.
    pub fn argv(&self) -> &[String] {
        self.words.get(self.sudo..).unwrap_or_default()
    }
}

impl List {
    /// Every stage of every pipeline, as they stand in the line.
    pub fn stages(&self) -> impl Iterator<Item = &Stage> {
        let rest = self.rest.iter().map(|(_, pipeline)| pipeline);
        std::iter::once(&self.first).chain(rest).flat_map(|pipeline| &pipeline.stages)
    }

    /// The words of the only command, when there is one.
    pub fn only(&self) -> Option<&[String]> {
        match (self.first.stages.as_slice(), self.rest.as_slice()) {
            ([stage], []) => Some(stage.command.argv()),
            _ => None,
        }
    }

    /// The same list with other words in each command, for showing.
    pub fn shown_with(&self, words: impl Fn(&[String]) -> Vec<String>) -> String {
        let mut shown = self.clone();
        let rest = shown.rest.iter_mut().map(|(_, pipeline)| pipeline);
        for stage in std::iter::once(&mut shown.first).chain(rest).flat_map(|pipeline| &mut pipeline.stages) {
            stage.command.words = words(&stage.command.words);
        }
        shown.to_string()
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        self.rest.iter().try_for_each(|(connector, pipeline)| write!(f, "{connector} {pipeline}"))
    }
}

impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Connector::And => " &&",
            Connector::Or => " ||",
            Connector::Then => ";",
        })
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, stage) in self.stages.iter().enumerate() {
            f.write_str(if at > 0 { " | " } else { "" })?;
            write!(f, "{stage}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quote(&self.command.words))?;
        f.write_str(match (self.out, self.err) {
            (StageOut::Next, StageErr::Line) => "",
            (StageOut::Next, StageErr::Null) => " 2>/dev/null",
            (StageOut::Next, StageErr::Next) => " 2>&1",
            (StageOut::Null, StageErr::Line) => " >/dev/null",
            (StageOut::Null, StageErr::Null) => " >/dev/null 2>&1",
            (StageOut::Null, StageErr::Next) => " 2>&1 >/dev/null",
        })
    }
}
