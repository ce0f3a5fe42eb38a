//! A line as a whole: its limits, its bytes, its stages.

use crate::characters::{column, name};
use crate::constructs::{ASSIGNMENT, Construct, NEGATION, RESERVED};
use crate::scan::{Word, scan};
use crate::sudo;
use doorward_policy::{Reason, Refusal, is_hidden};

/// Longest line, in bytes.
pub const MAX_LINE: usize = 16 * 1024;
/// Most words of a line.
pub const MAX_WORDS: usize = 64;
/// Longest word, in bytes, after quoting is removed.
pub const MAX_WORD: usize = 4 * 1024;

/// What a worker's line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing: the worker only connected.
    Greeting,
    /// Pipelines. For now exactly one of one stage: operators between commands are refused.
    List(List),
}

/// Pipelines, one after the other.
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
    /// From left to right.
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
    words: Vec<String>,
    sudo: usize,
}

impl Simple {
    /// All words as they were meant, a leading `sudo` included: for the record.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The words without leading `sudo` and its options: what is judged and run. Never empty.
    pub fn argv(&self) -> &[String] {
        self.words.get(self.sudo..).unwrap_or_default()
    }
}

/// Reads a worker's line.
///
/// # Errors
/// `too_large` beyond the limits; `bad_encoding` for bytes that are not UTF-8 and for characters that act on
/// terminals or hide text; `construct` for what a shell would do more than split words (`path` is
/// `column N`, counted in characters from 1); `bad_request` for an unfinished quote or a `sudo` without a
/// command.
pub fn read(bytes: &[u8]) -> Result<Line, Refusal> {
    if bytes.len() > MAX_LINE {
        return Err(Refusal::new(
            Reason::TooLarge,
            format!("the line has {} bytes, more than {MAX_LINE}", bytes.len()),
        )
        .nearest("a shorter line; send data on stdin"));
    }
    let text = text(bytes)?;
    let words = scan(text)?;
    if words.is_empty() {
        return Ok(Line::Greeting);
    }
    begins_a_command(&words)?;
    let sudo = sudo::leading(&words)?;
    let words = words.into_iter().map(|word| word.text).collect();
    let stage = Stage { command: Simple { words, sudo }, out: StageOut::Next, err: StageErr::Line };
    Ok(Line::List(List { first: Pipeline { stages: vec![stage] }, rest: Vec::new() }))
}

fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let at = String::from_utf8_lossy(good).chars().count();
        bad_encoding("the line is not UTF-8".to_owned(), at)
    })?;
    match text.chars().enumerate().find(|(_, c)| is_hidden(*c) && !matches!(c, '\t' | '\n')) {
        Some((at, c)) => Err(bad_encoding(format!("the line holds {}", name(c)), at)),
        None => Ok(text),
    }
}

/// A refusal of the character that stands after `before` others.
pub(crate) fn bad_encoding(what: String, before: usize) -> Refusal {
    Refusal::new(Reason::BadEncoding, what)
        .nearest("clean UTF-8 without control or hidden characters")
        .path(column(before))
}

/// Refuses what makes a shell see something else than a command in the first word.
fn begins_a_command(words: &[Word]) -> Result<(), Refusal> {
    let Some(first) = words.first() else { return Ok(()) };
    let bare = first.bare();
    let refuse = |construct: &Construct| Err(construct.refuse(bare, first.at));
    if first.is_assignment() {
        return refuse(&ASSIGNMENT);
    }
    if bare.starts_with('!') {
        return refuse(&NEGATION);
    }
    match RESERVED.words.contains(&bare) && bare == first.text {
        true => refuse(&RESERVED.construct),
        false => Ok(()),
    }
}
