//! A bench on the real engine: a worker with an image of its own, cleared away when it is dropped.

use super::ServedProxy;
use super::fake_broker::FakeBroker;
use super::http::{self, Answer};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// The real engine.
pub const ENGINE: &str = "/var/run/docker.sock";

/// Longest that a run of the CLI may take.
const PATIENCE: Duration = Duration::from_secs(30);

static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct Bench {
    pub worker: String,
    /// Name of the worker's image, `…:latest`.
    pub image: String,
    pub broker: FakeBroker,
    policy: String,
    pub proxy: Option<ServedProxy>,
    cli_config: tempfile::TempDir,
}

impl Bench {
    /// A served worker that may do everything of its role's docker part with its own containers.
    pub fn start() -> Self {
        Self::with("")
    }

    /// The same; `run` is put into `[role.bench.docker.run]`, after which further tables may follow. `WORKER`
    /// in it stands for the worker's name.
    pub fn with(run: &str) -> Self {
        let mut bench = Self::unserved(run);
        bench.proxy = Some(ServedProxy::start(&bench.broker.path()));
        bench
    }

    /// The same without a proxy, for tests that start their own.
    pub fn unserved(run: &str) -> Self {
        Self::of_roles(&["bench"], run)
    }

    /// The same for a worker of these roles; `run` brings all but the first.
    pub fn of_roles(roles: &[&str], run: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let worker = format!("pt-{}-{number}", std::process::id());
        let image = format!("{worker}-image:latest");
        import_busybox(&image);
        let policy = policy(&worker, &image, roles, &run.replace("WORKER", &worker));
        let broker = FakeBroker::start(&policy, &[&worker]);
        Bench { worker, image, broker, policy, proxy: None, cli_config: tempfile::tempdir().unwrap() }
    }

    /// The policy that the bench was started with.
    pub fn policy(&self) -> String {
        self.policy.clone()
    }

    pub fn socket(&self) -> PathBuf {
        self.broker.worker_socket(&self.worker)
    }

    /// A name for a container or network that no other test has.
    pub fn name(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.worker)
    }

    /// The real docker CLI on the worker's socket.
    pub fn docker(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command
            .args(words)
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .env("DOCKER_CONFIG", self.cli_config.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the CLI to its end; one that hangs fails the test with what was asked so far.
    pub fn run(&self, words: &[&str]) -> Output {
        let mut child = self.docker(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (done, ended) = mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            let hung = ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
            if hung {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            hung
        });
        let err = std::thread::spawn(move || read(err));
        let stdout = read(out);
        let stderr = err.join().unwrap();
        drop(done);
        let hung = watch.join().unwrap();
        let status = child.wait().unwrap();
        assert!(!hung, "docker {words:?} hangs: {} {:#?}", text(&stderr), self.broker.intents());
        Output { status, stdout, stderr }
    }

    /// Runs the CLI, which must succeed; its stdout without the last newline.
    pub fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "docker {words:?}: {}", text(&output.stderr));
        text(&output.stdout).trim_end().to_owned()
    }

    /// Runs the CLI, which must fail; its stderr.
    pub fn refused(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(!output.status.success(), "docker {words:?} went through: {}", text(&output.stdout));
        text(&output.stderr)
    }

    pub fn ask(&self, method: &str, target: &str, body: &str) -> Answer {
        http::ask(&self.socket(), method, target, body)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.proxy.take());
        let label = format!("label=doorward.worker={}", self.worker);
        let name = format!("name={}", self.worker);
        for filter in [&label, &name] {
            for id in engine_lines(&["ps", "-aq", "--filter", filter]) {
                drop(engine(&["rm", "-fv", &id]));
            }
            for id in engine_lines(&["network", "ls", "-q", "--filter", filter]) {
                drop(engine(&["network", "rm", &id]));
            }
        }
        for name in engine_lines(&["volume", "ls", "-q", "--filter", &label]) {
            drop(engine(&["volume", "rm", "-f", &name]));
        }
        drop(engine(&["rmi", "-f", &self.image]));
    }
}

fn read(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

/// The CLI on the real engine itself: what an operator sees.
pub fn engine(words: &[&str]) -> Output {
    Command::new("docker").args(words).env("DOCKER_HOST", format!("unix://{ENGINE}")).output().unwrap()
}

pub fn engine_lines(words: &[&str]) -> Vec<String> {
    text(&engine(words).stdout).lines().map(str::to_owned).collect()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An image with a static busybox, the shell and a few of its commands.
fn import_busybox(image: &str) {
    let script = r#"set -eu; cd "$1"; mkdir bin tmp; cp /bin/busybox bin/
        for word in sh echo cat sleep true false id ls wc printf kill head; do ln -s busybox bin/$word; done
        tar -c . | docker import -c 'ENV PATH=/bin' - "$2""#;
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(folder.path()).arg(image);
    let output = command.env("DOCKER_HOST", format!("unix://{ENGINE}")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn policy(worker: &str, image: &str, roles: &[&str], run: &str) -> String {
    format!(
        r#"version = 1
[worker.{worker}]
user = "nobody"
roles = {roles:?}
[role.bench]
about = "What the proxy's tests may do."
[role.bench.docker]
verbs = ["ps", "inspect", "logs", "images", "info", "version", "start", "stop", "restart", "rm", "wait",
         "pull", "tag", "push", "save", "build", "run", "stats", "top", "kill", "pause", "unpause", "rename", "update", "history", "rmi", "df", "prune", "events", "network ls", "volume ls"]
containers = ["own", "{worker}-shared*"]
images = ["{image}", "library-of-nobody/*", "{worker}/pulled:*"]
tags = ["{worker}/own:*", "127.0.0.1:*/{worker}/own:*"]
networks = ["own", "{worker}-shared*"]
volumes = ["own", "{worker}-shared*"]
[role.bench.docker.run]
memory = "256MiB"
pids = 256
{run}
"#
    )
}
