//! Runs a command line as the broker does, without the service around it.

use crate::executor::{self, Executor, Kind, Task};
use crate::plan::{Hooks, Plan, Streams};
use crate::sandbox::Hidden;
use crate::spawn::{self, SpawnError};
use crate::step::Step;
use crate::supervise::{self, Cancel};
use crate::sys;
use doorward_policy::{How, Identity, Limits, Network, Worker};
use doorward_wire::broker::End;
use std::collections::BTreeSet;
use std::io::Read;
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

/// One record of the trace: step, then nanoseconds of the monotonic clock.
pub(crate) fn trace(fd: RawFd, step: Step) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid pointer.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    let nanos = u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap();
    let mut record = [0; 9];
    record[0] = step.number();
    record[1..].copy_from_slice(&nanos.to_ne_bytes());
    let _ = sys::write(fd, &record);
}

pub(crate) const SPAWN_UID: u32 = 60_790;

/// Whether this test can run; says so when not.
pub(crate) fn root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

/// The same; what else the test needs must be there, so that no test passes as root without proving anything.
pub(crate) fn root_with(paths: &[&str]) -> bool {
    let root = root();
    for path in paths.iter().filter(|_| root) {
        assert!(
            std::path::Path::new(path).exists(),
            "{path} is not here: ./test brings up what the tests need"
        );
    }
    root
}

pub(crate) fn how() -> How {
    How {
        identity: Identity::Worker,
        groups: Vec::new(),
        caps: BTreeSet::new(),
        read: Vec::new(),
        sockets: Vec::new(),
        network: Network::Audit,
        seconds: None,
        output: None,
        raw: false,
    }
}

pub(crate) fn caps(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub(crate) struct House {
    _dir: tempfile::TempDir,
    pub(crate) executor: Executor,
}

pub(crate) fn house() -> House {
    house_hiding(Vec::new())
}

pub(crate) fn house_hiding(paths: Vec<PathBuf>) -> House {
    let dir = tempfile::tempdir().unwrap();
    let executor = Executor::find(dir.path(), Hidden { paths }).unwrap();
    House { _dir: dir, executor }
}

#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) end: End,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn ok(&self) -> bool {
        self.end == End::Exited { code: 0 }
    }
}

pub(crate) fn worker() -> Worker {
    Worker {
        name: "hermes".into(),
        at: doorward_policy::Location::default(),
        user: String::new(),
        keys: Vec::new(),
        from: Vec::new(),
        uids: Vec::new(),
        roles: Vec::new(),
        spawn_uid: SPAWN_UID,
        limits: Limits::default(),
    }
}

impl House {
    pub(crate) fn plan(&self, how: &How, words: &[&str]) -> (Plan, OwnedFd, OwnedFd) {
        let kind = if words[0] == "docker" { Kind::Client } else { Kind::Command };
        self.plan_fed(kind, how, words, std::fs::File::open("/dev/null").unwrap().into())
    }

    fn plan_fed(&self, kind: Kind, how: &How, words: &[&str], stdin: OwnedFd) -> (Plan, OwnedFd, OwnedFd) {
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let ((out, stdout), (err, stderr)) = (pipe(), pipe());
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let program = executor::resolve(&words[0]).unwrap();
        let streams = Streams { stdin, stdout, stderr };
        let task = Task { kind, how, program, argv: &words, extra: &[], streams };
        let plan = self.executor.plan(&worker(), task).unwrap();
        (plan, out, err)
    }

    pub(crate) fn run(&self, how: &How, words: &[&str]) -> Ran {
        self.run_for(how, words, Duration::from_secs(30))
    }

    pub(crate) fn run_for(&self, how: &How, words: &[&str], deadline: Duration) -> Ran {
        self.run_plan(self.plan(how, words), deadline)
    }

    /// Runs any program as if it were a filter.
    pub(crate) fn filter(&self, words: &[&str], stdin: OwnedFd) -> Ran {
        let plan = self.plan_fed(Kind::Filter, &executor::filter(), words, stdin);
        self.run_plan(plan, Duration::from_secs(30))
    }

    /// Runs any program in the docker client's room.
    pub(crate) fn client(&self, how: &How, words: &[&str]) -> Ran {
        let nothing = std::fs::File::open("/dev/null").unwrap().into();
        let plan = self.plan_fed(Kind::Client, how, words, nothing);
        self.run_plan(plan, Duration::from_secs(60))
    }

    fn run_plan(&self, (mut plan, out, err): (Plan, OwnedFd, OwnedFd), deadline: Duration) -> Ran {
        let child = spawn::spawn(&mut plan)
            .unwrap_or_else(|error| panic!("{error}; {:?}", executor::blame(&plan, error)));
        drop(plan);
        let read = |fd: OwnedFd| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                std::fs::File::from(fd).read_to_end(&mut bytes).unwrap();
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let (out, err) = (read(out), read(err));
        let end = supervise::wait(&child, deadline, &Cancel::new().unwrap());
        Ran { end, out: out.join().unwrap(), err: err.join().unwrap() }
    }

    /// Runs a script of the real shell.
    pub(crate) fn sh(&self, how: &How, script: &str) -> Ran {
        self.run(how, &["sh", "-c", script])
    }

    /// Runs a script of the system's Python.
    pub(crate) fn python(&self, how: &How, script: &str) -> Ran {
        self.run(how, &["/usr/bin/python3", "-I", "-c", script])
    }

    /// Spawns with hooks and gives the steps that were begun, with their times, and how it went.
    pub(crate) fn traced(
        &self,
        fail: Option<Step>,
        words: &[&str],
    ) -> (Vec<(u8, u64)>, Result<End, SpawnError>, String) {
        let (mut plan, out, _err) = self.plan(&how(), words);
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        plan.hooks = Hooks { trace: Some(write), fail };
        let spawned = spawn::spawn(&mut plan);
        drop(plan);
        let ended =
            spawned.map(|child| supervise::wait(&child, Duration::from_secs(30), &Cancel::new().unwrap()));
        let (mut records, mut text) = (Vec::new(), String::new());
        std::fs::File::from(read).read_to_end(&mut records).unwrap();
        std::fs::File::from(out).read_to_string(&mut text).unwrap();
        let steps = records
            .chunks_exact(9)
            .map(|record| (record[0], u64::from_ne_bytes(record[1..].try_into().unwrap())))
            .collect();
        (steps, ended, text)
    }
}

/// What the host's own root gets from a command.
pub(crate) fn host(words: &[&str]) -> String {
    let output =
        std::process::Command::new(words[0]).args(&words[1..]).env("LC_ALL", "C.UTF-8").output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
