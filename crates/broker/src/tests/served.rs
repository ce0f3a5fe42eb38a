//! The whole broker over its socket, for the tests.

use crate::serve::{self, Broker, Config, Identities};
use doorward_audit::{Reader, Wanted, verify};
use doorward_wire::broker::{Asker, End, FromBroker, RequestId, Service, Stage, ToBroker};
use doorward_wire::frame::{self, Receiver};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A broker that serves in this process.
pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) broker: Arc<Broker>,
}

/// Serves a policy; the services are these accounts.
pub(crate) fn house(text: &str, gateway: (u32, u32), proxy: (u32, u32)) -> House {
    let dir = tempfile::tempdir().unwrap();
    let policy = dir.path().join("policy.toml");
    std::fs::write(&policy, text).unwrap();
    std::fs::set_permissions(&policy, PermissionsExt::from_mode(0o644)).unwrap();
    let config = Config {
        policy,
        state_dir: dir.path().join("state"),
        runtime_dir: dir.path().join("run"),
        identities: Identities { gateway, proxy, rootless: false },
        allow_weaker: true,
    };
    let broker = Arc::new(serve::open(config).unwrap());
    let accepting = broker.clone();
    // It waits in accept until the test process ends.
    std::thread::spawn(move || serve::accept(&accepting));
    House { dir, broker }
}

impl House {
    pub(crate) fn sock(&self) -> PathBuf {
        self.dir.path().join("run/broker.sock")
    }

    pub(crate) fn connect(&self, service: Service) -> Peer {
        let socket = UnixStream::connect(self.sock()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let receiver = Receiver::new(socket.try_clone().unwrap(), doorward_wire::broker::MAX_WELCOME);
        let peer = Peer { socket, receiver, hash: String::new() };
        peer.send(&ToBroker::Hello { protocol: doorward_wire::PROTOCOL, service }, &[]);
        peer
    }

    pub(crate) fn gateway(&self) -> Peer {
        let mut peer = self.connect(Service::Gateway);
        let (welcome, fds) = peer.next_with_fds();
        let FromBroker::Welcome { hash, workers, .. } = welcome else { panic!("{welcome:?}") };
        assert_eq!((fds.len(), workers.len()), (1, 1));
        peer.hash = hash;
        peer
    }

    /// The log's lines, once `outcomes` of them are outcomes.
    pub(crate) fn log(&self, outcomes: usize) -> Vec<String> {
        let audit = self.dir.path().join("state/audit");
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let lines: Vec<String> =
                Reader::open(&audit, Wanted::default()).unwrap().map(|shown| shown.unwrap().line).collect();
            if lines.iter().filter(|line| line.contains(r#""kind":"outcome""#)).count() >= outcomes {
                verify(&audit).unwrap();
                return lines;
            }
            assert!(Instant::now() < until, "{lines:#?}");
            std::thread::yield_now();
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.broker.audit.close();
    }
}

pub(crate) struct Peer {
    pub(crate) socket: UnixStream,
    receiver: Receiver<UnixStream>,
    pub(crate) hash: String,
}

pub(crate) fn asker() -> Asker {
    Asker {
        worker: "hermes".into(),
        uid: 1000,
        session: "s1".into(),
        way: "line".into(),
        key: Some("SHA256:k".into()),
        source: None,
    }
}

impl Peer {
    pub(crate) fn send(&self, message: &ToBroker, fds: &[BorrowedFd<'_>]) {
        frame::send(&self.socket, message, fds).unwrap();
    }

    pub(crate) fn next_with_fds(&mut self) -> (FromBroker, Vec<OwnedFd>) {
        self.receiver.receive().unwrap().expect("the broker closed the connection")
    }

    pub(crate) fn next(&mut self) -> FromBroker {
        self.next_with_fds().0
    }

    pub(crate) fn closed(&mut self) -> bool {
        !matches!(self.receiver.receive::<FromBroker>(), Ok(Some(_)))
    }

    /// Asks for a run; gives its id and the read ends of stdout and stderr.
    pub(crate) fn run(&self, words: &[&str]) -> (RequestId, std::io::PipeReader, std::io::PipeReader) {
        self.run_stages(vec![stage(words)])
    }

    /// The same for a pipeline.
    pub(crate) fn run_stages(
        &self,
        stages: Vec<Stage>,
    ) -> (RequestId, std::io::PipeReader, std::io::PipeReader) {
        let (out, stdout) = std::io::pipe().unwrap();
        let (err, stderr) = std::io::pipe().unwrap();
        let message = self.ask(stages);
        let ToBroker::Run { request, .. } = &message else { panic!() };
        self.send(&message, &[stdout.as_fd(), stderr.as_fd()]);
        (request.clone(), out, err)
    }

    /// The message for a pipeline that is not fed.
    pub(crate) fn ask(&self, stages: Vec<Stage>) -> ToBroker {
        ToBroker::Run {
            request: RequestId::new(),
            asker: asker(),
            policy: self.hash.clone(),
            run: "RUN1".into(),
            stages,
            stdin: false,
            seconds: None,
        }
    }

    pub(crate) fn refused(&mut self) -> (String, String) {
        match self.next() {
            FromBroker::Refused { reason, message, .. } => (reason, message),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn started(&mut self) {
        let message = self.next();
        assert!(matches!(message, FromBroker::Started { .. }), "{message:?}");
    }

    pub(crate) fn end(&mut self) -> End {
        let mut ends = self.ends();
        assert_eq!(ends.len(), 1, "{ends:?}");
        ends.remove(0)
    }

    pub(crate) fn ends(&mut self) -> Vec<End> {
        match self.next() {
            FromBroker::Ended { ends, .. } => ends,
            other => panic!("{other:?}"),
        }
    }
}

/// A stage without redirections.
pub(crate) fn stage(words: &[&str]) -> Stage {
    Stage::plain(words.iter().map(|word| (*word).to_owned()).collect())
}
