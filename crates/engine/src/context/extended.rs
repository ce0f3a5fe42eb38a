//! Headers that say more of the entry that follows: POSIX's records ("pax") and GNU's long names.

use super::bad;
use crate::query::shown;
use doorward_policy::{Reason, Refusal};

/// Records that say nothing which is sent on.
const IDLE: &[&str] = &["atime", "ctime", "comment"];

/// What is said of the next entry.
#[derive(Debug, Default)]
pub(super) struct Extended {
    /// A header came.
    any: bool,
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) time: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) user: Option<Vec<u8>>,
    pub(super) group: Option<Vec<u8>>,
}

impl Extended {
    pub(super) fn is_empty(&self) -> bool {
        !self.any
    }

    /// Reads the bytes of such a header.
    pub(super) fn read(&mut self, kind: u8, bytes: &[u8]) -> Result<(), Refusal> {
        match kind {
            b'L' => once(&mut self.path, until_nul(bytes))?,
            b'K' => once(&mut self.link, until_nul(bytes))?,
            // What holds for all entries: of it only what says nothing is known to be sent.
            b'g' => {
                let all_idle = records(bytes)?.iter().all(|(key, _)| IDLE.contains(key));
                return if all_idle {
                    Ok(())
                } else {
                    Err(bad("the archive says something of all its entries"))
                };
            }
            _ => {
                for (key, value) in records(bytes)? {
                    self.record(key, value)?;
                }
            }
        }
        self.any = true;
        Ok(())
    }

    fn record(&mut self, key: &str, value: &[u8]) -> Result<(), Refusal> {
        let number = || {
            let text = std::str::from_utf8(value).ok()?;
            let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // Before 1970.
            let past = key == "mtime" && whole.strip_prefix('-').is_some_and(digits);
            match (digits(part), past) {
                (true, true) => Some(0),
                (true, false) if digits(whole) => whole.parse().ok(),
                _ => None,
            }
        };
        let number = || number().ok_or_else(|| bad("a number in the archive is none"));
        match key {
            "path" => once(&mut self.path, value.to_vec()),
            "linkpath" => once(&mut self.link, value.to_vec()),
            "uname" => once(&mut self.user, value.to_vec()),
            "gname" => once(&mut self.group, value.to_vec()),
            "size" => once(&mut self.size, number()?),
            "mtime" => once(&mut self.time, number()?),
            "uid" => once(&mut self.uid, number()?),
            "gid" => once(&mut self.gid, number()?),
            _ if IDLE.contains(&key) => Ok(()),
            _ => {
                let message = format!("entries with '{}' are not taken", shown(key));
                Err(Refusal::new(Reason::FieldNotAllowed, message)
                    .path("context")
                    .nearest("files without extended attributes"))
            }
        }
    }
}

/// Takes a value that may come once.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Refusal> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(bad("the archive says something of an entry twice")),
    }
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|byte| *byte != 0).collect()
}

/// A key and its value.
type Record<'b> = (&'b str, &'b [u8]);

/// `LENGTH key=value\n` …; the length counts itself.
fn records(bytes: &[u8]) -> Result<Vec<Record<'_>>, Refusal> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (record, after) =
            record(rest).ok_or_else(|| bad("the archive's extended header makes no sense"))?;
        found.push(record);
        rest = after;
    }
    Ok(found)
}

fn record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let space = bytes.iter().take(8).position(|byte| *byte == b' ')?;
    let digits = std::str::from_utf8(bytes.get(..space)?).ok()?;
    let length: usize = digits.parse().ok().filter(|length: &usize| length.to_string() == digits)?;
    let (record, after) = bytes.split_at_checked(length)?;
    let text = record.get(space.checked_add(1)?..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let (key, value) = text.split_at_checked(equals)?;
    Some(((std::str::from_utf8(key).ok()?, value.get(1..)?), after))
}
