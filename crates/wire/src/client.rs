//! The gateway's and the proxy's end of the connection to the broker: one persistent connection, requests
//! pipelined over it, found again by itself when the broker comes back.

use crate::broker::{End, FromBroker, HostReport, MAX_WELCOME, RequestId, Service, StartedStage, ToBroker};
use crate::frame::{Decoder, FrameError, encode, send_some};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

/// First and longest pause between two tries to reach the broker.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Why the broker did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkError {
    /// No connection, or it was lost before the answer: the effect must be taken as not allowed.
    Gone,
    /// The broker said no.
    Refused {
        /// Reason code.
        reason: String,
        /// One line.
        message: String,
    },
}

impl std::fmt::Display for LinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LinkError::Gone => f.write_str("the broker does not answer"),
            LinkError::Refused { reason, message } => write!(f, "{reason}: {message}"),
        }
    }
}

impl std::error::Error for LinkError {}

/// What happens to the connection as a whole.
#[derive(Debug)]
pub enum LinkEvent {
    /// Connected: [`FromBroker::Welcome`] and its listening sockets.
    Welcome(Box<FromBroker>, Vec<OwnedFd>),
    /// The broker does not want this peer; it is tried again.
    Unwelcome(String),
    /// The connection is lost; it is tried again.
    Lost,
}

/// A pipeline that runs.
#[derive(Debug)]
pub struct Running {
    /// Its stages.
    pub stages: Vec<StartedStage>,
    /// How each stage ended, with the milliseconds they ran; an error when the broker is gone.
    pub ended: oneshot::Receiver<(Vec<End>, u64)>,
}

/// A shared handle on the connection. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct BrokerLink {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Option<mpsc::UnboundedSender<Outgoing>>,
    answers: HashMap<RequestId, oneshot::Sender<FromBroker>>,
    ends: HashMap<RequestId, oneshot::Sender<(Vec<End>, u64)>>,
}

