//! The thread that owns the database and the files that are being written.

use super::db::Db;
use super::output::{Compressor, OutputWriter, Stream, compressor, path_of};
use super::room::Room;
use super::tidy::{Keep, Tidy, stored};
use super::{Ended, Found, NewRun, Row, Scope, State, Unsaved};
use crate::clock;
use doorward_policy::{Policy, Redactor};
use std::collections::HashMap;
use std::fmt::Display;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

/// Ends of runs that could not be written yet; more than this are given up (they become `cut off`).
const MOST_OWED: usize = 1024;

/// Tidying gets its turn after so many answers, however many wait.
const ANSWERS: u32 = 64;

type Answer<T> = oneshot::Sender<Result<T, Unsaved>>;

/// What the thread is asked.
pub(super) enum Ask {
    Begin { run: NewRun, rule: String, policy: Arc<Policy>, answer: Answer<()> },
    Refused { run: NewRun, rule: Option<String>, reason: String, message: String },
    Piece { id: String, stream: Stream, bytes: Vec<u8>, answer: Answer<()> },
    Flush { id: String },
    Finish { id: String, ended: Ended, answer: Answer<()> },
    Abandon { id: String },
    List { scope: Scope, count: u32, answer: Answer<Vec<Row>> },
    Find { scope: Scope, prefix: String, answer: Answer<Found> },
    Page { scope: Scope, after: i64, count: u32, answer: Answer<Vec<(i64, Row)>> },
    FlushNow { id: String, answer: Answer<()> },
    Tidy,
}

/// A run whose output is being written.
struct Open {
    worker: String,
    writer: OutputWriter,
    redactor: Arc<Redactor>,
}

/// The thread's state.
pub(super) struct Thread {
    database: PathBuf,
    outputs: PathBuf,
    db: Option<Db>,
    open: HashMap<String, Open>,
    owed: Vec<(String, Ended, u64)>,
    compressor: Option<Compressor>,
    /// By the newest policy.
    redactor: Option<(Arc<Policy>, Arc<Redactor>)>,
    tidy: Tidy,
    keep: Arc<Mutex<Option<Keep>>>,
    runtime: Runtime,
}

impl Thread {
    /// # Errors
    /// When there is no clock to wait by.
    pub(super) fn new(folder: &Path, keep: Arc<Mutex<Option<Keep>>>) -> std::io::Result<Self> {
        let outputs = folder.join("runs");
        Ok(Thread {
            database: outputs.join("runs.db"),
            tidy: Tidy::new(&outputs),
            outputs,
            db: None,
            open: HashMap::new(),
            owed: Vec::new(),
            compressor: None,
            redactor: None,
            keep,
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build()?,
        })
    }

    /// Where the outputs are kept.
    pub(super) fn outputs(&self) -> &Path {
        &self.outputs
    }

    /// Answers until every asker is gone, and tidies in between. Output comes last, and of each run one piece at
    /// a time: a flood keeps nobody's small run, and nobody's look at it, waiting for more than a few pieces.
    pub(super) fn answer_all(mut self, mut asks: mpsc::Receiver<Ask>, mut outputs: mpsc::Receiver<Ask>) {
        let _ = self.db();
        let mut answers: u32 = 0;
        loop {
            let rest = self.tidy.rest();
            let next = async {
                tokio::select! {
                    biased;
                    Some(ask) = asks.recv() => Some(ask),
                    Some(ask) = outputs.recv() => Some(ask),
                    else => None,
                }
            };
            let ask = self.runtime.block_on(async { tokio::time::timeout(rest, next).await });
            match ask {
                Ok(None) => return,
                Ok(Some(ask)) => {
                    self.answer(ask);
                    answers = answers.wrapping_add(1);
                    if answers.is_multiple_of(ANSWERS) {
                        self.tidy();
                    }
                }
                Err(_) => self.tidy(),
            }
        }
    }

    fn tidy(&mut self) {
        let keep = *self.keep.lock().unwrap_or_else(PoisonError::into_inner);
        if self.db().is_err() {
            return self.tidy.later();
        }
        let Some(db) = &self.db else { return };
        if let Err(error) = self.tidy.batch(db, keep, clock::now()) {
            told("runs.db", &error);
            self.tidy.later();
        }
    }

    fn answer(&mut self, ask: Ask) {
        // An asker that is gone does not need its answer.
        match ask {
            Ask::Begin { run, rule, policy, answer } => {
                let _ = answer.send(self.begin(&run, &rule, policy));
            }
            Ask::Refused { run, rule, reason, message } => {
                let row = self.with_db(|db| db.refused(&run, rule.as_deref(), &reason, &message));
                let _ = row.map(|held| self.tidy.grew(&run.worker, held));
            }
            Ask::Piece { id, stream, bytes, answer } => {
                let _ = answer.send(self.piece(&id, stream, &bytes));
            }
            Ask::Flush { id } => self.flush(&id),
            Ask::Finish { id, ended, answer } => {
                let _ = answer.send(self.finish(id, ended));
            }
            Ask::Abandon { id } => {
                let _ = self.finish(id, abandoned());
            }
            Ask::List { scope, count, answer } => {
                let _ = answer.send(self.with_db(|db| db.list(&scope, count)));
            }
            Ask::Find { scope, prefix, answer } => {
                let _ = answer.send(self.with_db(|db| db.find(&scope, &prefix)));
            }
            Ask::Page { scope, after, count, answer } => {
                let _ = answer.send(self.with_db(|db| db.page(&scope, after, count)));
            }
            Ask::FlushNow { id, answer } => {
                self.flush(&id);
                let _ = answer.send(Ok(()));
            }
            Ask::Tidy => self.tidy.soon(),
        }
    }

