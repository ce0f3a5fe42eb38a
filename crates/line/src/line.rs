//! A line as a whole: its limits, its bytes, what it says.

use crate::characters::{column, name};
use crate::list::Line;
use crate::parse::{Parsed, parse};
use crate::scan::scan;
use crate::shell;
use crate::transfer::{self, Transfer};
use doorward_policy::{Reason, Refusal, is_hidden};

/// Longest line, in bytes.
pub const MAX_LINE: usize = 16 * 1024;
/// Most words of a line, over all its commands; so it has at most as many commands. Redirections are not
/// words.
pub const MAX_WORDS: usize = 64;
/// Longest word, in bytes, after quoting is removed.
pub const MAX_WORD: usize = 4 * 1024;
/// Most commands of a pipeline.
pub const MAX_STAGES: usize = 16;

/// Reads a worker's line. `bash -c 'LINE'` is read as `LINE`, once.
///
/// # Errors
/// `too_large` beyond the limits; `bad_encoding` for bytes that are not UTF-8 and for characters that act on
/// terminals or hide text; `construct` for what a shell has and the line language has not (`path` is
/// `column N`, counted in characters from 1); `bad_request` for an unfinished quote, for an operator or a
/// `sudo` without a command; `not_in_policy` for the server side of a file transfer.
pub fn read(bytes: &[u8]) -> Result<Line, Refusal> {
    let text = text(bytes)?;
    line(text).map_err(|refusal| transfer::of_line(text).map_or(refusal, Transfer::refuse))
}

fn line(text: &str) -> Result<Line, Refusal> {
    let parsed = parse(scan(text)?)?;
    match parsed.as_ref().and_then(Parsed::only).and_then(shell::script) {
        Some(script) => finish(parse(scan(script)?)?),
        None => finish(parsed),
    }
}

fn finish(parsed: Option<Parsed>) -> Result<Line, Refusal> {
    parsed.map_or(Ok(Line::Greeting), |parsed| parsed.list().map(Line::List))
}

fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    if bytes.len() > MAX_LINE {
        let message = format!("the line has {} bytes, more than {MAX_LINE}", bytes.len());
        return Err(Refusal::new(Reason::TooLarge, message).nearest(SHORTER));
    }
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

const SHORTER: &str = "a shorter line; send data on stdin";

/// A refusal of the character that stands after `before` others.
pub(crate) fn bad_encoding(what: String, before: usize) -> Refusal {
    Refusal::new(Reason::BadEncoding, what)
        .nearest("clean UTF-8 without control or hidden characters")
        .path(column(before))
}

/// A refusal of what is more than the limits allow, and begins after `before` characters.
pub(crate) fn too_large(what: String, before: usize) -> Refusal {
    Refusal::new(Reason::TooLarge, what).nearest(SHORTER).path(column(before))
}
