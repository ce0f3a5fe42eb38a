//! The service: the connection to the broker, the listening socket it gives, and a task for each session.

use crate::gateway::{Gateway, Timing};
use crate::known::Known;
use crate::limits::Counts;
use crate::refuse;
use crate::seats::Seats;
use crate::session;
use crate::store::{Keep, Store};
use doorward_policy::{Reason, Refusal};
use doorward_wire::broker::{FromBroker, Service};
use doorward_wire::client::{BrokerLink, LinkEvent};
use doorward_wire::session::ToSession;
use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::{UnixListener, UnixStream};

/// Where the gateway finds its things.
#[derive(Debug, Clone)]
pub struct Config {
    /// The broker's socket.
    pub broker_sock: PathBuf,
    /// The state folder. The gateway's account can write to its `runs/`, which has the database and outputs.
    pub state_dir: PathBuf,
}

/// Why the service ended.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The thread for the runs could not be made.
    #[error("no thread for the runs: {0}")]
    Thread(std::io::Error),
    /// The broker does not serve this process.
    #[error("the broker says: {0}")]
    Unwelcome(String),
    /// The task that keeps the broker's connection ended.
    #[error("the connection to the broker is no longer kept")]
    Link,
}

/// Who comes in.
struct Door {
    gateway: Rc<Gateway>,
    /// The latest welcome; `None` before the first.
    known: RefCell<Option<Rc<Known>>>,
    seats: Rc<Seats>,
}

/// Serves sessions until the process ends. Runs on a current-thread runtime. When the broker is gone,
/// sessions are told so, and it is looked for in the background.
///
/// # Errors
/// When the service cannot start.
pub async fn serve(config: Config) -> Result<(), GatewayError> {
    serve_with(config, Timing::default()).await
}

pub(crate) async fn serve_with(config: Config, timing: Timing) -> Result<(), GatewayError> {
    tokio::task::LocalSet::new().run_until(serve_sessions(config, timing)).await
}

async fn serve_sessions(config: Config, timing: Timing) -> Result<(), GatewayError> {
    raise_descriptor_limit();
    let store = Store::start(&config.state_dir).map_err(GatewayError::Thread)?;
    let (link, mut events) = BrokerLink::start(config.broker_sock, Service::Gateway);
    let (counts, running, since) = (Counts::default(), Rc::default(), Instant::now());
    let gateway = Rc::new(Gateway { link, store, counts, running, timing, since });
    let door = Door { gateway, known: RefCell::new(None), seats: Rc::default() };
    let mut listener = None;
    loop {
        tokio::select! {
            event = events.recv() => match event {
                None => return Err(GatewayError::Link),
                // Later it may be a broker that is just being replaced.
                Some(LinkEvent::Unwelcome(message)) if listener.is_none() => {
                    return Err(GatewayError::Unwelcome(message));
                }
                Some(event) => door.on_link(event, &mut listener),
            },
            stream = accept(listener.as_ref()) => door.admit(stream),
        }
    }
}

/// Each running line needs four descriptors; the usual soft limit of 1024 is made for `select(2)`.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Without more, sessions beyond the limit wait until others end.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// The next connection; waits for ever without a listener.
async fn accept(listener: Option<&UnixListener>) -> UnixStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of descriptors, most likely: sessions that end give some back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

impl Door {
    fn on_link(&self, event: LinkEvent, listener: &mut Option<UnixListener>) {
        match event {
            LinkEvent::Welcome(welcome, fds) => match take_welcome(*welcome, fds) {
                Ok((known, new)) => {
                    self.gateway.store.keep(Keep::of(&known.policy.runs));
                    self.known.replace(Some(Rc::new(known)));
                    if let Some(old) = listener.replace(new) {
                        self.admit_rest(old);
                    }
                }
                Err(message) => eprintln!("doorward: gateway: {message}"),
            },
            LinkEvent::Unwelcome(message) => eprintln!("doorward: gateway: the broker says: {message}"),
            LinkEvent::Lost { .. } => {
                eprintln!("doorward: gateway: no connection to the broker; trying again")
            }
        }
    }

    /// Sessions that came to the socket that is being replaced are served all the same.
    fn admit_rest(&self, old: UnixListener) {
        let Ok(old) = old.into_std() else { return };
        while let Ok((stream, _)) = old.accept() {
            let waiting = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
            if let Ok(stream) = waiting {
                self.admit(stream);
            }
        }
    }

    fn admit(&self, stream: UnixStream) {
        let (Ok(peer), Some(known)) = (stream.peer_cred(), self.known.borrow().clone()) else { return };
        let Some(seat) = self.seats.take(peer.uid()) else {
            turn_away(&stream);
            return;
        };
        let gateway = Rc::clone(&self.gateway);
        tokio::task::spawn_local(async move {
            session::serve(gateway, known, stream, peer.uid()).await;
            drop(seat);
        });
    }
}

/// Answers without a task, since there may be no end of such connections; what does not fit is not sent.
fn turn_away(stream: &UnixStream) {
    let refusal =
        Refusal::new(Reason::RateLimited, "too many connections at one time").nearest("try again later");
    let mut answer = ToSession::Stderr(refuse::lines(&refusal).into_bytes()).encode();
    answer.extend(ToSession::Exit(refuse::REFUSED).encode());
    let _ = stream.try_write(&answer);
}

fn take_welcome(welcome: FromBroker, fds: Vec<OwnedFd>) -> Result<(Known, UnixListener), String> {
    let known = Known::from_welcome(welcome)?;
    let fd = fds.into_iter().next().ok_or("the broker's welcome came without the listening socket")?;
    let listener = std::os::unix::net::UnixListener::from(fd);
    listener.set_nonblocking(true).map_err(|error| format!("the listening socket: {error}"))?;
    let listener =
        UnixListener::from_std(listener).map_err(|error| format!("the listening socket: {error}"))?;
    Ok((known, listener))
}
