//! Appending: one thread writes, many ask.

use crate::error::AuditError;
use crate::faults::Faults;
use crate::log::{Item, Log, body};
use crate::options::Options;
use crate::record::{Entry, Kind};
use crate::segment::{self, Opened};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most entries that one `write(2)` and one `fdatasync(2)` serve.
const BATCH: usize = 1024;
/// How long records that nobody waits for may stay unsynced.
const IDLE_SYNC: Duration = Duration::from_secs(1);

/// How the log is doing, for `doorward status`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Number of the last record written.
    pub last_seq: u64,
    /// Calls of `fdatasync(2)` so far.
    pub syncs: u64,
    /// Why nothing can be written now.
    pub failed: Option<String>,
}

type Done = Box<dyn FnOnce(Result<u64, AuditError>) + Send>;

/// Calls `done` once, whatever happens to the job: also when it is dropped with the queue.
struct Completion(Option<Done>);

impl Completion {
    fn call(mut self, result: Result<u64, AuditError>) {
        if let Some(done) = self.0.take() {
            done(result);
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(AuditError::Closed));
        }
    }
}

enum Job {
    Write(Item, Completion),
    Stop(Item, Completion),
}

/// The log, open for appending. Clones share one thread; when the last is dropped without
/// [`close`](Writer::close), what waits is still written, but no `stop` record.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: SyncSender<Job>,
    last_seq: Arc<AtomicU64>,
    status: Arc<Mutex<Status>>,
}

impl Writer {
    /// Opens or makes the log in `dir`, cuts off a torn tail, and writes a durable `start` record.
    ///
    /// # Errors
    /// [`AuditError::Folder`], [`AuditError::Exposed`], [`AuditError::Locked`], [`AuditError::Write`].
    pub fn open(dir: &Path, options: Options) -> Result<(Writer, Opened), AuditError> {
        Writer::open_with(dir, options, Faults::default())
    }

    pub(crate) fn open_with(
        dir: &Path,
        options: Options,
        faults: Faults,
    ) -> Result<(Writer, Opened), AuditError> {
        let fail = |path: &Path, source: io::Error| AuditError::Folder {
            path: path.to_owned(),
            source: Arc::new(source),
        };
        let directory = open_folder(dir)?;
        let lock = lock(dir)?;
        let place = segment::recover(dir).map_err(|error| fail(dir, error))?;
        let opened = place.opened.clone();
        let queue = options.queue.max(1);
        let log =
            Log::new(dir.to_owned(), directory, options, faults, place).map_err(|error| fail(dir, error))?;
        let (sender, receiver) = mpsc::sync_channel(queue);
        let writer = Writer { queue: sender, last_seq: Arc::default(), status: Arc::default() };
        let thread = Thread { log, lock, last_seq: writer.last_seq.clone(), status: writer.status.clone() };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || thread.run(&receiver))
            .map_err(|error| fail(dir, error))?;
        writer.append(Entry { detail: Some(opened.detail()), ..Entry::new(Kind::Start) }, true)?;
        Ok((writer, opened))
    }

    /// Asks for a record. `done` is called exactly once, on the writing thread or (when the entry is refused
    /// at once) on this one, with the record's number: when it is on the disk if `durable`, else when it is
    /// written. It must not block, nor call [`append`](Writer::append).
    pub fn submit(
        &self,
        entry: Entry,
        durable: bool,
        done: impl FnOnce(Result<u64, AuditError>) + Send + 'static,
    ) {
        let completion = Completion(Some(Box::new(done)));
        match body(&entry) {
            Ok(body) => self.enqueue(Job::Write(Item { body, durable }, completion)),
            Err(error) => completion.call(Err(error)),
        }
    }

    /// Records and waits; see [`submit`](Writer::submit).
    ///
    /// # Errors
    /// Any [`AuditError`]: then nothing may be done.
    pub fn append(&self, entry: Entry, durable: bool) -> Result<u64, AuditError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(entry, durable, move |result| {
            // Nobody listens only when the asking thread is gone.
            let _ = sender.send(result);
        });
        receiver.recv().unwrap_or(Err(AuditError::Closed))
    }

    /// Writes what waits and a durable `stop` record, and ends the thread. Later entries are refused with
    /// [`AuditError::Closed`].
    ///
    /// # Errors
    /// When the `stop` record cannot be written; the writer is closed all the same.
    pub fn close(&self) -> Result<u64, AuditError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let done: Done = Box::new(move |result| {
            // Nobody listens only when the asking thread is gone.
            let _ = sender.send(result);
        });
        let item = Item { body: body(&Entry::new(Kind::Stop))?, durable: true };
        // Waits for a place in the queue: a busy log is closed too.
        if let Err(mpsc::SendError(job)) = self.queue.send(Job::Stop(item, Completion(Some(done)))) {
            drop(job);
        }
        receiver.recv().unwrap_or(Err(AuditError::Closed))
    }

    /// Number of the last record written.
    pub fn last_seq(&self) -> u64 {
        self.last_seq.load(Ordering::Acquire)
    }

    /// How the log is doing.
    pub fn status(&self) -> Status {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Status { last_seq: self.last_seq(), ..status }
    }

    fn enqueue(&self, job: Job) {
        match self.queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(Job::Write(_, completion) | Job::Stop(_, completion))) => {
                completion.call(Err(AuditError::Busy));
            }
            Err(TrySendError::Disconnected(Job::Write(_, completion) | Job::Stop(_, completion))) => {
                completion.call(Err(AuditError::Closed));
            }
        }
    }
}

