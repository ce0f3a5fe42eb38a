//! The room of the file system that saved runs lie on, and the part of it that they leave free: where it is
//! also the audit log's, a worker who fills it would otherwise stop every other.

use std::path::Path;

/// Left free for all else: a twentieth of the file system, between these two, and never more than a quarter.
const LEAST: u64 = 64 << 20;
const MOST: u64 = 1 << 30;

/// What the file system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that are free, without those that only root may use.
    pub free: u64,
    /// How many files there may be in all; 0 when that is not limited.
    files: u64,
    free_files: u64,
}

impl Room {
    /// Of the file system that `folder` lies on. `None` when it cannot be told.
    pub fn of(folder: &Path) -> Option<Room> {
        let facts = rustix::fs::statvfs(folder).ok()?;
        Some(Room {
            total: facts.f_blocks.saturating_mul(facts.f_frsize),
            free: facts.f_bavail.saturating_mul(facts.f_frsize),
            files: facts.f_files,
            free_files: facts.f_favail,
        })
    }

    /// Bytes that saved runs leave free.
    pub fn reserve(&self) -> u64 {
        (self.total / 20).clamp(LEAST, MOST).min(self.total / 4)
    }

    /// What an operator is to know: that `keep` bytes never fit, or that there is too little room now.
    pub fn notice(&self, keep: u64) -> Option<String> {
        const MIB: u64 = 1 << 20;
        let (total, reserve) = (self.total / MIB, self.reserve().div_ceil(MIB));
        let has = format!("their file system has {total} MiB, of which {reserve} MiB are left free");
        if self.is_scarce() {
            return Some(format!(
                "outputs are not saved, and old runs go, until there is room again: {has}, and {} MiB and {} files are free",
                self.free / MIB,
                self.free_files,
            ));
        }
        let most = self.total.saturating_sub(self.reserve());
        (keep > most).then(|| format!("keep.size of {} MiB never fits: {has}", keep / MIB))
    }

    /// Whether less is free than is to be.
    pub(super) fn is_scarce(&self) -> bool {
        self.missing() != (0, 0)
    }

    /// Bytes, or files where those are more, that saved runs of so many `bytes` and `files` give back for
    /// others. As much as is to be free they always keep: who fills the disk in another way must not erase them.
    pub(super) fn excess(&self, bytes: u64, files: u64) -> u64 {
        let (missing, missing_files) = self.missing();
        let bytes = missing.min(bytes.saturating_sub(self.reserve()));
        bytes.max(missing_files.min(files.saturating_sub(self.files / 20)))
    }

    /// Bytes and files by which less is free than is to be.
    fn missing(&self) -> (u64, u64) {
        let files = (self.files / 20).saturating_sub(self.free_files);
        (self.reserve().saturating_sub(self.free), files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(total: u64, free: u64) -> Room {
        Room { total, free, files: 0, free_files: 0 }
    }

    #[test]
    fn the_reserve_is_a_twentieth_within_bounds_and_a_quarter_of_a_small_file_system() {
        let cases = [
            (80 << 20, 20 << 20),
            (256 << 20, 64 << 20),
            (1 << 30, 64 << 20),
            (10 << 30, 512 << 20),
            (1 << 40, 1 << 30),
            (0, 0),
        ];
        for (total, reserve) in cases {
            assert_eq!(room(total, 0).reserve(), reserve, "of {total}");
        }
    }

    #[test]
    fn a_keep_that_never_fits_is_told_and_so_is_a_full_file_system() {
        assert_eq!(room(1 << 40, 1 << 39).notice(10 << 30), None);
        let small = room(80 << 20, 70 << 20).notice(10 << 30).unwrap();
        assert!(small.contains("10240 MiB never fits") && small.contains("20 MiB are left free"), "{small}");
        let full = room(80 << 20, 5 << 20).notice(1).unwrap();
        assert!(full.contains("not saved") && full.contains("5 MiB"), "{full}");
    }

    #[test]
    fn what_others_fill_takes_of_saved_runs_what_is_beyond_the_reserve() {
        let full = room(80 << 20, (20 << 20) - 7);
        assert_eq!((full.is_scarce(), full.excess(30 << 20, 0)), (true, 7));
        assert_eq!((full.excess((20 << 20) + 3, 0), full.excess(20 << 20, 0)), (3, 0));
        let free = room(80 << 20, 20 << 20);
        assert_eq!((free.is_scarce(), free.excess(30 << 20, 0)), (false, 0));
        let few = Room { files: 2000, free_files: 40, ..free };
        assert_eq!(
            (few.is_scarce(), few.excess(0, 2000), few.excess(0, 110), few.excess(0, 100)),
            (true, 60, 10, 0)
        );
    }
}
