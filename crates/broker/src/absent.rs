//! What is said at a service's door while the service is away.
//!
//! The broker keeps the listening sockets so that it can hand them to a service that starts again. Whoever
//! connects meanwhile waits in the kernel's queue, which is right for the moment that a restart takes, and
//! wrong for longer: a worker must be told. What a caller sends is thrown away unread.

use crate::Broker;
use doorward_policy::Reason;
use doorward_wire::broker::Service;
use doorward_wire::session::ToSession;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a service may be away before callers are told.
const GRACE: Duration = Duration::from_secs(2);
/// How often the doors' keeper looks whether the service is back.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Most callers that are listened to at one time; the others wait in the queue.
const CALLERS: usize = 64;
/// What is read and thrown away of a caller before it is answered.
const DISCARDED: usize = 64 * 1024;

/// How many connections each service has.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Counts {
    gateway: usize,
    proxy: usize,
}

impl Counts {
    fn of(&mut self, service: Service) -> &mut usize {
        match service {
            Service::Gateway => &mut self.gateway,
            Service::Proxy => &mut self.proxy,
        }
    }
}

impl Presence {
    pub(crate) fn came(&self, service: Service) {
        self.count(service, |count| count.saturating_add(1));
    }

    pub(crate) fn went(&self, service: Service) {
        self.count(service, |count| count.saturating_sub(1));
    }

    fn count(&self, service: Service, change: impl Fn(usize) -> usize) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.of(service);
        *count = change(*count);
        drop(counts);
        self.changed.notify_all();
    }

    fn is_here(&self, service: Service) -> bool {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).of(service) > 0
    }

    /// Returns when the service has been away for the whole of [`GRACE`].
    fn wait_until_away(&self, service: Service) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            while *counts.of(service) > 0 {
                counts = self.changed.wait(counts).unwrap_or_else(PoisonError::into_inner);
            }
            let (after, waited) = self
                .changed
                .wait_timeout_while(counts, GRACE, |counts| *counts.of(service) == 0)
                .unwrap_or_else(PoisonError::into_inner);
            counts = after;
            if waited.timed_out() {
                return;
            }
        }
    }
}

/// Keeps the doors of one service, for ever.
pub(crate) fn keep(broker: &Arc<Broker>, service: Service) {
    let doors: Vec<&UnixListener> = match service {
        Service::Gateway => vec![&broker.listeners.gateway],
        Service::Proxy => broker.listeners.workers.iter().map(|(_, listener)| listener).collect(),
    };
    // The services' own copies share this; tokio asks for the same.
    for door in &doors {
        let _ = door.set_nonblocking(true);
    }
    let answer = answer(service);
    loop {
        broker.presence.wait_until_away(service);
        let mut callers = Vec::new();
        while !broker.presence.is_here(service) {
            attend(&doors, &mut callers, &answer);
        }
        for mut caller in callers {
            let _ = caller.write_all(&answer);
        }
    }
}

/// One round: takes new callers, answers those who have said something.
fn attend(doors: &[&UnixListener], callers: &mut Vec<UnixStream>, answer: &[u8]) {
    let room = callers.len() < CALLERS;
    let watched = doors.iter().filter(|_| room).map(|door| PollFd::new(*door, PollFlags::IN));
    let mut fds: Vec<PollFd<'_>> =
        watched.chain(callers.iter().map(|caller| PollFd::new(caller, PollFlags::IN))).collect();
    if poll(&mut fds, Some(&LOOK)).is_err() {
        return;
    }
    drop(fds);
    callers.retain_mut(|caller| !answered(caller, answer));
    for door in doors.iter().filter(|_| room) {
        if let Ok((caller, _)) = door.accept()
            && caller.set_nonblocking(true).is_ok()
        {
            callers.push(caller);
        }
    }
}

/// Whether a caller is done with: it spoke and was answered, or it is gone.
fn answered(caller: &mut UnixStream, answer: &[u8]) -> bool {
    match caller.read(&mut vec![0; DISCARDED]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) if error.kind() == ErrorKind::Interrupted => false,
        Err(_) | Ok(0) => true,
        Ok(_) => {
            // It fits the socket's buffer; a caller that does not read it has gone.
            let _ = caller.write_all(answer);
            true
        }
    }
}

/// In the words that the service itself would use.
fn answer(service: Service) -> Vec<u8> {
    match service {
        Service::Gateway => {
            let told = format!(
                "doorward: refused ({}): the gateway is not running, so nothing was done\n\
                 doorward: allowed: try again in a few seconds; if it stays so, tell the operator\n",
                Reason::GatewayUnavailable
            );
            let frames = [ToSession::Stderr(told.into_bytes()), ToSession::Exit(125)];
            frames.iter().flat_map(ToSession::encode).collect()
        }
        Service::Proxy => {
            let message = format!(
                "doorward: refused ({}): the service in front of the engine is not running, so nothing was done; \
                 allowed: try again in a few seconds",
                Reason::EngineUnavailable
            );
            let body = serde_json::json!({ "message": message }).to_string();
            format!(
                "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        }
    }
}