    fn begin(&mut self, run: &NewRun, rule: &str, policy: Arc<Policy>) -> Result<(), Unsaved> {
        let held = self.with_db(|db| db.begin(run, rule))?;
        self.tidy.grew(&run.worker, held);
        let redactor = self.redactor_of(policy);
        let writer = OutputWriter::new(path_of(&self.outputs, &run.id));
        self.open.insert(run.id.clone(), Open { worker: run.worker.clone(), writer, redactor });
        Ok(())
    }

    fn redactor_of(&mut self, policy: Arc<Policy>) -> Arc<Redactor> {
        match &self.redactor {
            Some((of, redactor)) if Arc::ptr_eq(of, &policy) => Arc::clone(redactor),
            _ => {
                let redactor = Arc::new(Redactor::new(&policy.runs));
                self.redactor = Some((policy, Arc::clone(&redactor)));
                redactor
            }
        }
    }

    /// Output is saved while enough is left free for all else. When it is not, there may be something to delete.
    fn has_room(&mut self) -> Result<(), Unsaved> {
        if Room::of(&self.outputs).is_none_or(|room| !room.is_scarce()) {
            return Ok(());
        }
        self.tidy.soon();
        Err(told("an output", &"it would take what is to be left free of the file system"))
    }

    fn piece(&mut self, id: &str, stream: Stream, bytes: &[u8]) -> Result<(), Unsaved> {
        self.has_room()?;
        let open = self.open.get_mut(id).ok_or(Unsaved)?;
        open.writer.write(&open.redactor, stream, bytes).map_err(|error| told("an output", &error))
    }

    /// A failure shows itself again at the end.
    fn flush(&mut self, id: &str) {
        if let Some(open) = self.open.get_mut(id) {
            let _ = open.writer.flush().map_err(|error| told("an output", &error));
        }
    }

    /// Whatever fails, the run is over: its file is closed and its row is owed until it can be written.
    fn finish(&mut self, id: String, mut ended: Ended) -> Result<(), Unsaved> {
        let (worker, saved) = match self.open.remove(&id) {
            Some(mut open) => {
                let worker = std::mem::take(&mut open.worker);
                (Some(worker), self.close(open).map_err(|error| told("an output", &error)))
            }
            None => (None, Err(Unsaved)),
        };
        ended.truncated |= saved.is_err();
        let stored = stored(&path_of(&self.outputs, &id));
        let written = self.with_db(|db| db.finish(&id, &ended, stored));
        match (worker, written) {
            (Some(worker), Ok(held)) => self.tidy.grew(&worker, held),
            _ => self.tidy.grew_unseen(),
        }
        if written.is_err() && self.owed.len() < MOST_OWED {
            self.owed.push((id, ended, stored));
        }
        saved.and(written.map(drop))
    }

    fn close(&mut self, open: Open) -> std::io::Result<()> {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(compressor()?),
        };
        open.writer.finish(&open.redactor, compressor)
    }

    fn with_db<T>(&mut self, work: impl FnOnce(&Db) -> rusqlite::Result<T>) -> Result<T, Unsaved> {
        self.db()?;
        self.pay();
        let db = self.db.as_ref().ok_or(Unsaved)?;
        work(db).map_err(|error| told("runs.db", &error))
    }

    fn pay(&mut self) {
        if let Some(db) = &self.db {
            let owed = self.owed.len();
            self.owed.retain(|(id, ended, stored)| db.finish(id, ended, *stored).is_err());
            if self.owed.len() < owed {
                self.tidy.grew_unseen();
            }
        }
    }

    fn db(&mut self) -> Result<(), Unsaved> {
        if self.db.is_none() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&self.outputs)
                .map_err(|error| told("the folder of runs", &error))?;
            self.db = Some(Db::open(&self.database, clock::now()).map_err(|error| told("runs.db", &error))?);
        }
        Ok(())
    }
}

fn abandoned() -> Ended {
    Ended {
        state: State::CutOff,
        rule: None,
        reason: None,
        message: None,
        exit: None,
        how: Some("gateway_stopped".into()),
        at: clock::now(),
        bytes: 0,
        truncated: true,
        removed: 0,
        stages: Vec::new(),
    }
}

/// Tells the operator, in the service's log, what the worker is not told.
fn told(what: &str, error: &dyn Display) -> Unsaved {
    eprintln!("doorward: gateway: {what} cannot be used: {error}");
    Unsaved
}
