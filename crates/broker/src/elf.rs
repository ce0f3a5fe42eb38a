//! What the kernel and the loader open for a program: the loader itself (`PT_INTERP` of its headers) and the
//! libraries that it names (`DT_NEEDED` of its dynamic section; `elf(5)`).

use rustix::fs::{Mode, OFlags};
use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 4] = *b"\x7fELF";
/// `ELFCLASS64`: the only one that runs here.
const CLASS_64: u8 = 2;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
/// Most headers that are looked at, and longest path; both as in the kernel.
const HEADERS: u16 = 1024;
const PATH: u64 = 4096;
/// Most entries of a dynamic section, longest name of a library, and most libraries of a program.
const ENTRIES: u64 = 4096;
const NAME: usize = 255;
const LIBRARIES: usize = 64;
/// Where loaders look without a configuration, after the folder that they are in themselves.
const FOLDERS: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// The loader's path; `None` for a program that needs none. `program` may be `O_PATH`.
pub(crate) fn loader(program: &OwnedFd) -> Result<Option<CString>> {
    find(&open(program)?)
}

/// The loader and all libraries, those of libraries too; a library that is in none of [`FOLDERS`] is left to
/// the loader to miss. `program` may be `O_PATH`.
pub(crate) fn opened(program: &OwnedFd) -> Result<Vec<PathBuf>> {
    let program = open(program)?;
    let Some(loader) = find(&program)? else { return Ok(Vec::new()) };
    let loader = PathBuf::from(OsStr::from_bytes(loader.as_bytes()));
    let beside = loader.canonicalize().ok().and_then(|real| real.parent().map(Path::to_owned));
    let folders: Vec<PathBuf> = beside.into_iter().chain(FOLDERS.iter().map(PathBuf::from)).collect();
    let (mut found, mut known) = (vec![loader], BTreeSet::new());
    let mut open = needed(&program)?;
    while let Some(name) = open.pop() {
        if known.len() >= LIBRARIES {
            return Err(bad("too many libraries"));
        }
        // A name with a slash would be a path of its own choice.
        if name.contains(&b'/') || !known.insert(name.clone()) {
            continue;
        }
        let path =
            folders.iter().map(|folder| folder.join(OsStr::from_bytes(&name))).find(|path| path.is_file());
        if let Some(path) = path {
            open.extend(needed(&File::open(&path)?)?);
            found.push(path);
        }
    }
    Ok(found)
}

fn open(program: &OwnedFd) -> Result<File> {
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    Ok(File::from(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))
}

