//! The table of runs, in SQLite. Times are milliseconds since 1970.

mod schema;
mod upkeep;

pub(super) use upkeep::{Held, Old};

use super::{Ended, Found, NewRun, Row, Scope, State};
use rusqlite::{Connection, Result, params};
use std::path::Path;

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
        let connection = schema::open(path)?;
        connection.execute(
            "UPDATE runs SET state = 'cut off', how = 'gateway_stopped', ended = ?1 WHERE state = 'running'",
            [now],
        )?;
        Ok(Db { connection })
    }

    /// Each of these two gives what the row takes.
    pub(super) fn begin(&self, run: &NewRun, rule: &str) -> Result<Held> {
        self.insert(run, State::Running, Some(rule), None, None)
    }

    pub(super) fn refused(
        &self,
        run: &NewRun,
        rule: Option<&str>,
        reason: &str,
        message: &str,
    ) -> Result<Held> {
        self.insert(run, State::Refused, rule, Some(reason), Some(message))
    }

    fn insert(
        &self,
        run: &NewRun,
        state: State,
        rule: Option<&str>,
        reason: Option<&str>,
        message: Option<&str>,
    ) -> Result<Held> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO runs (id, worker, line, argv, state, verdict, rule, reason, message, exit, started, ended,
             job, texts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )?;
        let refused = state == State::Refused;
        let argv = run.argv.as_ref().and_then(|argv| serde_json::to_string(argv).ok());
        let texts = [Some(run.line.as_str()), argv.as_deref(), message].map(|text| text.map_or(0, str::len));
        let texts = whole(texts.into_iter().fold(0, |sum, bytes| sum.saturating_add(size(bytes))));
        statement.execute(params![
            run.id,
            run.worker,
            run.line,
            argv,
            state.name(),
            if refused { "deny" } else { "allow" },
            rule,
            reason,
            message,
            refused.then_some(crate::refuse::REFUSED),
            run.started,
            refused.then_some(run.started),
            run.job,
            texts,
        ])?;
        Ok(Held::of(0, texts, 1))
    }

    /// Ends a run whose output's file takes `stored` bytes.
    pub(super) fn finish(&self, id: &str, ended: &Ended, stored: u64) -> Result<Held> {
        let stages =
            (!ended.stages.is_empty()).then(|| serde_json::to_string(&ended.stages).unwrap_or_default());
        let texts = whole(size(stages.as_deref().map_or(0, str::len)));
        let mut statement = self.connection.prepare_cached(
            "UPDATE runs SET state = ?2, verdict = ?3, rule = coalesce(?4, rule), reason = ?5, message = ?6,
             exit = ?7, how = ?8, ended = ?9, bytes = ?10, truncated = ?11, removed = ?12, stages = ?13,
             stored = ?14, texts = texts + ?15
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
            stages,
            whole(stored),
            texts,
        ])?;
        Ok(Held::of(whole(stored), texts, 0))
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

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

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
            (upkeep::OLDEST.into(), "USING INDEX runs_by_start (started<?)"),
            (upkeep::OLDEST_OF.into(), "USING INDEX runs_of_worker_by_start (worker=?)"),
            (upkeep::HELD.into(), "USING COVERING INDEX runs_of_worker_by_start"),
        ];
        for (sql, expected) in cases {
            let plan = plan(&sql);
            assert!(plan.contains(expected) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }
}
