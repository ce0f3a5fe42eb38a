//! One greeted connection: what its peer says, and which of its requests are open.

use crate::Broker;
use crate::command::{Commands, Run};
use crate::floods::{Course, is_cheap};
use crate::record::{self, Asked};
use crate::supervise::Cancel;
use doorward_audit::Outcome;
use doorward_policy::Reason;
use doorward_wire::broker::{FromBroker, RequestId, Service, ToBroker};
use doorward_wire::frame::Receiver;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Most requests of one connection that are recorded and not ended.
const MOST_OPEN: usize = if cfg!(test) { 64 } else { 65536 };

/// Most answers that a peer may leave unread.
const MOST_UNREAD: usize = 16384;

/// A request of this connection that has, or is about to have, a record and no end.
enum Open {
    /// By `Intent`, whose record does not stand yet. The peer may tell the end before that: whoever asked may
    /// have gone away meanwhile.
    Unrecorded { outcome: Option<Outcome> },
    /// By `Intent`: the peer tells the end.
    Recorded { seq: u64, worker: String },
    /// By `Run`, still running.
    Running(Arc<Cancel>),
    /// By `Run`, ended: waits for `Output`.
    Ended { seq: u64, worker: String, outcome: Outcome },
}

/// One greeted connection.
pub(crate) struct Peer {
    pub(crate) broker: Arc<Broker>,
    service: Service,
    outbox: Sender<FromBroker>,
    /// Letters in the outbox.
    unread: Arc<AtomicUsize>,
    /// The connection, to end it.
    line: UnixStream,
    open: Mutex<Requests>,
}

/// The requests of a connection, and whether it is gone.
#[derive(Default)]
struct Requests {
    open: HashMap<RequestId, Open>,
    parted: bool,
}

impl Peer {
    /// `unread` counts the letters in the outbox; `line` ends the connection.
    pub(crate) fn new(
        broker: &Arc<Broker>,
        service: Service,
        outbox: Sender<FromBroker>,
        unread: Arc<AtomicUsize>,
        line: UnixStream,
    ) -> Self {
        Peer { broker: broker.clone(), service, outbox, unread, line, open: Mutex::default() }
    }

    /// Hears the peer until it is gone or breaks the protocol.
    pub(crate) fn listen(self: &Arc<Self>, receiver: &mut Receiver<UnixStream>) {
        loop {
            match receiver.receive::<ToBroker>() {
                Ok(Some((message, fds))) => {
                    if let Err(why) = self.hear(message, fds) {
                        eprintln!("doorward: broker: {:?} broke the protocol: {why}", self.service);
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    eprintln!("doorward: broker: {:?}: {error}", self.service);
                    return;
                }
            }
        }
    }

    /// One message. An error ends the connection.
    fn hear(self: &Arc<Self>, message: ToBroker, fds: Vec<OwnedFd>) -> Result<(), &'static str> {
        if !fds.is_empty() && !matches!(message, ToBroker::Run { .. }) {
            return Err("descriptors with a message that has none");
        }
        let gateway = self.service == Service::Gateway;
        match message {
            ToBroker::Run { request, asker, policy, run, stages, stdin, seconds } if gateway => {
                Commands::start(self, Run { request, asker, policy, run, stages, stdin, seconds, fds });
            }
            ToBroker::Cancel { request, why } if gateway => {
                if let Some(Open::Running(cancel)) = self.open().open.get(&request) {
                    cancel.fire(&bounded(why));
                }
            }
            ToBroker::Output { request, bytes, truncated } if gateway => {
                self.complete(&request, bytes, truncated)
            }
            message @ ToBroker::Intent { .. } => self.intend(message),
            ToBroker::Outcome { request, status, millis, bytes, truncated, error } => {
                let how = if error.is_some() { "failed" } else { "answered" }.to_owned();
                // A line ends with an exit code, an Engine API request with an HTTP status.
                let (exit, status) = if gateway { (Some(status), None) } else { (None, Some(status)) };
                let outcome = Outcome {
                    how,
                    exit,
                    status,
                    millis,
                    bytes,
                    truncated,
                    error: error.map(|error| self.broker.policy.runs.redact(&error).into_owned()),
                    ..Outcome::default()
                };
                self.conclude(&request, outcome);
            }
            ToBroker::CheckBinds { request, paths } if !gateway => {
                let unsafe_path = crate::binds::first_unsafe(&self.broker.policy, &paths);
                self.say(FromBroker::Binds { request, unsafe_path });
            }
            ToBroker::Host { request } => {
                let last_seq = self.broker.audit.last_seq();
                self.say(FromBroker::Host { request, host: self.broker.known_of_host(), last_seq });
            }
            ToBroker::Report { report } if !gateway => self.broker.take_report(report),
            ToBroker::Hello { .. } => return Err("hello a second time"),
            _ => return Err("a message of the other service"),
        }
        Ok(())
    }

