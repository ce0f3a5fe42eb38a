//! A connection from its greeting to its end: one thread reads it, one writes it, one more for each running
//! command.

use crate::peer::Peer;
use crate::{Broker, Identities};
use doorward_wire::PROTOCOL;
use doorward_wire::broker::{
    FromBroker, MAX_REQUEST, MAX_WELCOME, PolicyFile, Service, ToBroker, WorkerAccount,
};
use doorward_wire::frame::{self, Receiver};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Longest a peer may take for its first frame.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves one connection to its end.
pub(crate) fn serve(broker: &Arc<Broker>, socket: UnixStream) {
    let Ok(credentials) = rustix::net::sockopt::socket_peercred(&socket) else { return };
    let uid = credentials.uid.as_raw();
    let Ok(reading) = socket.try_clone() else { return };
    let mut receiver = Receiver::new(reading, MAX_REQUEST);
    if socket.set_read_timeout(Some(PATIENCE)).is_err() {
        return;
    }
    let service = match receiver.receive::<ToBroker>() {
        Ok(Some((ToBroker::Hello { protocol, service }, fds))) if fds.is_empty() => {
            match refuse(&broker.identities, uid, protocol, service) {
                None => service,
                Some(message) => return unwelcome(&socket, message),
            }
        }
        Ok(None) => return,
        _ => return unwelcome(&socket, "the first frame must be hello".to_owned()),
    };
    let sockets = match broker.listeners.open_for(service) {
        Ok(sockets) => sockets,
        Err(error) => {
            eprintln!("doorward: broker: no sockets for {service:?}: {error}");
            return unwelcome(&socket, "the broker cannot make this service's sockets".to_owned());
        }
    };
    if socket.set_read_timeout(None).is_err() || welcome(broker, &socket, sockets).is_err() {
        return;
    }
    let Ok(writing) = socket.try_clone() else { return };
    let Ok(line) = socket.try_clone() else { return };
    let (outbox, letters) = mpsc::channel::<FromBroker>();
    let unread = Arc::new(AtomicUsize::new(0));
    let waiting = unread.clone();
    let writer = std::thread::spawn(move || {
        while let Some((frames, taken)) = next_letters(&letters) {
            waiting.fetch_sub(taken, Ordering::Relaxed);
            if frame::send_frames(&writing, &frames, &[]).is_err() {
                break;
            }
        }
        // The reading side sees the end too and cleans up.
        let _ = writing.shutdown(std::net::Shutdown::Both);
    });
    let peer = Arc::new(Peer::new(broker, service, outbox, unread, line));
    let proxies = (service == Service::Proxy).then_some(&broker.proxies);
    if let Some(proxies) = proxies {
        proxies.fetch_add(1, Ordering::Relaxed);
    }
    peer.listen(&mut receiver);
    peer.part();
    if let Some(proxies) = proxies {
        proxies.fetch_sub(1, Ordering::Relaxed);
    }
    drop(peer);
    let _ = socket.shutdown(std::net::Shutdown::Both);
    // It ends when the last running command of this connection has ended.
    drop(writer);
}

/// Most bytes of letters that are sent at once, but for the last of them.
const ENVELOPE: usize = 32 * 1024;

/// What waits in the outbox, as frames, and how many letters they are; waits for the first. `None` when none
/// will come.
fn next_letters(letters: &mpsc::Receiver<FromBroker>) -> Option<(Vec<u8>, usize)> {
    let (mut frames, mut taken) = (Vec::new(), 0_usize);
    let mut next = letters.recv().ok();
    while let Some(letter) = next {
        taken = taken.saturating_add(1);
        // Whoever waits for what fits no frame loses the connection, and learns from that.
        frame::append(&mut frames, &letter, 0, MAX_WELCOME).ok()?;
        next = if frames.len() < ENVELOPE { letters.try_recv().ok() } else { None };
    }
    (taken > 0).then_some((frames, taken))
}

fn refuse(identities: &Identities, uid: u32, protocol: u32, service: Service) -> Option<String> {
    if protocol != PROTOCOL {
        return Some(format!("this broker speaks protocol {PROTOCOL}; start all services from one build"));
    }
    let expected = match service {
        Service::Gateway => identities.gateway.0,
        Service::Proxy => identities.proxy.0,
    };
    (uid != expected).then(|| "this account may not speak here".to_owned())
}

fn unwelcome(socket: &UnixStream, message: String) {
    // A peer that is gone needs no answer.
    let _ = frame::send(socket, &FromBroker::Unwelcome { message }, &[]);
}

/// The sockets are the peer's alone from here on.
fn welcome(
    broker: &Broker,
    socket: &UnixStream,
    sockets: Vec<UnixListener>,
) -> Result<(), frame::FrameError> {
    let fds: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
    let message = FromBroker::Welcome {
        protocol: PROTOCOL,
        policy: broker
            .bundle
            .files
            .iter()
            .map(|file| PolicyFile { path: file.path.clone(), text: file.text.clone() })
            .collect(),
        hash: broker.policy.hash.0.clone(),
        workers: accounts(broker),
        host: broker.host.clone(),
        operators: broker.operators.clone(),
    };
    frame::send(socket, &message, &fds)
}

fn accounts(broker: &Broker) -> Vec<WorkerAccount> {
    broker.listeners.workers.iter().map(|(account, _)| account.clone()).collect()
}
