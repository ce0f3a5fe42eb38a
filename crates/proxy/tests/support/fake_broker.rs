//! A stand-in for the broker: it speaks the real frames, but keeps its records in memory and decides nothing.

use doorward_policy::{Bundle, Source};
use doorward_wire::broker::{
    FromBroker, HostReport, MAX_REQUEST, PolicyFile, RequestId, ToBroker, WorkerAccount,
};
use doorward_wire::frame::{Receiver, send};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longest that a test waits for a record.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct FakeBroker {
    folder: tempfile::TempDir,
    listeners: Arc<Vec<UnixListener>>,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    policy: Bundle,
    workers: Vec<WorkerAccount>,
    records: Vec<ToBroker>,
    connections: Vec<UnixStream>,
    audit_fails: bool,
    silent: bool,
    unsafe_bind: Option<String>,
    gone: bool,
}

/// An intent as a test looks at it.
#[derive(Debug, Clone)]
pub struct Intent {
    pub request: RequestId,
    pub worker: String,
    pub uid: u32,
    pub session: String,
    pub allow: bool,
    pub rule: Option<String>,
    pub reason: Option<String>,
    pub operation: serde_json::Value,
    pub method: String,
    pub target: String,
    pub body_sha256: Option<String>,
    pub objects: Vec<String>,
    pub durable: bool,
}

/// An outcome as a test looks at it.
#[derive(Debug, Clone)]
pub struct Ended {
    pub status: i32,
    pub bytes: u64,
    pub truncated: bool,
    pub error: Option<String>,
}

impl FakeBroker {
    /// A broker with this policy and these workers; every worker's spawn uid is its place in the list plus
    /// 60001, and its login uid this process's.
    pub fn start(policy: &str, workers: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let accounts = workers.iter().zip(60_001..).map(|(worker, spawn_uid)| WorkerAccount {
            worker: (*worker).to_owned(),
            login_uid: Some(rustix::process::getuid().as_raw()),
            spawn_uid,
            docker_sock: folder.path().join(format!("{worker}.sock")).display().to_string(),
        });
        let accounts: Vec<_> = accounts.collect();
        let listeners = accounts.iter().map(|account| {
            let listener = UnixListener::bind(&account.docker_sock).unwrap();
            std::fs::set_permissions(&account.docker_sock, PermissionsExt::from_mode(0o666)).unwrap();
            listener
        });
        let state = State {
            policy: bundle(policy),
            workers: accounts.clone(),
            records: Vec::new(),
            connections: Vec::new(),
            audit_fails: false,
            silent: false,
            unsafe_bind: None,
            gone: false,
        };
        let listeners = Arc::new(listeners.collect());
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let broker = FakeBroker { folder, listeners, shared };
        broker.listen();
        broker
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("broker.sock")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn worker_socket(&self, worker: &str) -> PathBuf {
        self.folder.path().join(format!("{worker}.sock"))
    }

    /// From now on no record can be written (or again).
    pub fn fail_audit(&self, fails: bool) {
        self.shared.state.lock().unwrap().audit_fails = fails;
    }

    /// From now on records are written and nobody is told so (or again).
    pub fn keep_silent(&self, silent: bool) {
        self.shared.state.lock().unwrap().silent = silent;
    }

    /// From now on this path may not be bound.
    pub fn refuse_bind(&self, path: &str) {
        self.shared.state.lock().unwrap().unsafe_bind = Some(path.to_owned());
    }

    /// The broker is gone: its connections end and its socket is away.
    pub fn vanish(&self) {
        std::fs::remove_file(self.path()).unwrap();
        let mut state = self.shared.state.lock().unwrap();
        state.gone = true;
        for connection in state.connections.drain(..) {
            drop(connection.shutdown(std::net::Shutdown::Both));
        }
    }

    /// It is there again, with another policy.
    pub fn come_back(&self, policy: &str) {
        {
            let mut state = self.shared.state.lock().unwrap();
            state.gone = false;
            state.policy = bundle(policy);
        }
        self.listen();
    }

    pub fn intents(&self) -> Vec<Intent> {
        self.shared.state.lock().unwrap().records.iter().filter_map(intent).collect()
    }

    /// All intents, once there are at least so many of them, or none has come for a while.
    pub fn intents_within(&self, number: usize) -> Vec<Intent> {
        let end = Instant::now() + Duration::from_secs(2);
        let mut state = self.shared.state.lock().unwrap();
        loop {
            let intents: Vec<_> = state.records.iter().filter_map(intent).collect();
            let left = end.saturating_duration_since(Instant::now());
            if intents.len() >= number || left.is_zero() {
                return intents;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for an intent that the test means.
    pub fn intent(&self, meant: impl Fn(&Intent) -> bool) -> Intent {
        self.wait(|records| records.iter().filter_map(intent).find(|intent| meant(intent)))
    }

    /// Waits for the outcome of a request.
    pub fn outcome(&self, of: &RequestId) -> Ended {
        self.wait(|records| {
            records.iter().find_map(|record| match record {
                ToBroker::Outcome { request, status, bytes, truncated, error, .. } if request == of => {
                    Some(Ended {
                        status: *status,
                        bytes: *bytes,
                        truncated: *truncated,
                        error: error.clone(),
                    })
                }
                _ => None,
            })
        })
    }

    fn wait<T>(&self, look: impl Fn(&[ToBroker]) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if let Some(found) = look(&state.records) {
                return found;
            }
            let left = end.checked_duration_since(Instant::now()).unwrap_or_else(|| {
                panic!(
                    "no such record; there are {:#?}",
                    state.records.iter().filter_map(intent).collect::<Vec<_>>()
                )
            });
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    fn listen(&self) {
        let listener = UnixListener::bind(self.path()).unwrap();
        std::fs::set_permissions(self.path(), PermissionsExt::from_mode(0o666)).unwrap();
        let (shared, sockets) = (Arc::clone(&self.shared), Arc::clone(&self.listeners));
        std::thread::spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                if shared.state.lock().unwrap().gone {
                    return;
                }
                let (shared, sockets) = (Arc::clone(&shared), Arc::clone(&sockets));
                std::thread::spawn(move || shared.converse(&socket, &sockets));
            }
        });
    }
}

impl Drop for FakeBroker {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().gone = true;
        // Wakes the listening thread, which then sees that it is over.
        drop(UnixStream::connect(self.path()));
    }
}

impl Shared {
    fn converse(&self, socket: &UnixStream, sockets: &[UnixListener]) {
        self.state.lock().unwrap().connections.push(socket.try_clone().unwrap());
        let mut receiver = Receiver::new(socket, MAX_REQUEST);
        while let Ok(Some((message, _))) = receiver.receive::<ToBroker>() {
            let answer = self.answer(message);
            let fds: Vec<_> = match &answer {
                Some(FromBroker::Welcome { .. }) => sockets.iter().map(AsFd::as_fd).collect(),
                _ => Vec::new(),
            };
            if answer.is_some_and(|answer| send(socket, &answer, &fds).is_err()) {
                return;
            }
        }
    }

