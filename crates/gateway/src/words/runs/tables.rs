//! Runs as other programs read them: rows of CSV, and members of a tar archive.

use crate::clock;
use crate::refuse::one_line;
use crate::store::Row;

/// The columns of CSV.
pub(super) const COLUMNS: &str =
    "id,worker,state,exit,how,rule,reason,message,started,ended,bytes,truncated,removed,job,line\r\n";

/// One row of CSV (RFC 4180), in the order of [`COLUMNS`]. Times are UTC.
pub(super) fn csv(row: &Row) -> String {
    let text = |text: &Option<String>| text.as_deref().map(cell).unwrap_or_default();
    let cells = [
        cell(&row.id),
        cell(&row.worker),
        cell(row.state.name()),
        row.exit.map(|exit| exit.to_string()).unwrap_or_default(),
        text(&row.how),
        text(&row.rule),
        text(&row.reason),
        text(&row.message),
        clock::shown(row.started),
        row.ended.map(clock::shown).unwrap_or_default(),
        row.bytes.to_string(),
        row.truncated.to_string(),
        row.removed.to_string(),
        row.job.to_string(),
        cell(&row.line),
    ];
    cells.join(",") + "\r\n"
}

/// A cell that spreadsheets would take as a formula gets an apostrophe before it. Hidden characters are escaped.
fn cell(text: &str) -> String {
    let text = one_line(text);
    let formula = text.starts_with(['=', '+', '-', '@']);
    let text = if formula { format!("'{text}") } else { text };
    match text.contains(['"', ',', '\'']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// Bytes of a block of tar.
pub(super) const BLOCK: usize = 512;
/// An archive ends with two empty blocks.
pub(super) const TAR_END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The header of a file of `size` bytes, last changed at `seconds` since 1970 (POSIX.1-1988 ustar). `None` when
/// the name is longer than 100 bytes or the file larger than 8 GiB.
pub(super) fn tar_header(name: &str, size: u64, seconds: u64) -> Option<Vec<u8>> {
    let mut header = vec![0; BLOCK];
    let mut put = |at: usize, text: &str| {
        let room = header.get_mut(at..at.saturating_add(text.len()));
        room.map(|room| room.copy_from_slice(text.as_bytes()))
    };
    if name.len() > 100 || size >= 1 << 33 {
        return None;
    }
    put(0, name)?;
    put(100, "0000600\0")?;
    put(108, "0000000\0")?;
    put(116, "0000000\0")?;
    put(124, &format!("{size:011o}\0"))?;
    put(136, &format!("{:011o}\0", seconds.min((1 << 33) - 1)))?;
    put(148, "        ")?;
    put(156, "0")?;
    put(257, "ustar\x0000")?;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let room = header.get_mut(148..156)?;
    room.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Some(header)
}

/// Zeros that fill the last block of a file of `size` bytes.
pub(super) fn padding(size: u64) -> Vec<u8> {
    let block = u64::try_from(BLOCK).unwrap_or(u64::MAX);
    let past = size.checked_rem(block).unwrap_or(0);
    let missing = if past == 0 { 0 } else { block.saturating_sub(past) };
    vec![0; usize::try_from(missing).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        let cases = [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "two\\nlines"),
            ("\u{1b}[2J\u{7f}\u{9b}\u{202e}x", "\\u{1b}[2J\\u{7f}\\u{9b}\\u{202e}x"),
            ("=1+2", "\"'=1+2\""),
            ("-f", "\"'-f\""),
            ("@x", "\"'@x\""),
            ("+1", "\"'+1\""),
            ("\tx", "\\tx"),
            ("a=1", "a=1"),
        ];
        for (text, expected) in cases {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn what_ustar_cannot_say_has_no_header() {
        assert!(tar_header(&"x".repeat(101), 0, 0).is_none());
        assert!(tar_header("x", 1 << 33, 0).is_none());
        assert_eq!(tar_header(&"x".repeat(100), (1 << 33) - 1, u64::MAX).unwrap().len(), BLOCK);
        assert_eq!(
            (padding(0).len(), padding(1).len(), padding(512).len(), padding(513).len()),
            (0, 511, 0, 511)
        );
    }
}