#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl BrokerLink {
    /// Starts a task that keeps one connection to the broker at `path`; events come in order.
    pub fn start(path: PathBuf, service: Service) -> (Self, mpsc::UnboundedReceiver<LinkEvent>) {
        let link = BrokerLink { shared: Arc::default() };
        let (events, receiver) = mpsc::unbounded_channel();
        tokio::spawn(keep_connected(link.clone(), path, service, events));
        (link, receiver)
    }

    /// Records an intent; its sequence number when the record stands as the message demands.
    ///
    /// # Errors
    /// When the broker is gone or cannot write: the effect must not happen.
    pub async fn intent(&self, request: RequestId, message: ToBroker) -> Result<u64, LinkError> {
        match self.ask(request, message, Vec::new()).await? {
            FromBroker::Recorded { seq, .. } => Ok(seq),
            other => Err(refused(other)),
        }
    }

    /// Runs a pipeline: `fds` are the write ends for stdout and stderr and, where the message says so, the
    /// read end for stdin.
    ///
    /// # Errors
    /// When the broker is gone or refuses: nothing runs.
    pub async fn run(
        &self,
        request: RequestId,
        message: ToBroker,
        fds: Vec<OwnedFd>,
    ) -> Result<Running, LinkError> {
        let (sender, ended) = oneshot::channel();
        self.lock().ends.insert(request.clone(), sender);
        let answer = self.ask(request.clone(), message, fds).await;
        match answer {
            Ok(FromBroker::Started { stages, .. }) => Ok(Running { stages, ended }),
            other => {
                self.lock().ends.remove(&request);
                Err(other.map_or_else(|error| error, refused))
            }
        }
    }

    /// Asks whether host paths may be bound now; the first that may not, with why.
    ///
    /// # Errors
    /// When the broker is gone.
    pub async fn check_binds(&self, paths: Vec<String>) -> Result<Option<(String, String)>, LinkError> {
        let request = RequestId::new();
        match self.ask(request.clone(), ToBroker::CheckBinds { request, paths }, Vec::new()).await? {
            FromBroker::Binds { unsafe_path, .. } => Ok(unsafe_path),
            other => Err(refused(other)),
        }
    }

    /// What the host can do, and the sequence number of the last record.
    ///
    /// # Errors
    /// When the broker is gone.
    pub async fn host(&self) -> Result<(HostReport, u64), LinkError> {
        let request = RequestId::new();
        match self.ask(request.clone(), ToBroker::Host { request }, Vec::new()).await? {
            FromBroker::Host { host, last_seq, .. } => Ok((host, last_seq)),
            other => Err(refused(other)),
        }
    }

    /// Says something that has no answer: `Cancel`, `Output`, `Outcome`, `Report`. Also from a `Drop`.
    ///
    /// # Errors
    /// When the broker is gone.
    pub fn tell(&self, message: &ToBroker) -> Result<(), LinkError> {
        self.enqueue(message, Vec::new())
    }

    /// Whether a connection stands.
    pub fn is_connected(&self) -> bool {
        self.lock().queue.is_some()
    }

    async fn ask(
        &self,
        request: RequestId,
        message: ToBroker,
        fds: Vec<OwnedFd>,
    ) -> Result<FromBroker, LinkError> {
        let (sender, answer) = oneshot::channel();
        self.lock().answers.insert(request.clone(), sender);
        if let Err(error) = self.enqueue(&message, fds) {
            self.lock().answers.remove(&request);
            return Err(error);
        }
        answer.await.map_err(|_| LinkError::Gone)
    }

    fn enqueue(&self, message: &ToBroker, fds: Vec<OwnedFd>) -> Result<(), LinkError> {
        let bytes = encode(message, fds.len()).map_err(|_| LinkError::Gone)?;
        let shared = self.lock();
        let queue = shared.queue.as_ref().ok_or(LinkError::Gone)?;
        queue.send(Outgoing { bytes, fds }).map_err(|_| LinkError::Gone)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(answer: FromBroker) -> LinkError {
    match answer {
        FromBroker::Refused { reason, message, .. } => LinkError::Refused { reason, message },
        _ => LinkError::Refused {
            reason: "internal".into(),
            message: "unexpected answer of the broker".into(),
        },
    }
}

async fn keep_connected(
    link: BrokerLink,
    path: PathBuf,
    service: Service,
    events: mpsc::UnboundedSender<LinkEvent>,
) {
    let mut pause = PAUSE.0;
    while !events.is_closed() {
        if let Ok(socket) = UnixStream::connect(&path).await {
            if converse(&link, &socket, service, &events).await.is_ok() {
                pause = PAUSE.0;
            }
            *link.lock() = Shared::default();
            if events.send(LinkEvent::Lost).is_err() {
                return;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Speaks on one connection until it ends; `Ok` when a welcome came.
async fn converse(
    link: &BrokerLink,
    socket: &UnixStream,
    service: Service,
    events: &mpsc::UnboundedSender<LinkEvent>,
) -> Result<(), FrameError> {
    let hello = encode(&ToBroker::Hello { protocol: crate::PROTOCOL, service }, 0)?;
    write_all(socket, &Outgoing { bytes: hello, fds: Vec::new() }).await?;
    let mut decoder = Decoder::new(MAX_WELCOME);
    let Some((welcome, fds)) = read(socket, &mut decoder).await? else { return Err(FrameError::Torn) };
    if let FromBroker::Unwelcome { message } = welcome {
        let _ = events.send(LinkEvent::Unwelcome(message));
        return Err(FrameError::Torn);
    }
    let (queue, outgoing) = mpsc::unbounded_channel();
    link.lock().queue = Some(queue);
    let _ = events.send(LinkEvent::Welcome(Box::new(welcome), fds));
    // Either side's end is the connection's end; what is pending is dropped with `Shared`.
    tokio::select! {
        _ = write_queue(socket, outgoing) => {}
        _ = read_answers(link, socket, &mut decoder) => {}
    }
    Ok(())
}

async fn write_queue(socket: &UnixStream, mut outgoing: mpsc::UnboundedReceiver<Outgoing>) -> io::Result<()> {
    while let Some(frame) = outgoing.recv().await {
        write_all(socket, &frame).await?;
    }
    Ok(())
}

async fn write_all(socket: &UnixStream, frame: &Outgoing) -> io::Result<()> {
    let mut rest = frame.bytes.as_slice();
    let mut fds: Vec<_> = frame.fds.iter().map(AsFd::as_fd).collect();
    while !rest.is_empty() {
        let sent = socket.async_io(Interest::WRITABLE, || send_some(socket.as_fd(), rest, &fds)).await?;
        rest = rest.get(sent..).unwrap_or_default();
        fds.clear();
    }
    Ok(())
}

async fn read_answers(
    link: &BrokerLink,
    socket: &UnixStream,
    decoder: &mut Decoder,
) -> Result<(), FrameError> {
    while let Some((message, _)) = read(socket, decoder).await? {
        deliver(link, message);
    }
    Ok(())
}

fn deliver(link: &BrokerLink, message: FromBroker) {
    let mut shared = link.lock();
    match message {
        FromBroker::Ended { request, ends, millis } => {
            if let Some(waiting) = shared.ends.remove(&request) {
                let _ = waiting.send((ends, millis));
            }
        }
        FromBroker::Recorded { ref request, .. }
        | FromBroker::Refused { ref request, .. }
        | FromBroker::Started { ref request, .. }
        | FromBroker::Binds { ref request, .. }
        | FromBroker::Host { ref request, .. } => {
            if let Some(waiting) = shared.answers.remove(request) {
                let _ = waiting.send(message);
            }
        }
        FromBroker::Welcome { .. } | FromBroker::Unwelcome { .. } => {}
    }
}

async fn read(
    socket: &UnixStream,
    decoder: &mut Decoder,
) -> Result<Option<(FromBroker, Vec<OwnedFd>)>, FrameError> {
    loop {
        if let Some(frame) = decoder.next_frame()? {
            return Ok(Some(frame));
        }
        if socket.async_io(Interest::READABLE, || decoder.read_some(socket.as_fd())).await? == 0 {
            return if decoder.is_empty() { Ok(None) } else { Err(FrameError::Torn) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{Asker, Stage};
    use crate::frame::{Receiver, send};
    use std::os::unix::net::UnixListener;

    /// A broker stand-in for one connection: welcomes, starts every run and ends it, then hangs up when told
    /// to cancel.
    fn fake_broker(listener: &UnixListener) {
        let (socket, _) = listener.accept().unwrap();
        let mut receiver = Receiver::new(&socket, crate::broker::MAX_REQUEST);
        while let Ok(Some((message, fds))) = receiver.receive::<ToBroker>() {
            match message {
                ToBroker::Hello { .. } => {
                    let welcome = FromBroker::Welcome {
                        protocol: crate::PROTOCOL,
                        policy: Vec::new(),
                        hash: "h".into(),
                        workers: Vec::new(),
                        host: HostReport::default(),
                        operators: Vec::new(),
                    };
                    send(&socket, &welcome, &[listener.as_fd()]).unwrap();
                }
                ToBroker::Run { request, .. } => {
                    assert_eq!(fds.len(), 2);
                    let stages = vec![StartedStage { seq: 5, rule: "r#1".into() }];
                    let started = FromBroker::Started { request: request.clone(), stages };
                    send(&socket, &started, &[]).unwrap();
                    let ended = FromBroker::Ended { request, ends: vec![End::Exited { code: 3 }], millis: 1 };
                    send(&socket, &ended, &[]).unwrap();
                }
                ToBroker::Cancel { .. } => return,
                _ => {}
            }
        }
    }

    fn run_message(request: &RequestId) -> ToBroker {
        let asker = Asker {
            worker: "w".into(),
            uid: 1,
            session: "s".into(),
            way: "line".into(),
            key: None,
            source: None,
        };
        let (policy, run) = ("h".into(), "run".into());
        ToBroker::Run {
            request: request.clone(),
            asker,
            policy,
            run,
            stages: vec![Stage::plain(vec!["true".into()])],
            stdin: false,
            seconds: None,
        }
    }

    #[tokio::test]
    async fn a_run_is_started_and_ended_and_the_link_comes_back_after_a_loss() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let broker = std::thread::spawn(move || {
            fake_broker(&listener);
            fake_broker(&listener);
        });
        let (link, mut events) = BrokerLink::start(path, Service::Gateway);
        assert!(matches!(events.recv().await, Some(LinkEvent::Welcome(_, fds)) if fds.len() == 1));

        let request = RequestId::new();
        let (_, out) = io::pipe().unwrap();
        let (_, err) = io::pipe().unwrap();
        let running =
            link.run(request.clone(), run_message(&request), vec![out.into(), err.into()]).await.unwrap();
        assert_eq!(running.stages, [StartedStage { seq: 5, rule: "r#1".into() }]);
        assert_eq!(running.ended.await.unwrap(), (vec![End::Exited { code: 3 }], 1));

        link.tell(&ToBroker::Cancel { request, why: "test".into() }).unwrap();
        assert!(matches!(events.recv().await, Some(LinkEvent::Lost)));
        assert!(matches!(events.recv().await, Some(LinkEvent::Welcome(..))));
        link.tell(&ToBroker::Cancel { request: RequestId::new(), why: "test".into() }).unwrap();
        assert!(matches!(events.recv().await, Some(LinkEvent::Lost)));
        broker.join().unwrap();
    }

    #[tokio::test]
    async fn what_waits_for_an_answer_is_told_when_the_broker_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let broker = std::thread::spawn(move || fake_broker(&listener));
        let (link, mut events) = BrokerLink::start(path, Service::Proxy);
        assert!(matches!(events.recv().await, Some(LinkEvent::Welcome(..))));
        let waiting = link.clone();
        let binds = tokio::spawn(async move { waiting.check_binds(vec!["/srv".into()]).await });
        tokio::task::yield_now().await;
        link.tell(&ToBroker::Cancel { request: RequestId::new(), why: "test".into() }).unwrap();
        assert_eq!(binds.await.unwrap(), Err(LinkError::Gone));
        broker.join().unwrap();
    }
}
