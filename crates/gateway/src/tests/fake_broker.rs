//! A stand-in for the broker: it welcomes, records in memory, and runs commands as plain children of the
//! test, without any sandbox. It shares nothing with the real one but the messages.

use doorward_wire::broker::{
    End, FromBroker, HostReport, PolicyFile, RequestId, Stage, StageErr, StageOut, StartedStage, ToBroker,
    WorkerAccount,
};
use doorward_wire::frame::{Receiver, send};
use std::collections::HashMap;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longest that a test waits for something that must happen.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// What it welcomes with.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) policy: String,
    pub(super) worker: String,
    pub(super) login_uid: u32,
    pub(super) operators: Vec<u32>,
}

#[derive(Default)]
struct State {
    heard: Vec<ToBroker>,
    children: HashMap<RequestId, (Vec<rustix::process::Pid>, Option<String>)>,
    most_at_once: usize,
    /// Reason that every record and run is refused with.
    refusing: Option<&'static str>,
    /// What the next run ends with instead of being run.
    next_end: Option<End>,
    /// Whether it hears runs and does nothing.
    silent: bool,
    connection: Option<UnixStream>,
    listening: bool,
}

#[derive(Clone)]
pub(super) struct FakeBroker {
    folder: PathBuf,
    terms: Arc<Mutex<Terms>>,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl FakeBroker {
    pub(super) fn start(folder: &Path, terms: Terms) -> Self {
        let broker = FakeBroker {
            folder: folder.to_owned(),
            terms: Arc::new(Mutex::new(terms)),
            state: Arc::default(),
        };
        broker.listen();
        broker
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("broker.sock")
    }

    /// Listens for one gateway after the other until [`FakeBroker::stop`].
    pub(super) fn listen(&self) {
        let _ = std::fs::remove_file(self.socket());
        let listener = UnixListener::bind(self.socket()).unwrap();
        self.with(|state| state.listening = true);
        let broker = self.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if !broker.with(|state| state.listening) {
                    return;
                }
                broker.serve(socket);
            }
        });
    }

    /// As if killed: no connection, no socket; its commands die with it.
    pub(super) fn stop(&self) {
        self.with(|state| state.listening = false);
        let _ = UnixStream::connect(self.socket());
        std::fs::remove_file(self.socket()).unwrap();
        let connection = self.with(|state| state.connection.take());
        if let Some(connection) = connection {
            connection.shutdown(Shutdown::Both).unwrap();
        }
    }

    pub(super) fn set_terms(&self, change: impl FnOnce(&mut Terms)) {
        change(&mut self.terms.lock().unwrap());
    }

    pub(super) fn refuse_with(&self, reason: Option<&'static str>) {
        self.with(|state| state.refusing = reason);
    }

    /// From now on runs are heard and not answered.
    pub(super) fn go_silent(&self) {
        self.with(|state| state.silent = true);
    }

    /// Waits until so many runs were heard.
    pub(super) fn wait_for_runs(&self, count: usize) {
        let runs = |state: &State| {
            state.heard.iter().filter(|message| matches!(message, ToBroker::Run { .. })).count()
        };
        self.wait(|state| (runs(state) >= count).then_some(()));
    }

    pub(super) fn end_next_with(&self, end: End) {
        self.with(|state| state.next_end = Some(end));
    }

    pub(super) fn heard(&self) -> Vec<ToBroker> {
        self.with(|state| state.heard.clone())
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.with(|state| state.most_at_once)
    }

    /// Waits until something was heard, and gives the first.
    pub(super) fn wait_for(&self, wanted: impl Fn(&ToBroker) -> bool) -> ToBroker {
        self.wait(|state| state.heard.iter().find(|message| wanted(message)).cloned())
    }

    /// Waits until no command runs.
    pub(super) fn wait_until_idle(&self) {
        self.wait(|state| state.children.is_empty().then_some(()));
    }

    fn wait<T>(&self, look: impl Fn(&State) -> Option<T>) -> T {
        let (state, changed) = &*self.state;
        let guard = state.lock().unwrap();
        let (guard, timeout) =
            changed.wait_timeout_while(guard, SOON, |state| look(state).is_none()).unwrap();
        assert!(!timeout.timed_out(), "it did not happen; heard: {:?}", guard.heard);
        look(&guard).unwrap()
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let (state, changed) = &*self.state;
        let result = work(&mut state.lock().unwrap());
        changed.notify_all();
        result
    }

    fn serve(&self, socket: UnixStream) {
        self.with(|state| state.connection = Some(socket.try_clone().unwrap()));
        let socket = Arc::new(Mutex::new(socket));
        let reading = socket.lock().unwrap().try_clone().unwrap();
        let mut receiver = Receiver::new(reading, doorward_wire::broker::MAX_REQUEST);
        while let Ok(Some((message, fds))) = receiver.receive::<ToBroker>() {
            self.with(|state| state.heard.push(message.clone()));
            self.answer(message, fds, &socket);
        }
        self.with(|state| state.children.values().for_each(|(pids, _)| kill(pids)));
    }

    fn answer(&self, message: ToBroker, fds: Vec<OwnedFd>, socket: &Arc<Mutex<UnixStream>>) {
        let refusing = self.with(|state| state.refusing);
        match (message, refusing) {
            (ToBroker::Hello { .. }, _) => self.welcome(&socket.lock().unwrap()),
            (ToBroker::Intent { request, .. } | ToBroker::Run { request, .. }, Some(reason)) => {
                let refused = FromBroker::Refused {
                    request,
                    reason: reason.into(),
                    message: "as the test wants".into(),
                };
                tell(socket, &refused);
            }
            (ToBroker::Intent { request, .. }, None) => {
                tell(socket, &FromBroker::Recorded { request, seq: 1 })
            }
            (ToBroker::Run { .. }, None) if self.with(|state| state.silent) => {}
            (ToBroker::Run { request, stages, .. }, None) => {
                self.run(request, stages, fds, socket);
            }
            (ToBroker::Cancel { request, why }, _) => self.with(|state| {
                if let Some((pids, reason)) = state.children.get_mut(&request) {
                    *reason = Some(why);
                    kill(pids);
                }
            }),
            (ToBroker::Host { request }, _) => {
                tell(socket, &FromBroker::Host { request, host: host(), last_seq: 7 });
            }
            // Nothing of what it may say besides has an answer that a gateway waits for.
            _ => {}
        }
    }

    fn welcome(&self, socket: &UnixStream) {
        let path = self.folder.join("gateway.sock");
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(path).unwrap();
        let terms = self.terms.lock().unwrap().clone();
        let file = PolicyFile { path: "/policy.toml".into(), text: terms.policy };
        let source = doorward_policy::Source { path: file.path.clone(), text: file.text.clone() };
        let welcome = FromBroker::Welcome {
            protocol: doorward_wire::PROTOCOL,
            hash: doorward_policy::Bundle { files: vec![source] }.hash().0,
            policy: vec![file],
            workers: vec![WorkerAccount {
                worker: terms.worker,
                login_uid: Some(terms.login_uid),
                spawn_uid: 60706,
                docker_sock: "/run/doorward/workers/w/docker.sock".into(),
            }],
            host: host(),
            operators: terms.operators,
        };
        send(socket, &welcome, &[listener.as_fd()]).unwrap();
    }

    fn run(
        &self,
        request: RequestId,
        stages: Vec<Stage>,
        fds: Vec<OwnedFd>,
        socket: &Arc<Mutex<UnixStream>>,
    ) {
        let rule = |(seq, stage): (u64, &Stage)| {
            let rule = if stage.argv[0] == "docker" { "tests.docker" } else { "r#1" };
            StartedStage { seq, rule: rule.into() }
        };
        let started =
            FromBroker::Started { request: request.clone(), stages: (2..).zip(&stages).map(rule).collect() };
        if let Some(end) = self.with(|state| state.next_end.take()) {
            tell(socket, &started);
            tell(socket, &FromBroker::Ended { request, ends: vec![end; stages.len()], millis: 1 });
            return;
        }
        let mut children = spawn(&stages, fds);
        self.with(|state| {
            let pids = children.iter().map(rustix::process::Pid::from_child).collect();
            state.children.insert(request.clone(), (pids, None));
            state.most_at_once = state.most_at_once.max(state.children.len());
        });
        tell(socket, &started);
        let (broker, socket) = (self.clone(), Arc::clone(socket));
        std::thread::spawn(move || {
            let statuses: Vec<_> = children.iter_mut().map(|child| child.wait().unwrap()).collect();
            let cancelled = broker.with(|state| state.children.remove(&request).and_then(|(_, why)| why));
            let ends =
                statuses.into_iter().map(|status| match (&cancelled, status.code(), status.signal()) {
                    (Some(why), _, _) => End::Cancelled { why: why.clone() },
                    (None, Some(code), _) => End::Exited { code: code.try_into().unwrap() },
                    (None, None, signal) => End::Signaled { signal: signal.unwrap().try_into().unwrap() },
                });
            tell(&socket, &FromBroker::Ended { request, ends: ends.collect(), millis: 1 });
        });
    }
}

