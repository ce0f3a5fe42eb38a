//! Which loader a program asks the kernel for: `PT_INTERP` of its headers (`elf(5)`).

use rustix::fs::{Mode, OFlags};
use std::ffi::CString;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

const MAGIC: [u8; 4] = *b"\x7fELF";
/// `ELFCLASS64`: the only one that runs here.
const CLASS_64: u8 = 2;
const PT_INTERP: u32 = 3;
/// Most headers that are looked at, and longest path; both as in the kernel.
const HEADERS: u16 = 1024;
const PATH: u64 = 4096;

/// The loader's path; `None` for a program that needs none. `program` may be `O_PATH`.
pub(crate) fn loader(program: &OwnedFd) -> Result<Option<CString>> {
    let path = format!("/proc/self/fd/{}", program.as_raw_fd());
    let file = File::from(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
    find(&file)
}

fn find(file: &File) -> Result<Option<CString>> {
    let bad = |why| Error::new(ErrorKind::InvalidData, why);
    if take::<4>(file, 0)? != MAGIC || take::<1>(file, 4)? != [CLASS_64] {
        return Err(bad("not an ELF program of this machine"));
    }
    let first = u64::from_ne_bytes(take(file, 32)?);
    let size = u64::from(u16::from_ne_bytes(take(file, 54)?));
    let count = u16::from_ne_bytes(take(file, 56)?);
    if count > HEADERS {
        return Err(bad("too many headers"));
    }
    for place in 0..u64::from(count) {
        let at = first.saturating_add(place.saturating_mul(size));
        if u32::from_ne_bytes(take(file, at)?) != PT_INTERP {
            continue;
        }
        let start = u64::from_ne_bytes(take(file, at.saturating_add(8))?);
        let length = u64::from_ne_bytes(take(file, at.saturating_add(32))?);
        if length > PATH {
            return Err(bad("the loader's path is too long"));
        }
        let mut path = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut path, start)?;
        return CString::from_vec_with_nul(path).map(Some).map_err(|_| bad("the loader's path has no end"));
    }
    Ok(None)
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
        }
    }
}