/// Opens the folder, making it (0700) when it is not there.
fn open_folder(dir: &Path) -> Result<File, AuditError> {
    let fail = |source: io::Error| AuditError::Folder { path: dir.to_owned(), source: Arc::new(source) };
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail(error)),
        _ => {}
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(dir, flags, Mode::empty()).map_err(|error| fail(error.into()))?;
    let mode = rustix::fs::fstat(&directory).map_err(|error| fail(error.into()))?.st_mode & 0o7777;
    if mode & 0o022 != 0 {
        return Err(AuditError::Exposed { path: dir.to_owned(), mode });
    }
    Ok(File::from(directory))
}

/// Takes the log for this process, for as long as the file stays open.
fn lock(dir: &Path) -> Result<File, AuditError> {
    let path = dir.join("audit.lock");
    let file = segment::open(&path, OFlags::RDWR | OFlags::CREATE)
        .map_err(|error| AuditError::Folder { path: path.clone(), source: Arc::new(error) })?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(AuditError::Locked { path: dir.to_owned() }),
        Err(error) => Err(AuditError::Folder { path, source: Arc::new(error.into()) }),
    }
}

struct Thread {
    log: Log,
    lock: File,
    last_seq: Arc<AtomicU64>,
    status: Arc<Mutex<Status>>,
}

impl Thread {
    fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let first = match self.wait(queue) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => {
                    // The failure is kept and told by the next record.
                    let _ = self.log.sync(Vec::new());
                    self.publish();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let (mut items, mut completions, mut stop) = (Vec::new(), Vec::new(), false);
            let mut next = Some(first);
            while let Some(job) = next {
                let (item, completion) = match job {
                    Job::Write(item, completion) => (item, completion),
                    Job::Stop(item, completion) => {
                        stop = true;
                        (item, completion)
                    }
                };
                items.push(item);
                completions.push(completion);
                next = if stop || items.len() >= BATCH { None } else { queue.try_recv().ok() };
            }
            self.commit(&items, completions, stop);
            if stop {
                return;
            }
            self.checkpoint();
        }
        if self.log.has_pending() {
            // Nobody is left to be told.
            let _ = self.log.sync(Vec::new());
        }
    }

    fn wait(&self, queue: &Receiver<Job>) -> Result<Job, RecvTimeoutError> {
        if self.log.has_pending() && self.log.failed().is_none() {
            return queue.recv_timeout(IDLE_SYNC);
        }
        queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
    }

    /// One write, at most one sync, then everybody in order: first those who do not wait for the disk.
    fn commit(&mut self, items: &[Item], completions: Vec<Completion>, stop: bool) {
        let written = self.log.write(items);
        self.publish();
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                self.release(stop);
                completions.into_iter().for_each(|completion| completion.call(Err(error.clone())));
                return;
            }
        };
        let mut waiting = Vec::new();
        for ((item, completion), seq) in items.iter().zip(completions).zip(written.first..) {
            if item.durable {
                waiting.push((seq, completion));
            } else {
                completion.call(Ok(seq));
            }
        }
        if !written.sync {
            return;
        }
        let synced = self.log.sync(waiting.iter().map(|(seq, _)| *seq).collect());
        self.publish();
        self.release(stop);
        for (seq, completion) in waiting {
            completion.call(synced.clone().map(|()| seq));
        }
    }

    /// The lock is free before the closer hears that the log is closed, so that it can open it again at once.
    fn release(&self, stop: bool) {
        if stop {
            // It would also be released with the file.
            let _ = rustix::fs::flock(&self.lock, FlockOperation::Unlock);
        }
    }

    fn checkpoint(&mut self) {
        let tip = self.log.tip();
        let Some(detail) = self.log.checkpointer().and_then(|checkpointer| checkpointer.after(&tip)) else {
            return;
        };
        let entry = Entry { detail: Some(detail), ..Entry::new(Kind::Checkpoint) };
        if let Ok(body) = body(&entry) {
            self.commit(&[Item { body, durable: true }], Vec::new(), false);
        }
    }

    fn publish(&self) {
        self.last_seq.store(self.log.tip().seq, Ordering::Release);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.syncs = self.log.syncs;
        status.failed = self.log.failed();
    }
}