    fn intend(self: &Arc<Self>, message: ToBroker) {
        let ToBroker::Intent {
            request,
            asker,
            policy,
            decision,
            operation,
            argv,
            line_base64,
            http,
            objects,
            durable,
        } = message
        else {
            return;
        };
        if let Some((reason, why)) = self.unfit(&request, &policy, decision.allow) {
            return self.refuse(request, reason, why);
        }
        let worker = asker.worker.clone();
        let cheap = !decision.allow && is_cheap(decision.reason.as_deref());
        // A name that is no worker's is not worth a count of its own.
        let counted = if self.broker.policy.workers.contains_key(&worker) { worker.as_str() } else { "" };
        let left_out = match self.broker.floods.course(counted, cheap, Instant::now()) {
            Course::Write { left_out } => left_out,
            Course::LeaveOut => {
                return self.say(FromBroker::Recorded { request, seq: self.broker.audit.last_seq() });
            }
        };
        // The proxy's refusals are whole with this record; all else is told to its end.
        let ends = decision.allow || self.service == Service::Gateway;
        // What has no effect does not wait for its record.
        let weaker = if decision.allow && durable { self.broker.weaker() } else { Vec::new() };
        let mut entry = record::intent(
            Asked {
                request: &request,
                asker: &asker,
                policy: &policy,
                decision,
                operation: Some(operation),
                argv,
                line_base64,
                http,
                objects,
                weaker,
            },
            &self.broker.policy.runs,
        );
        if left_out > 0 {
            entry.detail = Some(serde_json::json!({ "refusals_not_recorded": left_out }));
        }
        if ends {
            self.open().open.insert(request.clone(), Open::Unrecorded { outcome: None });
        }
        let peer = self.clone();
        self.broker.audit.submit(entry, durable, move |done| match done {
            Ok(seq) if !ends => peer.say(FromBroker::Recorded { request, seq }),
            Ok(seq) => {
                peer.stands(&request, worker, seq);
                peer.say(FromBroker::Recorded { request, seq });
            }
            Err(error) => {
                peer.forget(&request);
                peer.refuse_unrecorded(request, &error);
            }
        });
    }

    /// The record of an intent stands: from now on its end is waited for, unless that was told already.
    fn stands(&self, request: &RequestId, worker: String, seq: u64) {
        let mut requests = self.open();
        let ended = match requests.open.remove(request) {
            Some(Open::Unrecorded { outcome }) => outcome,
            _ => None,
        };
        match ended.or_else(|| requests.parted.then(cut_off)) {
            Some(outcome) => {
                drop(requests);
                self.write_outcome(request, &worker, seq, outcome);
            }
            None => {
                requests.open.insert(request.clone(), Open::Recorded { seq, worker });
            }
        }
    }

    /// What stands against a new request before it is looked at. A refusal is recorded under any policy.
    pub(crate) fn unfit(
        &self,
        request: &RequestId,
        policy: &str,
        allow: bool,
    ) -> Option<(Reason, &'static str)> {
        let open = self.open();
        if !request.is_well_formed() || open.open.contains_key(request) {
            return Some((Reason::BadRequest, "the request's id is none, or not new"));
        }
        if open.open.len() >= MOST_OPEN {
            return Some((Reason::RateLimited, "too many requests are open; try again later"));
        }
        (allow && policy != self.broker.policy.hash.0)
            .then_some((Reason::PolicyChanged, "the policy changed meanwhile; try again"))
    }

