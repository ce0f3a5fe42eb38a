//! One header block of a tar archive (POSIX.1-1988 "ustar", and GNU's).

use super::bad;
use doorward_policy::Refusal;

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;
/// Where the checksum stands.
const SUM: std::ops::Range<usize> = 148..156;

/// A header's fields, not yet judged.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) mode: u64,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
    pub(super) time: u64,
    pub(super) kind: u8,
    pub(super) link: Vec<u8>,
    pub(super) user: Vec<u8>,
    pub(super) group: Vec<u8>,
}

impl Header {
    /// Reads a block.
    pub(super) fn read(block: &[u8]) -> Result<Header, Refusal> {
        let part = |range: std::ops::Range<usize>| block.get(range).unwrap_or_default();
        let number = |range| number(part(range)).ok_or_else(|| bad("the context is no tar archive"));
        let sum = block
            .iter()
            .enumerate()
            .map(|(place, byte)| if SUM.contains(&place) { 32 } else { u64::from(*byte) });
        if number(SUM)? != sum.sum::<u64>() {
            return Err(bad("the context is no tar archive: a checksum is wrong"));
        }
        let magic = part(257..263);
        let known: [&[u8]; 3] = [b"ustar\0", b"ustar ", &[0; 6]];
        if !known.contains(&magic) {
            return Err(bad("the context is no tar archive"));
        }
        let mut name = text(part(0..100));
        // Elsewhere this place holds other things.
        let prefix = text(part(345..500));
        if magic == b"ustar\0" && !prefix.is_empty() {
            name = [prefix, b"/".to_vec(), name].concat();
        }
        Ok(Header {
            name,
            mode: number(100..108)?,
            uid: number(108..116)?,
            gid: number(116..124)?,
            size: number(124..136)?,
            time: time(part(136..148)).ok_or_else(|| bad("the context is no tar archive"))?,
            kind: block.get(156).copied().unwrap_or_default(),
            link: text(part(157..257)),
            user: text(part(265..297)),
            group: text(part(297..329)),
        })
    }
}

/// What stands before the first NUL.
fn text(field: &[u8]) -> Vec<u8> {
    field.iter().copied().take_while(|byte| *byte != 0).collect()
}

/// Octal digits between blanks and NULs, or GNU's binary form of what has too many digits.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((0x80, rest)) = field.split_first() {
        return rest.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_start_matches(' ').trim_end_matches([' ', '\0']);
    match digits {
        "" => Some(0),
        _ if digits.bytes().all(|byte| byte.is_ascii_digit()) => u64::from_str_radix(digits, 8).ok(),
        _ => None,
    }
}

/// A time before 1970 is written as a negative number, and taken for 1970.
fn time(field: &[u8]) -> Option<u64> {
    if field.first() == Some(&0xff) { Some(0) } else { number(field) }
}
