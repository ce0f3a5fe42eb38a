//! An entry of a context: judged, and written anew.

use super::bad;
use super::extended::Extended;
use super::header::{BLOCK, Header};
use crate::JUDGED_DOCKERFILE;
use crate::query::shown;
use doorward_policy::{Reason, Refusal};

/// Most bytes of a path, and of one component.
const PATH: usize = 4095;
const COMPONENT: usize = 255;

/// What may be in a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// Wherever it leads: the engine unpacks in a root of its own, and looks files up within the context.
    Symlink,
    /// To another entry.
    HardLink,
}

/// An entry that may be in a context.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Clean: no `./` before it, no `/` after it; `.` for the context itself.
    pub(super) name: String,
    /// As it came, which engines count among what makes a file the same as one they know.
    written: String,
    pub(super) kind: Kind,
    pub(super) size: u64,
    link: String,
    mode: u64,
    uid: u64,
    gid: u64,
    time: u64,
    user: String,
    group: String,
}

impl Entry {
    /// A file of doorward's own.
    pub(super) fn file(name: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            written: name.to_owned(),
            kind: Kind::File,
            size: 0,
            link: String::new(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            time: 0,
            user: String::new(),
            group: String::new(),
        }
    }

    /// The same with so many bytes.
    pub(super) fn sized(&self, size: u64) -> Entry {
        Entry { size, ..self.clone() }
    }

    /// Judges one.
    pub(super) fn read(header: Header, extended: Extended) -> Result<Entry, Refusal> {
        let written = text(extended.path.unwrap_or(header.name))?;
        let kind = match header.kind {
            0 if written.ends_with('/') => Kind::Folder,
            0 | b'0' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'5' => Kind::Folder,
            _ => {
                let message = format!("'{}' is no file, folder or link", shown(&written));
                return Err(Refusal::new(Reason::FieldNotAllowed, message)
                    .path("context")
                    .nearest("leave it out with .dockerignore"));
            }
        };
        let name = clean(&written, kind)
            .ok_or_else(|| bad(format!("'{}' is no clean path in the context", shown(&written))))?;
        if name.split('/').next() == Some(JUDGED_DOCKERFILE) {
            return Err(bad(format!("the name {JUDGED_DOCKERFILE} is doorward's own")));
        }
        let link = match kind {
            Kind::HardLink | Kind::Symlink => text(extended.link.unwrap_or(header.link))?,
            Kind::File | Kind::Folder => String::new(),
        };
        let leads = match kind {
            Kind::HardLink => clean(&link, Kind::File).is_some(),
            Kind::Symlink => is_path(&link) && stays(&name, &link),
            Kind::File | Kind::Folder => true,
        };
        if !leads {
            return Err(bad(format!("the link '{}' leads out of the context", shown(&written))));
        }
        let size = extended.size.unwrap_or(header.size);
        if size > 0 && kind != Kind::File {
            return Err(bad(format!("'{}' is no file, but has bytes", shown(&written))));
        }
        let (user, group) = (extended.user.unwrap_or(header.user), extended.group.unwrap_or(header.group));
        Ok(Entry {
            name,
            written,
            kind,
            size,
            link,
            mode: header.mode & 0o7777,
            uid: extended.uid.unwrap_or(header.uid).min(MOST_ID),
            gid: extended.gid.unwrap_or(header.gid).min(MOST_ID),
            time: extended.time.unwrap_or(header.time).min(MOST_TIME),
            user: account(user),
            group: account(group),
        })
    }

