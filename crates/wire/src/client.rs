//! The gateway's and the proxy's end of the connection to the broker: one persistent connection, requests
//! pipelined over it, found again by itself when the broker comes back.

use crate::broker::{
    End, FromBroker, HostReport, MAX_REQUEST, MAX_WELCOME, RequestId, Service, StartedStage, ToBroker,
};
use crate::frame::{Decoder, FrameError, append, encode, send_some};
use crate::soon::{Kept, MOMENT, Soon};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc, oneshot};

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
    Lost {
        /// Intents that nobody waited for and that the broker had not answered: they may be unrecorded.
        unanswered: usize,
    },
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
    /// Something is kept, to be sent in a moment.
    kept: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Option<mpsc::UnboundedSender<Outgoing>>,
    answers: HashMap<RequestId, oneshot::Sender<FromBroker>>,
    ends: HashMap<RequestId, oneshot::Sender<(Vec<End>, u64)>>,
    soon: Soon,
}

#[derive(Debug, Default)]
struct Outgoing {
    /// Whole frames.
    bytes: Vec<u8>,
    /// Of the last frame; the others have none.
    fds: Vec<OwnedFd>,
    /// Told when it was sent.
    sent: Option<oneshot::Sender<()>>,
}

impl BrokerLink {
    /// Starts a task that keeps one connection to the broker at `path`; events come in order.
    pub fn start(path: PathBuf, service: Service) -> (Self, mpsc::UnboundedReceiver<LinkEvent>) {
        let link = BrokerLink { shared: Arc::default(), kept: Arc::default() };
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

    /// Records an intent that has no effect to wait with: it is sent in a moment, together with others. After a
    /// refusal, and when too many have no answer, it is waited for like any other.
    ///
    /// # Errors
    /// When the broker is gone, or was waited for and cannot write.
    pub async fn intend_soon(&self, request: RequestId, message: ToBroker) -> Result<(), LinkError> {
        let kept = {
            let mut shared = self.lock();
            if shared.queue.is_none() {
                return Err(LinkError::Gone);
            }
            shared.soon.trusts().then(|| shared.soon.intend(request.clone(), &message))
        };
        match kept {
            Some(kept) => self.see_to(kept),
            None => self.intent(request, message).await.map(drop),
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

    /// The same, in a moment, together with others; still before all that is said after it.
    ///
    /// # Errors
    /// When the broker is gone.
    pub fn tell_soon(&self, message: &ToBroker) -> Result<(), LinkError> {
        let kept = {
            let mut shared = self.lock();
            if shared.queue.is_none() {
                return Err(LinkError::Gone);
            }
            shared.soon.keep(message)
        };
        self.see_to(kept)
    }

    /// Returns when everything that was said so far is on its way, or nobody is there to hear it.
    pub async fn flush(&self) {
        let (sender, sent) = oneshot::channel();
        let last = Outgoing { sent: Some(sender), ..Outgoing::default() };
        if self.lock().push(last).is_ok() {
            // An error means that the connection is gone.
            drop(sent.await);
        }
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
        let mut bytes = Vec::with_capacity(1024);
        append(&mut bytes, message, fds.len(), MAX_REQUEST).map_err(unsaid)?;
        self.lock().push(Outgoing { bytes, fds, sent: None })
    }

    fn see_to(&self, kept: Result<Kept, FrameError>) -> Result<(), LinkError> {
        match kept.map_err(unsaid)? {
            Kept::Behind => Ok(()),
            Kept::First => {
                self.kept.notify_one();
                Ok(())
            }
            Kept::Full => self.lock().push_kept(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Sends what is kept, then this.
    fn push(&mut self, mut outgoing: Outgoing) -> Result<(), LinkError> {
        if outgoing.fds.is_empty() {
            let mut bytes = self.soon.take();
            bytes.append(&mut outgoing.bytes);
            outgoing.bytes = bytes;
        } else {
            self.push_kept()?;
        }
        let queue = self.queue.as_ref().ok_or(LinkError::Gone)?;
        queue.send(outgoing).map_err(|_| LinkError::Gone)
    }

    fn push_kept(&mut self) -> Result<(), LinkError> {
        let bytes = self.soon.take();
        if bytes.is_empty() {
            return Ok(());
        }
        let queue = self.queue.as_ref().ok_or(LinkError::Gone)?;
        queue.send(Outgoing { bytes, ..Outgoing::default() }).map_err(|_| LinkError::Gone)
    }
}

/// What cannot be said is not sent: the broker would end the connection over it, and everybody's requests with it.
fn unsaid(error: FrameError) -> LinkError {
    match error {
        FrameError::TooLong(length) => LinkError::Refused {
            reason: "too_large".into(),
            message: format!("what would be written down of it has {length} bytes, of {MAX_REQUEST} allowed"),
        },
        _ => LinkError::Gone,
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
            let lost = std::mem::take(&mut *link.lock());
            if events.send(LinkEvent::Lost { unanswered: lost.soon.unanswered() }).is_err() {
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
    write_all(socket, &Outgoing { bytes: hello, ..Outgoing::default() }).await?;
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
        () = send_kept(link) => {}
    }
    Ok(())
}

/// Sends what is kept, a moment after the first of it came.
async fn send_kept(link: &BrokerLink) {
    loop {
        link.kept.notified().await;
        tokio::time::sleep(MOMENT).await;
        // Without a connection this ends with the others.
        drop(link.lock().push_kept());
    }
}

async fn write_queue(socket: &UnixStream, mut outgoing: mpsc::UnboundedReceiver<Outgoing>) -> io::Result<()> {
    while let Some(mut frame) = outgoing.recv().await {
        write_all(socket, &frame).await?;
        if let Some(sent) = frame.sent.take() {
            // Nobody listens only when nobody waits any more.
            let _ = sent.send(());
        }
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
        FromBroker::Recorded { ref request, .. } | FromBroker::Refused { ref request, .. } => {
            let stands = matches!(message, FromBroker::Recorded { .. });
            if !shared.soon.answered(request, stands)
                && let Some(waiting) = shared.answers.remove(request)
            {
                let _ = waiting.send(message);
            }
        }
        FromBroker::Started { ref request, .. }
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
mod tests;
