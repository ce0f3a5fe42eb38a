//! A build's context: a tar archive, plain or in gzip, read as it comes and written anew entry by entry. Little of
//! it is in memory at a time: the Dockerfile and `.dockerignore`, which are sent last.

mod entry;
mod excludes;
mod extended;
mod header;
mod unpack;

use crate::dockerfile::MAX_DOCKERFILE;
use crate::{Build, JUDGED_DOCKERFILE};
use doorward_policy::{Reason, Refusal};
use entry::{Entry, Kind};
use excludes::Excludes;
use extended::Extended;
use header::{BLOCK, Header};
use unpack::Unpack;

/// Most bytes that come, and most that they are when they are unpacked.
const MOST: u64 = 4 << 30;
/// Most times that the unpacked bytes may be those that came, once they are many.
const RATIO: u64 = 200;
/// From how many unpacked bytes on.
const MANY: u64 = 64 << 20;
/// Most entries.
const ENTRIES: u64 = 250_000;
/// Most bytes of an entry that is kept in memory: extended headers, `.dockerignore`.
const KEPT: usize = 64 << 10;
/// The file that says what is not in the context.
const IGNORE: &str = ".dockerignore";

/// Reads a context and writes it anew.
#[derive(Debug)]
pub struct ContextReader {
    /// Where the worker's Dockerfile is.
    wanted: String,
    unpack: Unpack,
    came: u64,
    unpacked: u64,
    entries: u64,
    state: State,
    block: Vec<u8>,
    extended: Extended,
    /// What was found of the Dockerfile, its other spelling, and `.dockerignore`.
    found: Vec<Found>,
}

/// A file that is sent last.
#[derive(Debug)]
struct Found {
    entry: Entry,
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Between two entries.
    Header,
    /// In an entry's bytes; then come those that fill its last block.
    Data { left: u64, fill: u64, to: To },
    /// After so many empty blocks.
    End(u64),
}

/// Where an entry's bytes go.
#[derive(Debug)]
enum To {
    Sent,
    Extended(u8, Vec<u8>),
    Found(Entry, Vec<u8>),
}

impl ContextReader {
    /// For a build.
    pub fn new(build: &Build) -> ContextReader {
        ContextReader {
            wanted: build.dockerfile.clone(),
            unpack: Unpack::default(),
            came: 0,
            unpacked: 0,
            entries: 0,
            state: State::Header,
            block: Vec::with_capacity(BLOCK),
            extended: Extended::default(),
            found: Vec::new(),
        }
    }

