//! What tidying asks of the table of runs.

use super::schema::PATIENCE;
use super::{Db, whole};
use rusqlite::{Result, Row, params};
use std::collections::HashMap;
use std::time::Duration;

pub(super) const OLDEST: &str = "SELECT id, worker, stored, texts FROM runs WHERE started < ?1 AND state <> 'running' ORDER BY started LIMIT ?2";
pub(super) const OLDEST_OF: &str = "SELECT id, worker, stored, texts FROM runs WHERE worker = ?1 AND state <> 'running' ORDER BY started LIMIT ?2";
pub(super) const HELD: &str = "SELECT worker, sum(stored), sum(texts), count(*) FROM runs GROUP BY worker";

/// What a row takes of the database beside its texts, about: its other columns and its places in indexes.
const ROW: u64 = 512;

/// What saved runs take.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Held {
    /// Bytes of outputs' files.
    pub(in crate::store) files: u64,
    /// Bytes of the database, about.
    pub(in crate::store) rows: u64,
    /// How many they are.
    pub(in crate::store) count: u64,
}

impl Held {
    pub(in crate::store) fn all(self) -> u64 {
        self.files.saturating_add(self.rows)
    }

    pub(super) fn of(files: i64, texts: i64, rows: i64) -> Held {
        let count = |number| u64::try_from(number).unwrap_or(0);
        let in_rows = count(rows).saturating_mul(ROW).saturating_add(count(texts));
        Held { files: count(files), rows: in_rows, count: count(rows) }
    }

    pub(in crate::store) fn plus(self, other: Held) -> Held {
        Held {
            files: self.files.saturating_add(other.files),
            rows: self.rows.saturating_add(other.rows),
            count: self.count.saturating_add(other.count),
        }
    }

    pub(in crate::store) fn minus(self, other: Held) -> Held {
        Held {
            files: self.files.saturating_sub(other.files),
            rows: self.rows.saturating_sub(other.rows),
            count: self.count.saturating_sub(other.count),
        }
    }
}

/// A run that may be deleted.
#[derive(Debug)]
pub(in crate::store) struct Old {
    pub(in crate::store) id: String,
    pub(in crate::store) worker: String,
    pub(in crate::store) held: Held,
}

impl Db {
    /// Whether there is such a run.
    pub(in crate::store) fn has(&self, id: &str) -> Result<bool> {
        self.connection.prepare_cached("SELECT 1 FROM runs WHERE id = ?1")?.exists([id])
    }

    /// Notes how many bytes a run's file takes, unless it is still being written.
    pub(in crate::store) fn set_stored(&self, id: &str, stored: u64) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE runs SET stored = ?2 WHERE id = ?1 AND stored <> ?2 AND state <> 'running'",
            )?
            .execute(params![id, whole(stored)])
            .map(drop)
    }

    /// Runs with a file, in the order of arrival, after row `after`: their row and id.
    pub(in crate::store) fn with_output(&self, after: i64, count: u32) -> Result<Vec<(i64, String)>> {
        self.connection
            .prepare_cached(
                "SELECT rowid, id FROM runs WHERE rowid > ?1 AND stored > 0 ORDER BY rowid LIMIT ?2",
            )?
            .query_map(params![after, count], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// A run's file is gone.
    pub(in crate::store) fn lost_output(&self, id: &str) -> Result<()> {
        self.connection.execute("UPDATE runs SET stored = 0, truncated = 1 WHERE id = ?1", [id]).map(drop)
    }

    /// The oldest runs that are over, of those from before a time.
    pub(in crate::store) fn oldest(&self, before: i64, count: u32) -> Result<Vec<Old>> {
        self.connection.prepare_cached(OLDEST)?.query_map(params![before, count], old)?.collect()
    }

    /// A worker's oldest runs that are over.
    pub(in crate::store) fn oldest_of(&self, worker: &str, count: u32) -> Result<Vec<Old>> {
        self.connection.prepare_cached(OLDEST_OF)?.query_map(params![worker, count], old)?.collect()
    }

    /// Deletes these rows, all or none.
    pub(in crate::store) fn delete<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Result<()> {
        let step = self.connection.unchecked_transaction()?;
        for id in ids {
            self.connection.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([id])?;
        }
        step.commit()
    }

    /// What each worker's runs take. Looks at every run.
    pub(in crate::store) fn held(&self) -> Result<HashMap<String, Held>> {
        self.connection
            .prepare_cached(HELD)?
            .query_map([], |row| Ok((row.get(0)?, Held::of(row.get(1)?, row.get(2)?, row.get(3)?))))?
            .collect()
    }

    /// Bytes of the database that are in use.
    pub(in crate::store) fn size(&self) -> Result<u64> {
        let used = self.pragma("page_count")?.saturating_sub(self.pragma("freelist_count")?);
        Ok(u64::try_from(used.saturating_mul(self.pragma("page_size")?)).unwrap_or(0))
    }

    /// Gives at most `count` free pages back to the file system; whether more than `spare` are left.
    pub(in crate::store) fn shrink(&self, spare: i64, count: u32) -> Result<bool> {
        if self.pragma("freelist_count")? <= spare {
            return Ok(false);
        }
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({count})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(self.pragma("freelist_count")? > spare)
    }

    /// Bytes of the write-ahead log beside the database.
    pub(in crate::store) fn log_size(&self) -> u64 {
        let path = self.connection.path().map(|path| format!("{path}-wal"));
        path.and_then(|path| std::fs::metadata(path).ok()).map_or(0, |facts| facts.len())
    }

    /// Brings the write-ahead log into the database and empties it; not while another program reads the
    /// database, which is not waited for.
    pub(in crate::store) fn empty_log(&self) -> Result<()> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.connection.busy_timeout(PATIENCE)?;
        emptied
    }

    fn pragma(&self, name: &str) -> Result<i64> {
        self.connection.pragma_query_value(None, name, |row| row.get(0))
    }
}

fn old(row: &Row<'_>) -> Result<Old> {
    Ok(Old { id: row.get(0)?, worker: row.get(1)?, held: Held::of(row.get(2)?, row.get(3)?, 1) })
}
