//! The chain: what every line starts and ends with, whatever stands between.
//!
//! `{"v":1,"seq":N,` … `,"prev":"<64 hex>"}`. Both ends are found by position, so that verifying hashes raw
//! bytes and never parses what a worker had a hand in.

use crate::clock::Clock;
use sha2::{Digest, Sha256};

/// Lower-case hex of a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash([u8; 64]);

/// `prev` of the first record.
pub(crate) const ZERO: Hash = Hash([b'0'; 64]);
/// Longest line, newline excluded. An entry that would exceed it is refused.
pub(crate) const MAX_LINE: usize = 4 * 1024 * 1024;

const HEAD: &[u8] = b"{\"v\":1,\"seq\":";
const PREV: &[u8] = b",\"prev\":\"";
const TAIL: &[u8] = b"\"}";

impl Hash {
    /// Of a line without its newline.
    pub(crate) fn of(line: &[u8]) -> Hash {
        let mut hex = [b'0'; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(Sha256::digest(line)) {
            if let [high, low] = pair {
                (*high, *low) = (digit(byte >> 4), digit(byte & 15));
            }
        }
        Hash(hex)
    }

    /// From text, when it is 64 lower-case hex digits.
    pub(crate) fn parse(text: &[u8]) -> Option<Hash> {
        let hex: [u8; 64] = text.try_into().ok()?;
        hex.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(Hash(hex))
    }
}

fn digit(value: u8) -> u8 {
    match value {
        0..=9 => b'0'.wrapping_add(value),
        _ => b'a'.wrapping_add(value.wrapping_sub(10)),
    }
}

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
    }
}

/// Where the chain stands: the last record's number and its line's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
}

/// Before the first record.
pub(crate) const BEGINNING: End = End { seq: 0, hash: ZERO };

/// Appends the line that follows `end` (newline included) to `out`, and gives the new end.
/// `body` is an entry's JSON object with at least one member.
pub(crate) fn extend(end: End, body: &[u8], clock: &Clock, out: &mut Vec<u8>) -> End {
    let seq = end.seq.saturating_add(1);
    let from = out.len();
    let head = format!(
        "{seq},\"time\":\"{}\",\"mono\":{},\"boot\":\"{}\",",
        clock.wall(),
        clock.mono(),
        clock.boot()
    );
    let members = body.strip_prefix(b"{").and_then(|body| body.strip_suffix(b"}")).unwrap_or_default();
    for part in [HEAD, head.as_bytes(), members, PREV, &end.hash.0, TAIL] {
        out.extend_from_slice(part);
    }
    let hash = Hash::of(out.get(from..).unwrap_or_default());
    out.push(b'\n');
    End { seq, hash }
}

/// What a whole line says about the chain: its number and the hash that it follows. `None`: not a record.
pub(crate) fn frame(line: &[u8]) -> Option<(u64, Hash)> {
    let rest = line.strip_prefix(HEAD)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let (number, rest) = rest.split_at(digits);
    if !rest.starts_with(b",") || number.starts_with(b"0") {
        return None;
    }
    let seq = std::str::from_utf8(number).ok()?.parse().ok()?;
    let rest = rest.strip_suffix(TAIL)?;
    let (rest, prev) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
    rest.ends_with(PREV).then_some(())?;
    Some((seq, Hash::parse(prev)?))
}