    /// Takes the next bytes, a few thousand at a time; adds to `out` what the engine is sent of them.
    ///
    /// # Errors
    /// Whatever is no archive that can be judged, or too much of it.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.came = self.came.saturating_add(length(bytes));
        let plain = self.unpack.push(bytes)?;
        self.take(&plain, out)
    }

    /// The worker's Dockerfile, when the archive has come to its end; adds to `out` as [`ContextReader::push`] does.
    ///
    /// # Errors
    /// When it has not, or there is none.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let plain = self.unpack.end()?;
        self.take(&plain, out)?;
        // Some clients leave out the empty blocks at the end, and what fills the last block before them; that all
        // has come, the request's framing says.
        if let State::Data { left: 0, fill, .. } = self.state {
            let fill = usize::try_from(fill).unwrap_or_default();
            self.take([0; BLOCK].get(..fill).unwrap_or_default(), out)?;
        }
        let between = matches!(self.state, State::End(_) | State::Header) && self.extended.is_empty();
        let whole = between && self.block.is_empty();
        if !whole {
            return Err(bad("the context ends before its end"));
        }
        match self.dockerfile() {
            Some(found) => Ok(found.bytes.clone()),
            None => {
                let message =
                    format!("Cannot locate specified Dockerfile: {}", crate::query::shown(&self.wanted));
                Err(Refusal::new(Reason::BadRequest, message).nearest("docker build -f FILE"))
            }
        }
    }

    /// The last of what the engine is sent: the files that were kept, and the Dockerfile that was judged.
    pub fn seal(mut self, judged: &[u8]) -> Vec<u8> {
        let name = self.dockerfile().map(|found| found.entry.name.clone()).unwrap_or_default();
        let ignored = self.found.iter().position(|found| found.entry.name == IGNORE);
        let ignored = ignored.map(|place| self.found.swap_remove(place));
        let excludes =
            Excludes::read(ignored.as_ref().map(|found| found.bytes.as_slice()).unwrap_or_default());
        let mut out = Vec::new();
        for found in &self.found {
            // The engine takes the Dockerfile out again where it is excluded, but knows it by another name now.
            if found.entry.name != name || !excludes.contain(&name) {
                file(&found.entry, &found.bytes, &mut out);
            }
        }
        // And it takes out what it knows: this is the last rule, so it holds.
        let (entry, mut rules) = match ignored {
            Some(found) => (found.entry, found.bytes),
            None => (Entry::file(IGNORE), format!("{IGNORE}\n").into_bytes()),
        };
        if !rules.ends_with(b"\n") {
            rules.push(b'\n');
        }
        rules.extend_from_slice(format!("{JUDGED_DOCKERFILE}\n").as_bytes());
        file(&entry, &rules, &mut out);
        file(&Entry::file(JUDGED_DOCKERFILE), judged, &mut out);
        out.extend_from_slice(&[0; 2 * BLOCK]);
        out
    }

    fn dockerfile(&self) -> Option<&Found> {
        let named = |name: &str| self.found.iter().find(|found| found.entry.name == name);
        named(&self.wanted).or_else(|| named("dockerfile").filter(|_| self.wanted == "Dockerfile"))
    }

    /// Whether a file is kept to be sent last.
    fn keeps(&self, name: &str) -> bool {
        name == IGNORE || name == self.wanted || (name == "dockerfile" && self.wanted == "Dockerfile")
    }

    fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.unpacked = self.unpacked.saturating_add(length(bytes));
        let bomb = self.unpacked > MANY && self.unpacked / RATIO > self.came;
        if self.came > MOST || self.unpacked > MOST || bomb {
            return Err(Refusal::new(
                Reason::TooLarge,
                "the context is too large, or grows too much when unpacked",
            )
            .nearest("up to 4 GiB; leave files out with .dockerignore"));
        }
        while !bytes.is_empty() {
            bytes = match &mut self.state {
                State::Data { left, fill, to } => {
                    let all = usize::try_from(left.saturating_add(*fill)).unwrap_or(usize::MAX);
                    let data = usize::try_from(*left).unwrap_or(usize::MAX);
                    let (now, rest) = bytes.split_at_checked(all.min(bytes.len())).unwrap_or((bytes, &[]));
                    let (data, filling) = now.split_at_checked(data.min(now.len())).unwrap_or((now, &[]));
                    match to {
                        To::Sent => {
                            out.extend_from_slice(data);
                            out.resize(out.len().saturating_add(filling.len()), 0);
                        }
                        To::Extended(_, kept) | To::Found(_, kept) => kept.extend_from_slice(data),
                    }
                    *left = left.saturating_sub(length(data));
                    *fill = fill.saturating_sub(length(filling));
                    if *left == 0 && *fill == 0 {
                        self.close()?;
                    }
                    rest
                }
                State::Header | State::End(_) => {
                    let wanted = BLOCK.saturating_sub(self.block.len()).min(bytes.len());
                    let (now, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
                    self.block.extend_from_slice(now);
                    if self.block.len() == BLOCK {
                        let block = std::mem::take(&mut self.block);
                        self.open(&block, out)?;
                    }
                    rest
                }
            };
        }
        Ok(())
    }

    /// A block between two entries.
    fn open(&mut self, block: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        if block.iter().all(|byte| *byte == 0) {
            let ended = if let State::End(blocks) = self.state { blocks } else { 0 };
            self.state = State::End(ended.saturating_add(1));
            return match self.extended.is_empty() {
                true => Ok(()),
                false => Err(bad("the archive ends after the head of an entry")),
            };
        }
        if matches!(self.state, State::End(_)) {
            return Err(bad("the archive goes on after its end"));
        }
        self.entries = self.entries.saturating_add(1);
        if self.entries > ENTRIES {
            return Err(Refusal::new(
                Reason::TooLarge,
                format!("the context has more than {ENTRIES} entries"),
            )
            .nearest("leave files out with .dockerignore"));
        }
        let header = Header::read(block)?;
        let small = |most: usize| match usize::try_from(header.size) {
            Ok(size) if size <= most => Ok(Vec::with_capacity(size)),
            _ => Err(Refusal::new(Reason::TooLarge, format!("a part of the context is over {most} bytes"))),
        };
        let (size, to) = match header.kind {
            b'x' | b'g' | b'L' | b'K' => (header.size, To::Extended(header.kind, small(KEPT)?)),
            _ => {
                let entry = Entry::read(header, std::mem::take(&mut self.extended))?;
                let size = entry.size;
                if !self.keeps(&entry.name) {
                    entry.write(out);
                    (size, To::Sent)
                } else if entry.kind != Kind::File {
                    let message = format!("'{}' must be a plain file", crate::query::shown(&entry.name));
                    return Err(bad(message));
                } else if self.found.iter().any(|found| found.entry.name == entry.name) {
                    let message = format!("the context has '{}' twice", crate::query::shown(&entry.name));
                    return Err(bad(message));
                } else {
                    let most = if entry.name == IGNORE { KEPT } else { MAX_DOCKERFILE };
                    if usize::try_from(size).map_or(true, |size| size > most) {
                        let message = format!("'{}' is over {most} bytes", crate::query::shown(&entry.name));
                        return Err(Refusal::new(Reason::TooLarge, message));
                    }
                    (size, To::Found(entry, Vec::new()))
                }
            }
        };
        self.state = State::Data { left: size, fill: filling(size), to };
        if size == 0 { self.close() } else { Ok(()) }
    }

    /// An entry's bytes have come.
    fn close(&mut self) -> Result<(), Refusal> {
        match std::mem::replace(&mut self.state, State::Header) {
            State::Data { to: To::Extended(kind, bytes), .. } => self.extended.read(kind, &bytes),
            State::Data { to: To::Found(entry, bytes), .. } => {
                self.found.push(Found { entry, bytes });
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A whole file.
fn file(entry: &Entry, bytes: &[u8], out: &mut Vec<u8>) {
    let entry = entry.sized(length(bytes));
    entry.write(out);
    out.extend_from_slice(bytes);
    let fill = usize::try_from(filling(entry.size)).unwrap_or_default();
    out.resize(out.len().saturating_add(fill), 0);
}

/// What follows so many bytes until the next block.
fn filling(size: u64) -> u64 {
    let block = u64::try_from(BLOCK).unwrap_or(u64::MAX);
    (block - size % block) % block
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::BadRequest, message).path("context").nearest("a context as docker build sends it")
}

#[cfg(test)]
mod tests;
