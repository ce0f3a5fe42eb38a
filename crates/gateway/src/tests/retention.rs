//! What is kept of saved runs: no more than the policy says, deleted while the store serves.

use super::fake_broker::SOON;
use super::house::{House, POLICY};
use crate::store::{Ended, Found, Keep, NewRun, Scope, State, Store, Stream};
use doorward_policy::{Bundle, Policy, Source};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DAY: i64 = 24 * 3600 * 1000;

/// A folder of runs, without a gateway around it.
pub(super) struct Folder(pub(super) tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        drop(folder.store()); // makes the table
        folder
    }

    pub(super) fn store(&self) -> Store {
        Store::start(self.0.path()).unwrap()
    }

    fn runs(&self) -> PathBuf {
        self.0.path().join("runs")
    }

    fn database(&self) -> Connection {
        let database = Connection::open(self.runs().join("runs.db")).unwrap();
        database.busy_timeout(SOON).unwrap();
        database
    }

    /// Rows of runs that ended, the first the oldest, each with a file of `size` bytes when it has any.
    pub(super) fn fill(&self, count: usize, started: impl Fn(usize) -> i64, size: usize) {
        let mut database = self.database();
        let step = database.transaction().unwrap();
        for number in 0..count {
            let id = id(number);
            step.execute(
                "INSERT INTO runs (id, worker, line, state, verdict, started, stored)
                 VALUES (?1, 'w', ?2, 'ended', 'allow', ?3, ?4)",
                (&id, "x".repeat(100), started(number), i64::try_from(size.div_ceil(4096) * 4096).unwrap()),
            )
            .unwrap();
            if size > 0 {
                std::fs::write(self.file(&id), vec![0; size]).unwrap();
            }
        }
        step.commit().unwrap();
    }

    pub(super) fn file(&self, id: &str) -> PathBuf {
        self.runs().join(format!("{id}.zst"))
    }

    pub(super) fn count(&self, condition: &str) -> usize {
        let sql = format!("SELECT count(*) FROM runs WHERE {condition}");
        let count: i64 = self.database().query_row(&sql, [], |row| row.get(0)).unwrap();
        usize::try_from(count).unwrap()
    }

    pub(super) fn files(&self) -> usize {
        let files = std::fs::read_dir(self.runs()).unwrap();
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "zst")).count()
    }
}

pub(super) fn id(number: usize) -> String {
    format!("01ABCDEFGHJK{number:014}")
}

pub(super) fn now() -> i64 {
    crate::clock::now()
}

