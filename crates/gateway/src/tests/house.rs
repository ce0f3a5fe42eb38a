//! A gateway that serves in a thread, its stand-in for a broker, and sessions that talk to it.

use super::fake_broker::{FakeBroker, SOON, Terms};
use crate::gateway::Timing;
use crate::serve::{Config, serve_with};
use doorward_wire::session::{FromSession, Hello, Operator, ToSession};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Rules under which a test can do what it needs.
pub(super) const POLICY: &str = r#"
version = 1

[worker.w]
user = "w"
roles = ["tests"]
[worker.w.limits]
lines = { concurrent = 4, per_minute = 10000, seconds = 60, output = "1MiB" }

[worker.other]
user = "other"
roles = ["tests"]

[role.tests]
about = "What the tests need."
[[role.tests.command]]
run = "sh -c {script:/.+/}"
[[role.tests.command]]
run = "cat /proc/uptime"
[[role.tests.command]]
run = "dash -c {script:/.+/}"
raw = true

[role.tests.docker]
verbs = ["ps", "logs", "run", "build"]
containers = ["own"]
run = { ports = ["127.0.0.1:20000-20009"] }

[runs]
redact = ['(?i)password[=: ]+\S+']
"#;

/// What a session was answered.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) exit: Option<u8>,
    pub(super) dial: Option<String>,
}

impl Answered {
    pub(super) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(super) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// A refusal: its exit code and its reason on stderr, and nothing on stdout.
    #[track_caller]
    pub(super) fn assert_refused(&self, exit: u8, reason: &str) {
        let begin = format!("doorward: refused ({reason}): ");
        assert!(self.err().starts_with(&begin), "{self:?}");
        assert_eq!((self.exit, self.out().as_str()), (Some(exit), ""));
    }
}

pub(super) struct House {
    pub(super) broker: FakeBroker,
    gateway: Option<(oneshot::Sender<()>, std::thread::JoinHandle<()>)>,
    timing: Timing,
    folder: tempfile::TempDir,
}

impl House {
    pub(super) fn new() -> Self {
        House::with_policy(POLICY)
    }

    pub(super) fn with_policy(policy: &str) -> Self {
        let mut house = House::closed(policy);
        house.open();
        house
    }

    /// A house whose gateway does not serve yet.
    pub(super) fn closed(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let uid = rustix::process::getuid().as_raw();
        let terms = Terms { policy: policy.into(), worker: "w".into(), login_uid: uid, operators: vec![uid] };
        let broker = FakeBroker::start(folder.path(), terms);
        let timing = Timing {
            first_frames: Duration::from_secs(5),
            stalled: Duration::from_secs(5),
            linger: Duration::from_millis(500),
            save: Duration::from_millis(50),
        };
        House { broker, gateway: None, timing, folder }
    }

    pub(super) fn set_timing(&mut self, change: impl FnOnce(&mut Timing)) {
        change(&mut self.timing);
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the gateway.
    pub(super) fn open(&mut self) {
        let config = Config { broker_sock: self.broker.socket(), state_dir: self.state_dir() };
        let (timing, (stop, stopped)) = (self.timing, oneshot::channel());
        let _ = std::fs::remove_file(self.folder.path().join("gateway.sock"));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    ended = serve_with(config, timing) => panic!("the gateway ended: {ended:?}"),
                    _ = stopped => {}
                }
            });
        });
        self.gateway = Some((stop, thread));
    }

    /// Stops the gateway, as a signal would.
    pub(super) fn close(&mut self) {
        let (stop, thread) = self.gateway.take().unwrap();
        stop.send(()).unwrap();
        thread.join().unwrap();
    }

    /// A connection of a session that has said nothing yet.
    pub(super) fn connect(&self) -> UnixStream {
        let path = self.folder.path().join("gateway.sock");
        let since = Instant::now();
        loop {
            match UnixStream::connect(&path) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(SOON)).unwrap();
                    return stream;
                }
                Err(error) if since.elapsed() > SOON => panic!("no gateway: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// A session that has sent its line.
    pub(super) fn send(&self, line: impl AsRef<[u8]>) -> UnixStream {
        let mut stream = self.connect();
        stream.write_all(&hello()).unwrap();
        stream.write_all(&FromSession::Line(line.as_ref().to_vec()).encode()).unwrap();
        stream
    }

    /// A whole session.
    pub(super) fn say(&self, line: impl AsRef<[u8]>) -> Answered {
        listen(&mut self.send(line))
    }

    /// A whole session, tried again while the worker's places are taken.
    pub(super) fn say_when_free(&self, line: &str) -> Answered {
        let since = Instant::now();
        loop {
            let answered = self.say(line);
            if !answered.err().contains("rate_limited") || since.elapsed() > SOON {
                return answered;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(super) fn ask(&self, ask: Operator) -> Answered {
        let mut stream = self.connect();
        stream.write_all(&hello()).unwrap();
        stream.write_all(&FromSession::Operator(ask).encode()).unwrap();
        listen(&mut stream)
    }

    /// The id of the newest run.
    pub(super) fn newest_run(&self) -> String {
        self.say("runs 1").out().lines().nth(1).unwrap().split(' ').next().unwrap().to_owned()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.gateway.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
        if !std::thread::panicking() && self.broker.socket().exists() {
            self.broker.stop();
        }
    }
}

pub(super) fn hello() -> Vec<u8> {
    let hello = Hello {
        protocol: doorward_wire::PROTOCOL,
        key: Some("SHA256:key".into()),
        source: Some("192.0.2.1".into()),
    };
    FromSession::Hello(hello).encode()
}

/// Most memory that this process has had, in KiB.
pub(super) fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Reads the frame that brings exactly these bytes on stdout.
pub(super) fn expect_stdout(stream: &mut UnixStream, bytes: &[u8]) {
    let expected = ToSession::Stdout(bytes.to_vec()).encode();
    let mut came = vec![0; expected.len()];
    stream.read_exact(&mut came).unwrap();
    assert_eq!(came, expected);
}

/// Everything up to the end of the conversation.
pub(super) fn listen(stream: &mut UnixStream) -> Answered {
    listen_fed(stream, |_| panic!("stdin was asked for"))
}

/// The same for a session whose stdin is asked for: `feed` gets the stream to write frames to.
pub(super) fn listen_fed(stream: &mut UnixStream, feed: impl Fn(UnixStream)) -> Answered {
    let (mut answered, mut bytes, mut buffer) = (Answered::default(), Vec::new(), vec![0; 64 * 1024]);
    loop {
        while let Some(message) = ToSession::decode(&mut bytes).unwrap() {
            match message {
                ToSession::Stdout(piece) => answered.stdout.extend(piece),
                ToSession::Stderr(piece) => answered.stderr.extend(piece),
                ToSession::Dial(path) => {
                    answered.dial = Some(path);
                    return answered;
                }
                ToSession::Feed => feed(stream.try_clone().unwrap()),
                ToSession::Exit(code) => {
                    answered.exit = Some(code);
                    return answered;
                }
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) => return answered,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => panic!("no answer: {error}; so far {answered:?}"),
        }
    }
}
