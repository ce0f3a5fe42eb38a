//! A real file system that is full, or read-only. Needs root for its mounts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use doorward_audit::{AuditError, Entry, Kind, Options, Reader, Wanted, Writer, verify};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A small tmpfs, unmounted when dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    /// `None` without root, said on stderr.
    fn mount(options: &str) -> Option<Tmpfs> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("not run: mounting needs root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let made = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Some(Tmpfs(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(self.path()).status();
        assert!(done.is_ok_and(|status| status.success()));
    }
}

fn entry(n: usize) -> Entry {
    Entry { request: Some(format!("r{n}")), message: Some("x".repeat(900)), ..Entry::new(Kind::Intent) }
}

#[test]
fn a_full_disk_refuses_keeps_the_log_whole_and_is_told_when_there_is_room_again() {
    let Some(disk) = Tmpfs::mount("size=128k,mode=0700") else { return };
    let (writer, _) = Writer::open(disk.path(), Options::default()).unwrap();
    fs::write(disk.path().join("filler"), vec![0; 64 << 10]).unwrap();
    let (mut stood, mut refused) = (0, 0);
    for n in 0..200 {
        match writer.append(entry(n), n % 2 == 0) {
            Ok(_) => stood += 1,
            Err(AuditError::Write { at: "write", .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(stood > 5 && refused > 5, "{stood} {refused}");
    assert!(writer.status().failed.unwrap().contains("No space left"));
    let full = verify(disk.path()).unwrap();
    assert_eq!((full.records, full.unfinished), (stood + 1, 0));

    fs::remove_file(disk.path().join("filler")).unwrap();
    writer.append(entry(999), true).unwrap();
    assert_eq!(writer.status().failed, None);
    writer.close().unwrap();
    assert_eq!(verify(disk.path()).unwrap().records, stood + 4);
    let gap = Reader::open(disk.path(), Wanted::default())
        .unwrap()
        .map(|shown| shown.unwrap().record.entry)
        .find(|entry| entry.kind == Kind::Gap)
        .unwrap();
    assert_eq!(gap.detail.unwrap()["refused"], refused);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_refused_at_opening() {
    let Some(disk) = Tmpfs::mount("size=64k,mode=0700,ro") else { return };
    let error = Writer::open(disk.path(), Options::default()).unwrap_err();
    assert!(matches!(error, AuditError::Folder { .. }), "{error:?}");
    assert!(error.to_string().contains("Read-only"), "{error}");
}
