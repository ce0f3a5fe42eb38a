//! The table of runs, in SQLite. Times are milliseconds since 1970.

use super::{Ended, Found, NewRun, Row, Scope, State};
use rusqlite::{Connection, OptionalExtension, Result, params};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Each entry brings a database of the version before (`user_version`, the entry's place) to the next.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,            -- 26 characters, ULID form
        worker TEXT NOT NULL,
        line TEXT NOT NULL,             -- as typed, redacted
        argv TEXT,                      -- JSON array; NULL when it could not be read or held a secret
        state TEXT NOT NULL,            -- running, ended, refused, cut off
        verdict TEXT NOT NULL,          -- allow, deny
        rule TEXT,
        reason TEXT,                    -- code of a refusal
        message TEXT,
        exit INTEGER,                   -- as the session was told
        how TEXT,                       -- exited, signaled, deadline, ...
        started INTEGER NOT NULL,
        ended INTEGER,
        bytes INTEGER NOT NULL DEFAULT 0,
        truncated INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX runs_of_worker ON runs (worker);   -- and, as in every index, rowid: the order of arrival
",
"
    ALTER TABLE runs ADD COLUMN stages TEXT;                        -- JSON array of StageEnd; NULL: one command
    ALTER TABLE runs ADD COLUMN removed INTEGER NOT NULL DEFAULT 0; -- bytes of control sequences taken out
","
    ALTER TABLE runs ADD COLUMN job INTEGER NOT NULL DEFAULT 0;     -- submitted: it outlives its session
    ALTER TABLE runs ADD COLUMN stored INTEGER NOT NULL DEFAULT 0;  -- bytes of the output's file
    CREATE INDEX runs_by_start ON runs (started, stored);
"];

const COLUMNS: &str = "id, worker, line, state, rule, reason, message, exit, how, started, ended, bytes, truncated, removed, stages, job";

/// The same with long texts cut, so that a list of many runs stays small.
const BRIEF: &str = "id, worker, substr(line, 1, 400), state, rule, reason, substr(message, 1, 400), exit, how, \
                     started, ended, bytes, truncated, removed, NULL, job";

/// The open database.
#[derive(Debug)]
pub(super) struct Db {
    connection: Connection,
}

impl Db {
    /// Opens or makes the database and brings it to this version. Runs that a gateway before this one left
    /// running are marked cut off at `now`.
    pub(super) fn open(path: &Path, now: i64) -> Result<Db> {
        private_file(path)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        give_pages_back(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        migrate(&mut connection)?;
        connection.execute(
            "UPDATE runs SET state = 'cut off', how = 'gateway_stopped', ended = ?1 WHERE state = 'running'",
            [now],
        )?;
        Ok(Db { connection })
    }

    pub(super) fn begin(&self, run: &NewRun, rule: &str) -> Result<()> {
        self.insert(run, State::Running, Some(rule), None, None)
    }

    pub(super) fn refused(
        &self,
        run: &NewRun,
        rule: Option<&str>,
        reason: &str,
        message: &str,
    ) -> Result<()> {
        self.insert(run, State::Refused, rule, Some(reason), Some(message))
    }

    fn insert(
        &self,
        run: &NewRun,
        state: State,
        rule: Option<&str>,
        reason: Option<&str>,
        message: Option<&str>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO runs (id, worker, line, argv, state, verdict, rule, reason, message, exit, started, ended, job)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?;
        let refused = state == State::Refused;
        statement.execute(params![
            run.id,
            run.worker,
            run.line,
            run.argv.as_ref().and_then(|argv| serde_json::to_string(argv).ok()),
            state.name(),
            if refused { "deny" } else { "allow" },
            rule,
            reason,
            message,
            refused.then_some(crate::refuse::REFUSED),
            run.started,
            refused.then_some(run.started),
            run.job,
        ])?;
        Ok(())
    }

    /// Ends a run whose output's file takes `stored` bytes.
    pub(super) fn finish(&self, id: &str, ended: &Ended, stored: u64) -> Result<()> {
        let mut statement = self.connection.prepare_cached(
            "UPDATE runs SET state = ?2, verdict = ?3, rule = coalesce(?4, rule), reason = ?5, message = ?6,
             exit = ?7, how = ?8, ended = ?9, bytes = ?10, truncated = ?11, removed = ?12, stages = ?13,
             stored = ?14
             WHERE id = ?1",
        )?;
        statement.execute(params![
            id,
            ended.state.name(),
            if ended.state == State::Refused { "deny" } else { "allow" },
            ended.rule,
            ended.reason,
            ended.message,
            ended.exit,
            ended.how,
            ended.at,
            whole(ended.bytes),
            ended.truncated,
            whole(ended.removed),
            (!ended.stages.is_empty()).then(|| serde_json::to_string(&ended.stages).unwrap_or_default()),
            whole(stored),
        ])?;
        Ok(())
    }

    /// Newest first; long lines and messages are cut.
    pub(super) fn list(&self, scope: &Scope, count: u32) -> Result<Vec<Row>> {
        let (filter, worker) = filter(scope);
        let mut statement = self.connection.prepare_cached(&list_of(filter))?;
        statement.query_map(params![worker, count], row)?.collect()
    }

    /// In the order of arrival, each with its place, from after the place `after`.
    pub(super) fn page(&self, scope: &Scope, after: i64, count: u32) -> Result<Vec<(i64, Row)>> {
        let (filter, worker) = filter(scope);
        let mut statement = self.connection.prepare_cached(&page_of(filter))?;
        let rows =
            statement.query_map(params![worker, after, count], |from| Ok((from.get(16)?, row(from)?)))?;
        rows.collect()
    }

    /// By a prefix of the id, in upper case.
    pub(super) fn find(&self, scope: &Scope, prefix: &str) -> Result<Found> {
        let (filter, worker) = filter(scope);
        let sql = find_in(filter);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query_map(params![worker, prefix], row)?;
        let first = rows.next().transpose()?;
        let second = rows.next().transpose()?;
        Ok(match (first, second) {
            (None, _) => Found::None,
            (Some(run), None) => Found::One(Box::new(run)),
            (Some(_), Some(_)) => Found::Several,
        })
    }
}

fn list_of(filter: &str) -> String {
    format!("SELECT {BRIEF} FROM runs WHERE {filter} ORDER BY rowid DESC LIMIT ?2")
}

fn page_of(filter: &str) -> String {
    format!("SELECT {COLUMNS}, rowid FROM runs WHERE {filter} AND rowid > ?2 ORDER BY rowid LIMIT ?3")
}

/// Every character of an id sorts before '~'. The plus keeps the index of workers out of it.
fn find_in(filter: &str) -> String {
    format!("SELECT {COLUMNS} FROM runs WHERE +{filter} AND id >= ?2 AND id < ?2 || '~' ORDER BY id LIMIT 2")
}

const OLDEST: &str =
    "SELECT id, stored FROM runs WHERE started < ?1 AND state <> 'running' ORDER BY started LIMIT ?2";
const STORED: &str = "SELECT coalesce(sum(stored), 0) FROM runs";

/// What tidying needs.
impl Db {
    /// Whether there is such a run.
    pub(super) fn has(&self, id: &str) -> Result<bool> {
        self.connection.prepare_cached("SELECT 1 FROM runs WHERE id = ?1")?.exists([id])
    }

    /// Notes how many bytes a run's file takes, unless it is still being written.
    pub(super) fn set_stored(&self, id: &str, stored: u64) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE runs SET stored = ?2 WHERE id = ?1 AND stored <> ?2 AND state <> 'running'",
            )?
            .execute(params![id, whole(stored)])
            .map(drop)
    }

    /// Runs with a file, in the order of arrival, after row `after`: their row and id.
    pub(super) fn with_output(&self, after: i64, count: u32) -> Result<Vec<(i64, String)>> {
        self.connection
            .prepare_cached(
                "SELECT rowid, id FROM runs WHERE rowid > ?1 AND stored > 0 ORDER BY rowid LIMIT ?2",
            )?
            .query_map(params![after, count], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
    }

    /// A run's file is gone.
    pub(super) fn lost_output(&self, id: &str) -> Result<()> {
        self.connection.execute("UPDATE runs SET stored = 0, truncated = 1 WHERE id = ?1", [id]).map(drop)
    }

    /// The oldest runs that are over, with the bytes of their files; only those from before a time.
    pub(super) fn oldest(&self, before: Option<i64>, count: u32) -> Result<Vec<(String, u64)>> {
        self.connection
            .prepare_cached(OLDEST)?
            .query_map(params![before.unwrap_or(i64::MAX), count], |row| {
                Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)))
            })?
            .collect()
    }

    /// Deletes these rows, all or none.
    pub(super) fn delete<'i>(&self, ids: impl Iterator<Item = &'i str>) -> Result<()> {
        let step = self.connection.unchecked_transaction()?;
        for id in ids {
            self.connection.prepare_cached("DELETE FROM runs WHERE id = ?1")?.execute([id])?;
        }
        step.commit()
    }

    /// Bytes of all outputs' files.
    pub(super) fn stored(&self) -> Result<u64> {
        let sum = self.connection.query_row(STORED, [], |row| row.get(0));
        sum.map(|sum: i64| u64::try_from(sum).unwrap_or(0))
    }

    /// Bytes of the database that are in use.
    pub(super) fn size(&self) -> Result<u64> {
        let used = self.pragma("page_count")?.saturating_sub(self.pragma("freelist_count")?);
        Ok(u64::try_from(used.saturating_mul(self.pragma("page_size")?)).unwrap_or(0))
    }

    /// Gives at most `count` free pages back to the file system; whether more than `spare` are left.
    pub(super) fn shrink(&self, spare: i64, count: u32) -> Result<bool> {
        if self.pragma("freelist_count")? <= spare {
            return Ok(false);
        }
        let mut statement = self.connection.prepare(&format!("PRAGMA incremental_vacuum({count})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(self.pragma("freelist_count")? > spare)
    }

    fn pragma(&self, name: &str) -> Result<i64> {
        self.connection.pragma_query_value(None, name, |row| row.get(0))
    }
}

/// A count as SQLite has them.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The condition on the worker, and what stands for `?1` in it.
fn filter(scope: &Scope) -> (&'static str, &str) {
    match scope {
        Scope::Worker(worker) => ("worker = ?1", worker),
        Scope::All => ("?1 = ''", ""),
    }
}

fn row(from: &rusqlite::Row<'_>) -> Result<Row> {
    Ok(Row {
        id: from.get(0)?,
        worker: from.get(1)?,
        line: from.get(2)?,
        state: State::named(&from.get::<_, String>(3)?),
        rule: from.get(4)?,
        reason: from.get(5)?,
        message: from.get(6)?,
        exit: from.get(7)?,
        how: from.get(8)?,
        started: from.get(9)?,
        ended: from.get(10)?,
        bytes: u64::try_from(from.get::<_, i64>(11)?).unwrap_or(0),
        truncated: from.get(12)?,
        removed: u64::try_from(from.get::<_, i64>(13)?).unwrap_or(0),
        stages: from
            .get::<_, Option<String>>(14)?
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
        job: from.get(15)?,
    })
}

/// A database of a version before this cannot give freed pages back until it was written anew once. Without
/// room for that it stays as it is until the next start.
fn give_pages_back(connection: &Connection) -> Result<()> {
    const INCREMENTAL: i64 = 2;
    let mode: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if mode != INCREMENTAL {
        connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
        let _ = connection.execute_batch("VACUUM");
    }
    Ok(())
}

/// SQLite gives its side files the mode of the database, and makes that readable for everybody by itself.
fn private_file(path: &Path) -> Result<()> {
    let made = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    made.map(drop).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn migrate(connection: &mut Connection) -> Result<()> {
    let version: Option<usize> = connection
        .query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        .optional()?
        .map(|version| usize::try_from(version).unwrap_or(usize::MAX));
    let version = version.unwrap_or(0);
    if version > MIGRATIONS.len() {
        return Err(rusqlite::Error::InvalidParameterName(format!(
            "runs.db is of version {version}; this program knows {}",
            MIGRATIONS.len()
        )));
    }
    for (place, sql) in MIGRATIONS.iter().enumerate().skip(version) {
        let step = connection.transaction()?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "user_version", i64::try_from(place.saturating_add(1)).unwrap_or(i64::MAX))?;
        step.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_can_read_the_database() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("runs.db"), 0).unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{entry:?}");
        }
        drop(db);
    }

    #[test]
    fn a_database_of_a_later_version_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.db");
        drop(Db::open(&path, 0).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(Db::open(&path, 0).unwrap_err().to_string().contains("version 99"));
    }

    /// The steps of the plan of every question that may be asked of many thousand rows.
    #[test]
    fn no_question_looks_at_every_row() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("runs.db"), 0).unwrap();
        let plan = |sql: &str| -> String {
            let mut statement = db.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let parameters = vec!["9"; statement.parameter_count()];
            let steps = statement
                .query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3))
                .unwrap();
            steps.collect::<Result<Vec<_>>>().unwrap().join("; ")
        };
        let cases = [
            (list_of("worker = 'w'"), "USING INDEX runs_of_worker (worker=?)"),
            (list_of("'' = ''"), "SCAN runs"), // from the end, and no further than the limit
            (page_of("worker = 'w'"), "USING INDEX runs_of_worker (worker=? AND rowid>?)"),
            (page_of("'' = ''"), "USING INTEGER PRIMARY KEY (rowid>?)"),
            (find_in("worker = 'w'"), "USING INDEX sqlite_autoindex_runs_1 (id>? AND id<?)"),
            (OLDEST.into(), "USING INDEX runs_by_start (started<?)"),
            (STORED.into(), "USING COVERING INDEX runs_by_start"),
        ];
        for (sql, expected) in cases {
            let plan = plan(&sql);
            assert!(plan.contains(expected) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }
}
