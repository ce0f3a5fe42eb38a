//! Keeps the saved runs within what the policy keeps, while the store serves: in batches so small that nobody
//! waits for them. After a start it first brings rows and files together, which a crash may have parted.

use super::db::{Db, Held, Old};
use super::output::path_of;
use super::room::Room;
use doorward_policy::Runs;
use std::collections::HashMap;
use std::fs::{OpenOptions, ReadDir};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Rows or files of one batch.
const BATCH: u32 = 32;
/// How often it is looked whether something is too old.
const EVERY: Duration = Duration::from_secs(60);
/// How soon after a run's end it is looked whether all runs are too large.
const AFTER_END: Duration = Duration::from_secs(1);
/// A file takes whole blocks of the file system.
const BLOCK: u64 = 4096;
/// The database's write-ahead log is emptied when it takes more bytes: it does not shrink by itself.
const LONGEST_LOG: u64 = 1 << 20;
/// Free pages of the database that are left for new rows.
const SPARE_PAGES: i64 = 64;
const DAY: i64 = 24 * 3600 * 1000;

/// How much is kept of runs that are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keep {
    /// Since their start.
    pub(crate) days: u32,
    /// Bytes of all outputs' files and of the database.
    pub(crate) size: u64,
}

impl Keep {
    /// As the policy says.
    pub(crate) fn of(runs: &Runs) -> Keep {
        Keep { days: runs.keep_days, size: runs.keep_size }
    }
}

/// What is to do next.
#[derive(Debug)]
enum Chore {
    /// Nothing was done yet.
    Begin,
    /// Looking for files without a row.
    Files(ReadDir),
    /// Looking for rows without their file, after this row.
    Rows(i64),
    /// Deleting what is not kept.
    Expire,
    /// Giving freed pages back.
    Shrink,
    /// Waiting.
    Rest,
}

/// The state of it.
#[derive(Debug)]
pub(super) struct Tidy {
    outputs: PathBuf,
    chore: Chore,
    due: Instant,
    /// What each worker's runs take; `None`: to be counted anew.
    held: Option<HashMap<String, Held>>,
    /// Whether too little of the file system is free.
    scarce: bool,
}

impl Tidy {
    pub(super) fn new(outputs: &Path) -> Self {
        Tidy {
            outputs: outputs.to_owned(),
            chore: Chore::Begin,
            due: Instant::now(),
            held: None,
            scarce: false,
        }
    }

    /// How long nothing is to do.
    pub(super) fn rest(&self) -> Duration {
        match self.chore {
            Chore::Rest => self.due.saturating_duration_since(Instant::now()),
            _ => Duration::ZERO,
        }
    }

    /// Looks again at once: what is kept has changed.
    pub(super) fn soon(&mut self) {
        self.due = Instant::now();
    }

    /// A worker's runs take so much more.
    pub(super) fn grew(&mut self, worker: &str, by: Held) {
        if let Some(all) = &mut self.held {
            let held = all.entry(worker.to_owned()).or_default();
            *held = held.plus(by);
        }
        self.due = self.due.min(Instant::now() + AFTER_END);
    }

    /// A worker's runs take more, and it cannot be told how much.
    pub(super) fn grew_unseen(&mut self) {
        self.held = None;
        self.due = self.due.min(Instant::now() + AFTER_END);
    }

    /// Nothing could be done.
    pub(super) fn later(&mut self) {
        self.chore = Chore::Rest;
        self.due = Instant::now() + EVERY;
    }

    /// Does one batch. Without `keep`, which comes with the policy, nothing is deleted that is whole.
    pub(super) fn batch(&mut self, db: &Db, keep: Option<Keep>, now: i64) -> rusqlite::Result<()> {
        self.chore = match std::mem::replace(&mut self.chore, Chore::Rest) {
            Chore::Begin => std::fs::read_dir(&self.outputs).map_or(Chore::Expire, Chore::Files),
            Chore::Files(entries) => self.match_files(db, entries)?,
            Chore::Rows(after) => self.match_rows(db, after)?,
            Chore::Expire => match keep {
                Some(keep) if self.expire(db, keep, now)? => Chore::Expire,
                Some(_) => Chore::Shrink,
                None => Chore::Rest,
            },
            Chore::Shrink if db.shrink(SPARE_PAGES, BATCH)? => Chore::Shrink,
            // Pages are given back to the file system only with this.
            Chore::Shrink => {
                empty_log(db, LONGEST_LOG)?;
                Chore::Rest
            }
            Chore::Rest if self.due <= Instant::now() => {
                self.due = Instant::now() + EVERY;
                Chore::Expire
            }
            Chore::Rest => Chore::Rest,
        };
        Ok(())
    }

    /// A file without a row is removed; the row of any other says how large it is.
    fn match_files(&mut self, db: &Db, mut entries: ReadDir) -> rusqlite::Result<Chore> {
        for _ in 0..BATCH {
            let Some(entry) = entries.next() else {
                self.held = None;
                return Ok(Chore::Rows(0));
            };
            let Some((id, path)) = entry.ok().and_then(|entry| Some((id_of(&entry.path())?, entry.path())))
            else {
                continue;
            };
            if db.has(&id)? {
                db.set_stored(&id, stored(&path))?;
            } else {
                let _ = std::fs::remove_file(path);
            }
        }
        Ok(Chore::Files(entries))
    }