/// The stages as plain children, each in a process group of its own, with pipes between them.
fn spawn(stages: &[Stage], fds: Vec<OwnedFd>) -> Vec<Child> {
    let mut fds = fds.into_iter();
    let (out, err) = (fds.next().unwrap(), fds.next().unwrap());
    let mut stdin = fds.next().map_or_else(Stdio::null, Stdio::from);
    let mut children = Vec::new();
    for (number, stage) in stages.iter().enumerate() {
        let (next_stdin, next) = if number + 1 == stages.len() {
            (Stdio::null(), out.try_clone().unwrap())
        } else {
            let (reader, writer) = std::io::pipe().unwrap();
            (Stdio::from(reader), OwnedFd::from(writer))
        };
        let stdout = match stage.out {
            StageOut::Next => Stdio::from(next.try_clone().unwrap()),
            StageOut::Null => Stdio::null(),
        };
        let stderr = match stage.err {
            StageErr::Line => Stdio::from(err.try_clone().unwrap()),
            StageErr::Null => Stdio::null(),
            StageErr::Next => Stdio::from(next),
        };
        let mut command = Command::new(&stage.argv[0]);
        command.args(&stage.argv[1..]).stdin(std::mem::replace(&mut stdin, next_stdin));
        children.push(command.stdout(stdout).stderr(stderr).process_group(0).spawn().unwrap());
    }
    children
}

fn host() -> HostReport {
    let weaker = [("no_sandbox".to_owned(), "this is a stand-in".to_owned())];
    HostReport { facts: [("kernel".to_owned(), "6.1".to_owned())].into(), weaker: weaker.into() }
}

/// A gateway that is gone does not need its answer.
fn tell(socket: &Arc<Mutex<UnixStream>>, message: &FromBroker) {
    let _ = send(&*socket.lock().unwrap(), message, &[]);
}

fn kill(groups: &[rustix::process::Pid]) {
    for group in groups {
        let _ = rustix::process::kill_process_group(*group, rustix::process::Signal::KILL);
    }
}