fn bad(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

/// A part of the file: its kind, where it is in the file, its address in memory, its length.
struct Part {
    kind: u32,
    start: u64,
    address: u64,
    length: u64,
}

fn parts(file: &File) -> Result<Vec<Part>> {
    if take::<4>(file, 0)? != MAGIC || take::<1>(file, 4)? != [CLASS_64] {
        return Err(bad("not an ELF program of this machine"));
    }
    let first = u64::from_ne_bytes(take(file, 32)?);
    let size = u64::from(u16::from_ne_bytes(take(file, 54)?));
    let count = u16::from_ne_bytes(take(file, 56)?);
    if count > HEADERS {
        return Err(bad("too many headers"));
    }
    let part = |place: u64| -> Result<Part> {
        let at = first.saturating_add(place.saturating_mul(size));
        let number =
            |field: u64| -> Result<u64> { Ok(u64::from_ne_bytes(take(file, at.saturating_add(field))?)) };
        let kind = u32::from_ne_bytes(take(file, at)?);
        Ok(Part { kind, start: number(8)?, address: number(16)?, length: number(32)? })
    };
    (0..u64::from(count)).map(part).collect()
}

fn find(file: &File) -> Result<Option<CString>> {
    let parts = parts(file)?;
    let Some(part) = parts.iter().find(|part| part.kind == PT_INTERP) else { return Ok(None) };
    if part.length > PATH {
        return Err(bad("the loader's path is too long"));
    }
    let mut path = vec![0; usize::try_from(part.length).unwrap_or(0)];
    file.read_exact_at(&mut path, part.start)?;
    CString::from_vec_with_nul(path).map(Some).map_err(|_| bad("the loader's path has no end"))
}

/// The names of the libraries that a file itself needs.
fn needed(file: &File) -> Result<Vec<Vec<u8>>> {
    let parts = parts(file)?;
    let Some(dynamic) = parts.iter().find(|part| part.kind == PT_DYNAMIC) else { return Ok(Vec::new()) };
    let (mut names, mut strings) = (Vec::new(), None);
    for place in 0..(dynamic.length / 16).min(ENTRIES) {
        let at = dynamic.start.saturating_add(place.saturating_mul(16));
        let value = u64::from_ne_bytes(take(file, at.saturating_add(8))?);
        match u64::from_ne_bytes(take(file, at)?) {
            DT_NULL => break,
            DT_NEEDED => names.push(value),
            DT_STRTAB => strings = Some(value),
            _ => {}
        }
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let strings = strings.ok_or_else(|| bad("no table of names"))?;
    let loaded = parts.iter().filter(|part| part.kind == PT_LOAD);
    let start = loaded
        .filter_map(|part| {
            let within = strings.checked_sub(part.address)?;
            (within < part.length).then(|| part.start.saturating_add(within))
        })
        .next()
        .ok_or_else(|| bad("the table of names is not in the file"))?;
    names.into_iter().map(|name| text(file, start.saturating_add(name))).collect()
}

/// The text up to the NUL.
fn text(file: &File, at: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; NAME.saturating_add(1)];
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(u64::try_from(length).unwrap_or(u64::MAX)))? {
            0 => break,
            read => length = length.saturating_add(read),
        }
    }
    bytes.truncate(length);
    let end = bytes.iter().position(|byte| *byte == 0).ok_or_else(|| bad("a name has no end"))?;
    bytes.truncate(end);
    Ok(bytes)
}

fn take<const N: usize>(file: &File, at: u64) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_programs_loader_is_found_and_is_there() {
        let program: OwnedFd = File::open("/bin/sh").unwrap().into();
        let loader = loader(&program).unwrap().expect("sh is linked dynamically here");
        assert!(std::path::Path::new(loader.to_str().unwrap()).is_file(), "{loader:?}");
    }

    #[test]
    fn a_programs_libraries_are_found_and_what_they_need_as_well() {
        let program: OwnedFd = File::open("/bin/sh").unwrap().into();
        let files = opened(&program).unwrap();
        let loader = loader(&program).unwrap().unwrap().into_string().unwrap();
        assert_eq!(files.first().map(|path| path.to_str().unwrap()), Some(loader.as_str()));
        let listed = std::process::Command::new(&loader).args(["--list", "/bin/sh"]).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let libraries: Vec<&str> = listed
            .lines()
            .filter_map(|line| line.trim().split_once(" => "))
            .map(|(name, _)| name)
            .filter(|name| !loader.ends_with(name))
            .collect();
        assert!(!libraries.is_empty(), "{listed}");
        for name in libraries {
            assert!(files.iter().any(|path| path.ends_with(name) && path.is_file()), "{name}: {files:?}");
        }
    }

    #[test]
    fn what_is_no_program_or_a_torn_one_is_an_error() {
        let whole = std::fs::read("/bin/sh").unwrap();
        let mut endless = whole[..64].to_vec();
        endless[56..58].copy_from_slice(&[0xff, 0xff]);
        let mut far = whole[..64].to_vec();
        far[32..40].copy_from_slice(&[0xff; 8]);
        let mut narrow = whole[..64].to_vec();
        narrow[4] = 1;
        for bytes in [&b""[..], b"#!/bin/sh\n", &whole[..5], &whole[..60], &endless, &far, &narrow] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            assert!(find(&file).is_err(), "{bytes:?}");
            assert!(needed(&file).is_err(), "{bytes:?}");
        }
    }
}
