//! A line as a whole: its bytes, and what it says.

use crate::agent::lookalike;
use crate::characters::{bad_encoding, refuse_hidden};
use crate::limits::{MAX_LINE, SHORTER};
use crate::list::Line;
use crate::parse::{Parsed, parse};
use crate::scan::scan;
use crate::shell;
use crate::transfer::{self, Transfer};
use doorward_policy::{Reason, Refusal, is_hidden};

/// Reads a worker's line. `bash -c 'LINE'` is read as `LINE`, once.
///
/// # Errors
/// `too_large` beyond the limits; `bad_encoding` for bytes that are not UTF-8 and for characters that act on
/// terminals or hide text; `construct` for what a shell has and the line language has not (`path` is
/// `column N`, counted in characters from 1); `bad_request` for an unfinished quote, for an operator or a
/// `sudo` without a command; `not_in_policy` for the server side of a file transfer.
pub fn read(bytes: &[u8]) -> Result<Line, Refusal> {
    read_text(bytes).map_err(|refusal| lookalike(bytes, refusal))
}

fn read_text(bytes: &[u8]) -> Result<Line, Refusal> {
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
        Some((at, c)) => Err(refuse_hidden("the line", c, at)),
        None => Ok(text),
    }
}
