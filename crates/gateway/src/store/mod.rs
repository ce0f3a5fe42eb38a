//! Saved runs: rows in SQLite, outputs in files. One thread owns both, so that neither ever blocks the
//! sessions; it is asked through a bounded queue.
//!
//! Failing to save never stops the gateway: an asker gets [`Unsaved`], the details go to the service's log.

mod db;
mod output;
mod redact;
mod room;
mod thread;
mod tidy;

pub(crate) use output::{SavedOutput, Stream};
pub use room::Room;
pub(crate) use tidy::Keep;

use doorward_policy::Policy;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use thread::Ask;
use tokio::sync::{mpsc, oneshot};

/// Questions that may wait; with one piece of output in flight for each run this bounds the memory.
const QUEUE: usize = 64;

/// The store could not do it. Says nothing more: the reason is about the host's disk and is for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsaved;

/// A run that begins, or a line that was refused. Everything here is redacted already.
#[derive(Debug, Clone)]
pub(crate) struct NewRun {
    /// In the form of a request id.
    pub(crate) id: String,
    /// Whose.
    pub(crate) worker: String,
    /// As typed.
    pub(crate) line: String,
    /// The words, when they could be read and hold no secret.
    pub(crate) argv: Option<Vec<String>>,
    /// Milliseconds since 1970.
    pub(crate) started: i64,
    /// Whether it was submitted, so that it goes on without its session.
    pub(crate) job: bool,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It has not ended.
    Running,
    /// It ended; `exit` and `how` say with what.
    Ended,
    /// It was not run.
    Refused,
    /// The gateway or the broker went away while it ran.
    CutOff,
}

impl State {
    const ALL: [State; 4] = [State::Running, State::Ended, State::Refused, State::CutOff];

    /// As it stands in the database and in lists.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Ended => "ended",
            State::Refused => "refused",
            State::CutOff => "cut off",
        }
    }

    fn named(name: &str) -> State {
        State::ALL.into_iter().find(|state| state.name() == name).unwrap_or(State::CutOff)
    }
}

/// How one command of a run ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct StageEnd {
    /// The command, as a line; redacted.
    pub(crate) line: String,
    /// What allowed it.
    pub(crate) rule: String,
    /// Its exit code, as `sh` would tell it; `None` when it was not run.
    pub(crate) exit: Option<u8>,
    /// As in [`Ended::how`]; `skipped` when a `&&` or `||` passed over it.
    pub(crate) how: String,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// What became of it.
    pub(crate) state: State,
    /// The rule by the broker's word.
    pub(crate) rule: Option<String>,
    /// Code of a refusal.
    pub(crate) reason: Option<String>,
    /// One line.
    pub(crate) message: Option<String>,
    /// What the session was told.
    pub(crate) exit: Option<u8>,
    /// `exited`, `signaled`, `deadline`, `output_limit`, `disconnect`, `spawn_failed`, `broker_gone`.
    pub(crate) how: Option<String>,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    /// Bytes that the command wrote.
    pub(crate) bytes: u64,
    /// Whether some of them are not saved.
    pub(crate) truncated: bool,
    /// Bytes of control and escape sequences that were taken out.
    pub(crate) removed: u64,
    /// Every command of the line, in its order, when there are several.
    pub(crate) stages: Vec<StageEnd>,
}

/// A row of the table.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) worker: String,
    pub(crate) line: String,
    #[serde(serialize_with = "state_name")]
    pub(crate) state: State,
    pub(crate) rule: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) exit: Option<u8>,
    pub(crate) how: Option<String>,
    pub(crate) started: i64,
    pub(crate) ended: Option<i64>,
    pub(crate) bytes: u64,
    pub(crate) truncated: bool,
    pub(crate) removed: u64,
    pub(crate) stages: Vec<StageEnd>,
    pub(crate) job: bool,
}

fn state_name<S: serde::Serializer>(state: &State, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(state.name())
}

/// Whose runs may be seen.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// This worker's.
    Worker(String),
    /// Everybody's: the operator.
    All,
}

/// What a prefix names.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing that may be seen.
    None,
    /// One run.
    One(Box<Row>),
    /// More than one.
    Several,
}

/// The handle on the thread. Dropping it waits until everything asked is written.
#[derive(Debug)]
pub(crate) struct Store {
    sender: Option<mpsc::Sender<Ask>>,
    /// For what is about output: it waits until all else is answered.
    outputs_sender: Option<mpsc::Sender<Ask>>,
    thread: Option<std::thread::JoinHandle<()>>,
    outputs: PathBuf,
    keep: Arc<Mutex<Option<Keep>>>,
}

