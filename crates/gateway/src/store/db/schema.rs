//! The database's file and its tables, brought from whatever version they are of to this one.

use rusqlite::{Connection, OptionalExtension, Result};
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
","
    ALTER TABLE runs ADD COLUMN texts INTEGER NOT NULL DEFAULT 0;   -- bytes of the row's own texts
    UPDATE runs SET texts = length(line) + coalesce(length(argv), 0) + coalesce(length(stages), 0);
    CREATE INDEX runs_of_worker_by_start ON runs (worker, started, stored, texts);
"];

/// How long another program that uses the database is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Opens or makes the database.
pub(super) fn open(path: &Path) -> Result<Connection> {
    private_file(path)?;
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    give_pages_back(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    migrate(&mut connection)?;
    Ok(connection)
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
        let connection = open(&folder.path().join("runs.db")).unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{entry:?}");
        }
        drop(connection);
    }

    #[test]
    fn a_database_of_a_later_version_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.db");
        drop(open(&path).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(open(&path).unwrap_err().to_string().contains("version 99"));
    }
}