#[track_caller]
pub(super) fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let since = Instant::now();
    while !happened() {
        assert!(since.elapsed() < SOON, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(super) fn policy() -> Arc<Policy> {
    let files = vec![Source { path: "/policy.toml".into(), text: POLICY.into() }];
    Arc::new(Policy::load(&Bundle { files }).unwrap())
}

pub(super) fn a_run(id: &str) -> NewRun {
    let (worker, line) = ("w".to_owned(), "echo".to_owned());
    NewRun { id: id.into(), worker, line, argv: None, started: now(), job: false }
}

pub(super) fn an_end() -> Ended {
    Ended {
        state: State::Ended,
        rule: None,
        reason: None,
        message: None,
        exit: Some(0),
        how: Some("exited".into()),
        at: now(),
        bytes: 4,
        truncated: false,
        removed: 0,
        stages: Vec::new(),
    }
}

/// Bytes that do not become fewer when compressed.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 88_172_645_463_325_252;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(next).take(length).collect()
}

async fn save(store: &Store, id: &str, output: Vec<u8>) {
    let mut recorder = store.begin(a_run(id), "r#1".into(), policy()).await.unwrap();
    recorder.write(Stream::Out, output).await;
    recorder.finish(an_end()).await.unwrap();
}

#[tokio::test]
async fn thousands_of_old_runs_go_while_new_ones_are_saved() {
    let folder = Folder::new();
    folder.fill(6000, |number| if number < 5000 { now() - 3 * DAY } else { now() - DAY }, 10);
    let store = folder.store();
    store.keep(Keep { days: 2, size: u64::MAX });
    let mut served: u32 = 0;
    while folder.count("1") > 1000 + usize::try_from(served).unwrap() {
        save(&store, &format!("01ZZ{served:022}"), b"new\n".to_vec()).await;
        served += 1;
        assert!(served < 20_000, "nothing was deleted");
    }
    assert!(served > 0);
    drop(store);
    assert_eq!(folder.count("id LIKE '01ABC%'"), 1000);
    assert!(!folder.file(&id(4999)).exists() && folder.file(&id(5000)).exists());
    assert_eq!(folder.files(), 1000 + usize::try_from(served).unwrap());
}

#[test]
fn the_oldest_go_when_all_are_too_large_and_what_runs_stays() {
    let folder = Folder::new();
    folder.fill(300, |number| now() - 1_000_000 + i64::try_from(number).unwrap(), 8000);
    let store = folder.store();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (oldest, kept) = (NewRun { started: 0, ..a_run("01RUNNING") }, 1024 * 1024);
    let recorder = runtime.block_on(store.begin(oldest, "r#1".into(), policy())).unwrap();
    store.keep(Keep { days: 36_500, size: kept });
    wait_until("runs are deleted", || folder.files() * 8192 < usize::try_from(kept).unwrap());
    wait_until("the rest stays", || folder.files() > 80);
    assert!(folder.file(&id(299)).exists() && !folder.file(&id(0)).exists());
    assert_eq!(folder.count("id = '01RUNNING' AND state = 'running'"), 1);
    runtime.block_on(recorder.finish(an_end())).unwrap();
}

#[tokio::test]
async fn a_run_that_ends_makes_room_for_itself() {
    let folder = Folder::new();
    let store = folder.store();
    store.keep(Keep { days: 1, size: 600 * 1024 });
    for number in 0..4 {
        save(&store, &id(number), noise(256 * 1024)).await;
    }
    wait_until("the first is gone", || folder.files() <= 2);
    let newest = store.find(Scope::All, &id(3)).await.unwrap();
    assert!(matches!(newest, Found::One(_)), "{newest:?}");
}

#[tokio::test]
async fn the_databases_log_counts_and_is_emptied_before_any_run_goes() {
    let (folder, most) = (Folder::new(), 2 << 20);
    let store = folder.store();
    for number in 0..1000 {
        store.refused(a_run(&id(number)), None, "construct".into(), "refused".into()).await;
    }
    store.keep(Keep { days: 1, size: most });
    let taken = || -> u64 {
        let files = std::fs::read_dir(folder.runs()).unwrap().map(|file| file.unwrap());
        let counted = files.filter(|file| !file.path().to_string_lossy().ends_with("-shm"));
        counted.map(|file| file.metadata().map_or(0, |facts| facts.len())).sum()
    };
    wait_until("all of it fits", || taken() <= most);
    let rows = store.list(Scope::All, 1000).await.unwrap();
    assert_eq!(rows.len(), 1000, "no run had to go");
}

#[test]
fn pages_that_became_free_go_back_to_the_file_system() {
    let folder = Folder::new();
    folder.fill(20_000, |_| now() - 9 * DAY, 0);
    let size = |folder: &Folder| std::fs::metadata(folder.runs().join("runs.db")).unwrap().len();
    let before = size(&folder);
    let store = folder.store();
    store.keep(Keep { days: 1, size: u64::MAX });
    wait_until("all are gone", || folder.count("1") == 0);
    wait_until("pages are given back", || {
        let free: i64 = folder.database().query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap();
        free <= 64
    });
    drop(store); // and with it the write-ahead log
    assert!(size(&folder) * 4 < before, "{} of {before}", size(&folder));
}

#[test]
fn a_database_from_before_learns_to_give_pages_back_and_keeps_its_rows() {
    let folder = Folder::new();
    folder.fill(10, |_| now(), 0);
    folder.database().execute_batch("PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = 0; VACUUM").unwrap();
    drop(folder.store());
    let mode: i64 = folder.database().query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
    assert_eq!((mode, folder.count("1")), (2, 10));
}

#[test]
fn what_a_crash_parted_is_brought_together_at_the_start() {
    let folder = Folder::new();
    folder.fill(200, |_| now(), 100);
    std::fs::remove_file(folder.file(&id(7))).unwrap();
    std::fs::write(folder.file("01NOROWATALL"), "orphan").unwrap();
    std::fs::write(folder.file(&id(8)), vec![0; 10_000]).unwrap();
    std::fs::write(folder.runs().join("notes.txt"), "the operator's").unwrap();
    let _store = folder.store();
    wait_until("a file without a row is removed", || !folder.file("01NOROWATALL").exists());
    wait_until("a run without its file is marked", || folder.count("truncated = 1 AND stored = 0") == 1);
    wait_until("sizes are corrected", || folder.count("stored = 12288") == 1);
    assert_eq!(folder.count(&format!("truncated = 1 AND id = '{}'", id(7))), 1);
    assert_eq!((folder.files(), folder.count("1")), (199, 200));
    assert!(folder.runs().join("notes.txt").exists());
}

#[test]
fn without_a_word_of_the_policy_nothing_is_deleted() {
    let folder = Folder::new();
    folder.fill(100, |_| 0, 10);
    let store = folder.store();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for _ in 0..200 {
        assert_eq!(runtime.block_on(store.list(Scope::All, 100)).unwrap().len(), 100);
    }
    assert_eq!(folder.files(), 100);
}

#[test]
fn the_policy_that_the_broker_brings_says_what_is_kept() {
    let mut house = House::with_policy(&format!("{POLICY}\nkeep = {{ days = 2 }}\n"));
    house.say("sh -c 'echo old'");
    house.say("sh -c 'echo young'");
    house.close();
    age(&house.state_dir(), "line LIKE '%old%'", 3);
    age(&house.state_dir(), "line LIKE '%young%'", 1);
    house.open();
    wait_until("the old one is gone", || !house.say("runs").out().contains("echo old"));
    assert!(house.say("runs").out().contains("echo young"));
}

fn age(state_dir: &Path, which: &str, days: i64) {
    let database = Connection::open(state_dir.join("runs/runs.db")).unwrap();
    let changed = database.execute(
        &format!("UPDATE runs SET started = started - ?1, ended = ended - ?1 WHERE {which}"),
        [days * DAY],
    );
    assert_eq!(changed.unwrap(), 1);
}