    /// A run whose file is gone is not whole.
    fn match_rows(&mut self, db: &Db, after: i64) -> rusqlite::Result<Chore> {
        let rows = db.with_output(after, BATCH)?;
        let Some((last, _)) = rows.last() else {
            self.held = None;
            return Ok(Chore::Expire);
        };
        for (_, id) in &rows {
            if !path_of(&self.outputs, id).exists() {
                db.lost_output(id)?;
            }
        }
        Ok(Chore::Rows(*last))
    }

    /// Deletes one batch; whether there may be more. The rows go first: a file that is left by a crash in
    /// between is found at the next start. Where there is no room to delete a row, the file makes it.
    fn expire(&mut self, db: &Db, keep: Keep, now: i64) -> rusqlite::Result<bool> {
        let before = now.saturating_sub(i64::from(keep.days).saturating_mul(DAY));
        let mut go = db.oldest(before, BATCH)?;
        if go.is_empty() {
            go = match self.excess(db, keep)? {
                0 => Vec::new(),
                excess => self.of_the_largest(db, excess)?,
            };
        }
        let ids = || go.iter().map(|old| old.id.as_str());
        let deleted = db.delete(ids());
        for old in &go {
            remove(&path_of(&self.outputs, &old.id), self.scarce);
        }
        deleted.or_else(|_| db.delete(ids()))?;
        for old in &go {
            self.gone(old);
        }
        Ok(!go.is_empty())
    }

    /// Bytes that are to go: beyond what is kept, or of what is to be free.
    fn excess(&mut self, db: &Db, keep: Keep) -> rusqlite::Result<u64> {
        let all = self.held(db)?.values().fold(Held::default(), |sum, held| sum.plus(*held));
        let (files, count) = (all.files, all.count);
        let mut used = files.saturating_add(db.size()?);
        if used <= keep.size {
            // What the log takes can be had back without deleting anything.
            used = used.saturating_add(empty_log(db, keep.size.saturating_sub(used))?);
        }
        let room = Room::of(&self.outputs);
        self.scarce = room.is_some_and(|room| room.is_scarce());
        Ok(room.map_or(0, |room| room.excess(used, count)).max(used.saturating_sub(keep.size)))
    }

    /// The oldest of the worker who holds most, until it holds no more than the next: what one saves takes
    /// nothing from who has less. When all it has still runs, the next one's.
    fn of_the_largest(&mut self, db: &Db, excess: u64) -> rusqlite::Result<Vec<Old>> {
        let mut workers: Vec<(&String, u64)> =
            self.held(db)?.iter().map(|(worker, held)| (worker, held.all())).collect();
        workers.sort_by_key(|(_, held)| std::cmp::Reverse(*held));
        let next = workers.iter().skip(1).map(|(_, held)| *held).chain([0]);
        for ((worker, holds), next) in workers.iter().zip(next) {
            let go = enough(db.oldest_of(worker, BATCH)?, excess.min(holds.saturating_sub(next)));
            if !go.is_empty() {
                return Ok(go);
            }
        }
        Ok(Vec::new())
    }

    fn held(&mut self, db: &Db) -> rusqlite::Result<&HashMap<String, Held>> {
        let held = match self.held.take() {
            Some(held) => held,
            None => db.held()?,
        };
        Ok(self.held.insert(held))
    }

    fn gone(&mut self, old: &Old) {
        let Some(held) = &mut self.held else { return };
        if let Some(left) = held.get_mut(&old.worker) {
            *left = left.minus(old.held);
            if *left == Held::default() {
                held.remove(&old.worker);
            }
        }
    }
}

/// Bytes of the database's log, which is emptied when it has more than `most`.
fn empty_log(db: &Db, most: u64) -> rusqlite::Result<u64> {
    if db.log_size() > most {
        db.empty_log()?;
    }
    Ok(db.log_size())
}

/// Where room is scarce, at once: not when the last who reads the file has closed it.
fn remove(path: &Path, scarce: bool) {
    if scarce {
        let _ = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(0));
    }
    let _ = std::fs::remove_file(path);
}

/// As many of the oldest as it takes to free `excess` bytes; one at least.
fn enough(oldest: Vec<Old>, excess: u64) -> Vec<Old> {
    let mut freed: u64 = 0;
    let mut go = Vec::new();
    for old in oldest {
        if freed >= excess && !go.is_empty() {
            break;
        }
        freed = freed.saturating_add(old.held.all());
        go.push(old);
    }
    go
}

/// The run whose output this file is.
fn id_of(path: &Path) -> Option<String> {
    let id = path.file_name()?.to_str()?.strip_suffix(".zst")?;
    id.bytes().all(|byte| byte.is_ascii_alphanumeric()).then(|| id.to_owned())
}

/// Bytes that a file takes; none when there is none.
pub(super) fn stored(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |facts| facts.len().div_ceil(BLOCK).saturating_mul(BLOCK))
}