    /// A command runs: from now on it can be cancelled.
    pub(crate) fn running(&self, request: &RequestId, cancel: &Arc<Cancel>) {
        self.open().open.insert(request.clone(), Open::Running(cancel.clone()));
    }

    /// A command ended; its record waits for what the gateway counted, if that is still there.
    pub(crate) fn ended(&self, request: &RequestId, seq: u64, worker: String, outcome: Outcome) {
        let mut requests = self.open();
        requests.open.remove(request);
        if requests.parted {
            drop(requests);
            return self.write_outcome(request, &worker, seq, outcome);
        }
        requests.open.insert(request.clone(), Open::Ended { seq, worker, outcome });
    }

    /// A command that was not run after all.
    pub(crate) fn forget(&self, request: &RequestId) {
        self.open().open.remove(request);
    }

    fn complete(&self, request: &RequestId, bytes: u64, truncated: bool) {
        let mut requests = self.open();
        if !matches!(requests.open.get(request), Some(Open::Ended { .. })) {
            return;
        }
        if let Some(Open::Ended { seq, worker, outcome }) = requests.open.remove(request) {
            drop(requests);
            self.write_outcome(request, &worker, seq, Outcome { bytes, truncated, ..outcome });
        }
    }

    fn conclude(&self, request: &RequestId, outcome: Outcome) {
        let mut requests = self.open();
        match requests.open.get_mut(request) {
            Some(Open::Unrecorded { outcome: told }) => {
                told.get_or_insert(outcome);
                return;
            }
            Some(Open::Recorded { .. }) => {}
            _ => return,
        }
        if let Some(Open::Recorded { seq, worker }) = requests.open.remove(request) {
            drop(requests);
            self.write_outcome(request, &worker, seq, outcome);
        }
    }

    pub(crate) fn write_outcome(&self, request: &RequestId, worker: &str, seq: u64, outcome: Outcome) {
        let entry = record::outcome(request, worker, seq, outcome);
        // The effect is past; a log that cannot be written refuses the next request.
        self.broker.audit.submit(entry, false, |_| ());
    }

    /// The connection is gone: its commands end, and its open requests are recorded as cut off.
    pub(crate) fn part(&self) {
        let open = {
            let mut requests = self.open();
            requests.parted = true;
            let (unrecorded, open): (HashMap<_, _>, HashMap<_, _>) = std::mem::take(&mut requests.open)
                .into_iter()
                .partition(|(_, state)| matches!(state, Open::Unrecorded { .. }));
            // Written when their records stand.
            requests.open = unrecorded;
            open
        };
        for (request, state) in open {
            match state {
                // Its own thread records the end.
                Open::Running(cancel) => cancel.fire("disconnect"),
                Open::Ended { seq, worker, outcome } => self.write_outcome(&request, &worker, seq, outcome),
                Open::Recorded { seq, worker } => self.write_outcome(&request, &worker, seq, cut_off()),
                Open::Unrecorded { .. } => {}
            }
        }
    }

    /// Sends, when the connection is still there. A peer that asks and does not read is given up: what waits
    /// for it is the broker's memory.
    pub(crate) fn say(&self, message: FromBroker) {
        if self.unread.fetch_add(1, Ordering::Relaxed) >= MOST_UNREAD {
            self.unread.fetch_sub(1, Ordering::Relaxed);
            let _ = self.line.shutdown(std::net::Shutdown::Both);
            return;
        }
        // Without one there is nobody to tell; `part` has seen to the records.
        let _ = self.outbox.send(message);
    }

    pub(crate) fn refuse(&self, request: RequestId, reason: Reason, message: impl Into<String>) {
        self.say(FromBroker::Refused { request, reason: reason.code().to_owned(), message: message.into() });
    }

    pub(crate) fn refuse_unrecorded(&self, request: RequestId, error: &doorward_audit::AuditError) {
        eprintln!("doorward: broker: {error}");
        self.refuse(
            request,
            Reason::AuditUnavailable,
            "the audit log cannot be written, so nothing is done; tell the operator",
        );
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Requests> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outcome of a request whose service is gone.
fn cut_off() -> Outcome {
    Outcome {
        how: "disconnected".into(),
        error: Some("the service's connection to the broker ended first".into()),
        ..Outcome::default()
    }
}

fn bounded(text: String) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}
