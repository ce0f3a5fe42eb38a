//! The service: keeps the broker, opens the workers' sockets, closes itself in.

use crate::door;
use crate::lifetimes;
use crate::quiet::watched;
use crate::report;
use crate::rules::Rules;
use crate::seal::{SealError, seal};
use crate::visit::Proxy;
use doorward_wire::broker::{FromBroker, Service};
use doorward_wire::client::{BrokerLink, LinkEvent};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long telling the broker the last of it may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How the service is started. All else comes from the broker.
#[derive(Debug, Clone)]
pub struct Config {
    /// Path of `broker.sock`.
    pub broker: PathBuf,
    /// Whether the process closes itself in once it has its sockets. It cannot be undone, so whoever has more
    /// to do in this process says no, and loses that protection.
    pub sealed: bool,
    /// How long what may take.
    pub timings: Timings,
}

/// How long what may take before it is given up.
#[derive(Debug, Clone)]
pub struct Timings {
    /// Until a request's head is whole; also how long an idle connection is kept.
    pub head: Duration,
    /// Until a request's body is whole.
    pub body: Duration,
    /// Until the engine has answered a question.
    pub engine_reads: Duration,
    /// Until the engine has begun to answer a change, and again until that answer is whole.
    pub engine_writes: Duration,
    /// Between two looks for containers whose lifetime is over.
    pub lifetimes: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Timings {
            head: Duration::from_secs(120),
            body: Duration::from_secs(30),
            engine_reads: Duration::from_secs(60),
            engine_writes: Duration::from_secs(3600),
            lifetimes: Duration::from_secs(15),
        }
    }
}

/// Why the service cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The broker does not take this process for the proxy.
    #[error("the broker does not want this peer: {0}")]
    Unwelcome(String),
    /// The first policy cannot be worked with.
    #[error("the broker's welcome cannot be used: {0}")]
    Welcome(String),
    /// A listening socket cannot be used.
    #[error("a worker's listening socket cannot be used: {0}")]
    Socket(#[from] std::io::Error),
    /// The process cannot be closed in.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The task that keeps the broker ended.
    #[error("the connection to the broker is no longer kept")]
    Ended,
}

/// Serves all workers' sockets; ends only with an error. Wants a runtime of one thread, and to be the only
/// thing in its process when `sealed`.
///
/// # Errors
/// Before the first welcome has been worked with, whatever is wrong with it; after that, the last policy is
/// kept and the broker is found again by itself.
pub async fn serve(config: Config) -> Result<(), ProxyError> {
    let (broker, events) = BrokerLink::start(config.broker.clone(), Service::Proxy);
    keep_serving(config, broker, events).await
}

/// The same until `stop` is over; then what was not told yet is told to the broker.
///
/// # Errors
/// As [`serve`].
pub async fn serve_until(config: Config, stop: impl Future<Output = ()>) -> Result<(), ProxyError> {
    let (broker, events) = BrokerLink::start(config.broker.clone(), Service::Proxy);
    tokio::select! {
        ended = keep_serving(config, broker.clone(), events) => ended,
        () = stop => {
            // A broker that does not read keeps nobody from ending.
            drop(tokio::time::timeout(LAST_WORDS, broker.flush()).await);
            Ok(())
        }
    }
}

async fn keep_serving(
    config: Config,
    broker: BrokerLink,
    mut events: mpsc::UnboundedReceiver<LinkEvent>,
) -> Result<(), ProxyError> {
    let (rules, reader) = watch::channel(None);
    let (welcome, sockets) = loop {
        match events.recv().await.ok_or(ProxyError::Ended)? {
            LinkEvent::Welcome(welcome, sockets) => break (welcome, sockets),
            LinkEvent::Unwelcome(message) => return Err(ProxyError::Unwelcome(message)),
            LinkEvent::Lost { .. } => {}
        }
    };
    let (first, listeners) = take_in(*welcome, sockets)?;
    let uid = rustix::process::getuid().as_raw();
    let weaker = if config.sealed { seal()? } else { vec!["the proxy is not closed in".to_owned()] };
    let proxy = Arc::new(Proxy::new(broker, config.timings, weaker, reader));
    let mut last = Arc::new(first);
    rules.send_replace(Some(Arc::clone(&last)));
    let mut doors = open(&proxy, listeners);
    tokio::spawn(report::keep_told(Arc::clone(&proxy)));
    tokio::spawn(lifetimes::keep(Arc::clone(&proxy), uid));
    loop {
        match events.recv().await.ok_or(ProxyError::Ended)? {
            LinkEvent::Welcome(welcome, sockets) => {
                match take_in(*welcome, sockets) {
                    Ok((next, listeners)) => {
                        last = Arc::new(next);
                        doors = open(&proxy, listeners);
                    }
                    Err(error) => eprintln!("doorward: proxy: the last policy stays in force: {error}"),
                }
                rules.send_replace(Some(Arc::clone(&last)));
            }
            LinkEvent::Unwelcome(message) => eprintln!("doorward: proxy: the broker refuses: {message}"),
            LinkEvent::Lost { unanswered } => {
                // Until the next welcome has been read, nothing is judged by what may no longer hold.
                rules.send_replace(None);
                eprintln!("doorward: proxy: the broker is gone; requests are refused");
                if unanswered > 0 {
                    eprintln!("doorward: proxy: {unanswered} requests that only looked may be unrecorded");
                }
            }
        }
        // A door that ended by itself has nothing left to say.
        while doors.try_join_next().is_some() {}
    }
}

/// A worker's name and its socket.
type Listener = (String, AsyncFd<UnixListener>);

fn take_in(welcome: FromBroker, sockets: Vec<OwnedFd>) -> Result<(Rules, Vec<Listener>), ProxyError> {
    let (rules, workers) = Rules::from_welcome(welcome).map_err(ProxyError::Welcome)?;
    if workers.len() != sockets.len() {
        return Err(ProxyError::Welcome("it does not bring one socket for each worker".into()));
    }
    let listeners = workers.into_iter().zip(sockets).map(|(worker, socket)| {
        let listener = UnixListener::from(socket);
        listener.set_nonblocking(true)?;
        Ok((worker, watched(listener, Interest::READABLE)?))
    });
    Ok((rules, listeners.collect::<Result<_, std::io::Error>>()?))
}

/// The doors of before end when these take their place.
fn open(proxy: &Arc<Proxy>, listeners: Vec<Listener>) -> JoinSet<()> {
    let mut doors = JoinSet::new();
    for (worker, listener) in listeners {
        doors.spawn(door::keep(Arc::clone(proxy), worker, listener));
    }
    doors
}