impl Store {
    /// Starts the thread over `runs/` in `folder`. Opening them may fail and is tried again
    /// with every question.
    ///
    /// # Errors
    /// When no thread can be made.
    pub(crate) fn start(folder: &Path) -> std::io::Result<Store> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (outputs_sender, outputs_receiver) = mpsc::channel(QUEUE);
        let keep = Arc::default();
        let state = thread::Thread::new(folder, Arc::clone(&keep))?;
        let outputs = state.outputs().to_owned();
        let thread = std::thread::Builder::new()
            .name("runs".into())
            .spawn(move || state.answer_all(receiver, outputs_receiver))?;
        Ok(Store {
            sender: Some(sender),
            outputs_sender: Some(outputs_sender),
            thread: Some(thread),
            outputs,
            keep,
        })
    }

    /// From now on so much is kept. Until this was said once, nothing is deleted.
    pub(crate) fn keep(&self, keep: Keep) {
        *self.keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(keep);
        if let Some(sender) = &self.sender {
            // With a full queue the thread is awake and comes to it.
            let _ = sender.try_send(Ask::Tidy);
        }
    }

    /// Makes the run's row; the recorder saves its output by the policy's redaction.
    pub(crate) async fn begin(
        &self,
        run: NewRun,
        rule: String,
        policy: Arc<Policy>,
    ) -> Result<Recorder, Unsaved> {
        let id = run.id.clone();
        self.ask(|answer| Ask::Begin { run, rule, policy, answer }).await??;
        let sender = self.sender.clone().ok_or(Unsaved)?;
        let outputs = self.outputs_sender.clone().ok_or(Unsaved)?;
        Ok(Recorder { id, sender, outputs, in_flight: None, failed: false, finished: false })
    }

    /// Makes the row of a line that was not run. Not waited for: the audit log has it already.
    pub(crate) async fn refused(&self, run: NewRun, rule: Option<String>, reason: String, message: String) {
        if let Some(sender) = &self.sender {
            let _ = sender.send(Ask::Refused { run, rule, reason, message }).await;
        }
    }

    /// The newest `count` runs, newest first; long lines and messages are cut.
    pub(crate) async fn list(&self, scope: Scope, count: u32) -> Result<Vec<Row>, Unsaved> {
        self.ask(|answer| Ask::List { scope, count, answer }).await?
    }

    /// The run whose id begins with `prefix`, which may be in lower case.
    pub(crate) async fn find(&self, scope: Scope, prefix: &str) -> Result<Found, Unsaved> {
        let prefix = prefix.to_ascii_uppercase();
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Found::None);
        }
        self.ask(|answer| Ask::Find { scope, prefix, answer }).await?
    }

    /// At most `count` runs in the order of arrival, each with its place, from after the place `after`.
    pub(crate) async fn page(
        &self,
        scope: Scope,
        after: i64,
        count: u32,
    ) -> Result<Vec<(i64, Row)>, Unsaved> {
        self.ask(|answer| Ask::Page { scope, after, count, answer }).await?
    }

    /// Brings to its file what there is of the output of a run that has not ended.
    pub(crate) async fn flush(&self, id: &str) -> Result<(), Unsaved> {
        self.ask(|answer| Ask::FlushNow { id: id.to_owned(), answer }).await?
    }

    /// The saved output of a run that [`Store::find`] gave. Blocks on the disk.
    pub(crate) fn output(&self, run: &Row) -> std::io::Result<SavedOutput> {
        SavedOutput::open(&output::path_of(&self.outputs, &run.id))
    }

    /// What the operator is to know of the room for them, when the policy keeps so many bytes.
    pub(crate) fn notice(&self, keep: u64) -> Option<String> {
        Room::of(&self.outputs)?.notice(keep)
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Unsaved> {
        let (answer, answered) = oneshot::channel();
        let sender = self.sender.as_ref().ok_or(Unsaved)?;
        sender.send(ask(answer)).await.map_err(|_| Unsaved)?;
        answered.await.map_err(|_| Unsaved)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop((self.sender.take(), self.outputs_sender.take()));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Saves the output of one run. Dropped without [`Recorder::finish`], it marks the run as cut off.
#[derive(Debug)]
pub(crate) struct Recorder {
    id: String,
    sender: mpsc::Sender<Ask>,
    outputs: mpsc::Sender<Ask>,
    in_flight: Option<oneshot::Receiver<Result<(), Unsaved>>>,
    failed: bool,
    finished: bool,
}

impl Recorder {
    /// Saves a piece. Waits for the piece before it, so that one run has one piece in the queue and a
    /// flooding run does not keep others waiting. After a failure nothing more is saved.
    pub(crate) async fn write(&mut self, stream: Stream, bytes: Vec<u8>) {
        self.settle().await;
        if self.failed {
            return;
        }
        let (answer, answered) = oneshot::channel();
        let ask = Ask::Piece { id: self.id.clone(), stream, bytes, answer };
        match self.outputs.send(ask).await {
            Ok(()) => self.in_flight = Some(answered),
            Err(_) => self.failed = true,
        }
    }

    /// Brings to the disk what was written, so that it is there when the run is cut off.
    pub(crate) async fn flush(&mut self) {
        let _ = self.outputs.send(Ask::Flush { id: self.id.clone() }).await;
    }

    /// Ends the output and the row; an error when either is not saved whole.
    pub(crate) async fn finish(mut self, mut ended: Ended) -> Result<(), Unsaved> {
        self.settle().await;
        ended.truncated |= self.failed;
        let (answer, answered) = oneshot::channel();
        self.finished = true;
        let ask = Ask::Finish { id: self.id.clone(), ended, answer };
        self.sender.send(ask).await.map_err(|_| Unsaved)?;
        answered.await.map_err(|_| Unsaved)??;
        if self.failed { Err(Unsaved) } else { Ok(()) }
    }

    async fn settle(&mut self) {
        if let Some(answered) = self.in_flight.take() {
            self.failed |= !matches!(answered.await, Ok(Ok(())));
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.outputs.try_send(Ask::Abandon { id: std::mem::take(&mut self.id) });
        }
    }
}