    /// Its header in the one form that everything reads the same: POSIX's, with records where a field is too short.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut records = Vec::new();
        for (key, value, room) in [("path", &self.written, 100), ("linkpath", &self.link, 100)] {
            if value.len() > room || !value.is_ascii() {
                records.extend(record(key, value));
            }
        }
        if !records.is_empty() {
            let size = super::length(&records);
            header(&Entry::file("pax").sized(size), b'x', out);
            out.extend_from_slice(&records);
            let fill = usize::try_from(super::filling(size)).unwrap_or_default();
            out.resize(out.len().saturating_add(fill), 0);
        }
        let kind = match self.kind {
            Kind::File => b'0',
            Kind::HardLink => b'1',
            Kind::Symlink => b'2',
            Kind::Folder => b'5',
        };
        header(self, kind, out);
    }
}

/// What fits in the octal fields.
const MOST_ID: u64 = 0o777_7777;
const MOST_TIME: u64 = 0o777_7777_7777;

fn header(entry: &Entry, kind: u8, out: &mut Vec<u8>) {
    let mut block = Vec::with_capacity(BLOCK);
    let mut put = |bytes: &[u8], room: usize| {
        let end = block.len().saturating_add(room);
        block.extend(bytes.iter().copied().take(room));
        block.resize(end, 0);
    };
    let ascii = |text: &str| if text.is_ascii() { text.as_bytes().to_vec() } else { Vec::new() };
    put(&ascii(&entry.written), 100);
    for number in [entry.mode, entry.uid, entry.gid] {
        put(format!("{number:07o}").as_bytes(), 8);
    }
    for number in [entry.size, entry.time] {
        put(format!("{number:011o}").as_bytes(), 12);
    }
    put(b"        ", 8);
    put(&[kind], 1);
    put(&ascii(&entry.link), 100);
    put(b"ustar\x0000", 8);
    put(entry.user.as_bytes(), 32);
    put(entry.group.as_bytes(), 32);
    put(b"0000000", 8);
    put(b"0000000", 8);
    put(b"", 155 + 12);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    for (place, byte) in block.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
        *place = byte;
    }
    out.append(&mut block);
}

/// `LENGTH key=value\n`, where the length counts itself.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while format!("{length}{rest}").len() != length {
        length = format!("{length}{rest}").len();
    }
    format!("{length}{rest}").into_bytes()
}

fn text(bytes: Vec<u8>) -> Result<String, Refusal> {
    String::from_utf8(bytes)
        .map_err(|_| Refusal::new(Reason::BadEncoding, "a path in the context is not UTF-8").path("context"))
}

/// A path of plain characters that is not too long.
fn is_path(text: &str) -> bool {
    (1..=PATH).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c == '\\')
}

/// A path in the context, without what need not be said; `None` for any other.
fn clean(written: &str, kind: Kind) -> Option<String> {
    let path = written.strip_prefix("./").unwrap_or(written);
    let path = if kind == Kind::Folder { path.strip_suffix('/').unwrap_or(path) } else { path };
    if kind == Kind::Folder && matches!(path, "" | ".") && !written.is_empty() && written != "/" {
        return Some(".".to_owned());
    }
    let fits = |part: &str| {
        // What begins so takes files out of an image's layers below.
        !matches!(part, "" | "." | "..") && part.len() <= COMPONENT && !part.starts_with(".wh.")
    };
    (is_path(path) && path.split('/').all(fits)).then(|| path.to_owned())
}

/// Whether a link, followed from where it stands, does not climb out. One from the root is followed from the
/// context's.
fn stays(name: &str, link: &str) -> bool {
    let depth = if link.starts_with('/') { 0 } else { name.split('/').count().saturating_sub(1) };
    let mut depth = Some(depth);
    for part in link.split('/') {
        depth = match part {
            "" | "." => depth,
            ".." => depth.and_then(|depth| depth.checked_sub(1)),
            _ => depth.and_then(|depth| depth.checked_add(1)),
        };
    }
    depth.is_some()
}

/// An account's name, where it is one.
fn account(bytes: Vec<u8>) -> String {
    let plain = bytes.len() <= 31 && bytes.iter().all(|byte| byte.is_ascii_graphic());
    if plain { String::from_utf8(bytes).unwrap_or_default() } else { String::new() }
}