    fn answer(&self, message: ToBroker) -> Option<FromBroker> {
        let mut state = self.state.lock().unwrap();
        match message {
            ToBroker::Hello { .. } => Some(state.welcome()),
            ToBroker::Intent { ref request, .. } if state.audit_fails => Some(FromBroker::Refused {
                request: request.clone(),
                reason: "audit_unavailable".into(),
                message: "the audit log cannot be written, so nothing is done".into(),
            }),
            ToBroker::Intent { ref request, .. } => {
                let request = request.clone();
                state.records.push(message);
                self.changed.notify_all();
                let seq = u64::try_from(state.records.len()).unwrap();
                (!state.silent).then_some(FromBroker::Recorded { request, seq })
            }
            ToBroker::CheckBinds { request, paths } => {
                let found = paths.into_iter().find(|path| Some(path) == state.unsafe_bind.as_ref());
                let unsafe_path = found.map(|path| (path, "/srv is writable by others".into()));
                Some(FromBroker::Binds { request, unsafe_path })
            }
            outcome => {
                state.records.push(outcome);
                self.changed.notify_all();
                None
            }
        }
    }
}

impl State {
    fn welcome(&self) -> FromBroker {
        let files = self.policy.files.iter();
        FromBroker::Welcome {
            protocol: doorward_wire::PROTOCOL,
            policy: files
                .map(|file| PolicyFile { path: file.path.clone(), text: file.text.clone() })
                .collect(),
            hash: self.policy.hash().0,
            workers: self.workers.clone(),
            host: HostReport::default(),
            operators: Vec::new(),
        }
    }
}

fn bundle(policy: &str) -> Bundle {
    Bundle { files: vec![Source { path: "/etc/doorward/policy.toml".into(), text: policy.into() }] }
}

fn intent(record: &ToBroker) -> Option<Intent> {
    let ToBroker::Intent { request, asker, decision, operation, http, objects, durable, .. } = record else {
        return None;
    };
    let http = http.clone()?;
    Some(Intent {
        request: request.clone(),
        worker: asker.worker.clone(),
        uid: asker.uid,
        session: asker.session.clone(),
        allow: decision.allow,
        rule: decision.rule.clone(),
        reason: decision.reason.clone(),
        operation: operation.clone(),
        method: http.method,
        target: http.target,
        body_sha256: http.body_sha256,
        objects: objects.clone(),
        durable: *durable,
    })
}
