//! The proxy as a whole, and one connection to it.

use crate::engine_link::{EngineLink, Spares};
use crate::limits::Counters;
use crate::rules::Rules;
use crate::serve::Timings;
use doorward_policy::{Reason, Refusal};
use doorward_wire::broker::Asker;
use doorward_wire::client::BrokerLink;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedMutexGuard, watch};

/// Most exec ids that are remembered for a worker; the oldest is forgotten, and then is as if it were not its.
const EXECS: usize = 4096;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// To the broker.
    pub(crate) broker: BrokerLink,
    /// To the engine.
    pub(crate) engine: EngineLink,
    /// How long what may take.
    pub(crate) timings: Timings,
    /// What is weaker in this process than designed; recorded with every request.
    pub(crate) weaker: Vec<String>,
    /// `None` while there is no broker.
    rules: watch::Receiver<Option<Arc<Rules>>>,
    guests: Mutex<BTreeMap<String, Arc<Guest>>>,
}

/// What outlives a worker's connections.
#[derive(Debug, Default)]
pub(crate) struct Guest {
    /// How much it asks.
    pub(crate) counters: Arc<Counters>,
    /// How much is asked on its socket by peers that may not.
    pub(crate) strangers: Arc<Counters>,
    /// Its connections to the engine that may be used again.
    pub(crate) spares: Spares,
    /// Held while something that takes turns is judged and done.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Held while a build is judged and done.
    building: Arc<tokio::sync::Mutex<()>>,
    execs: Mutex<VecDeque<String>>,
}

/// One connection to a worker's socket.
#[derive(Debug)]
pub(crate) struct Visit {
    /// The whole.
    pub(crate) proxy: Arc<Proxy>,
    /// Whose socket it is.
    pub(crate) worker: String,
    /// The peer, as the kernel says.
    pub(crate) uid: u32,
    /// Names the connection in the records.
    pub(crate) session: String,
}

impl Proxy {
    pub(crate) fn new(
        broker: BrokerLink,
        timings: Timings,
        weaker: Vec<String>,
        rules: watch::Receiver<Option<Arc<Rules>>>,
    ) -> Self {
        Proxy { broker, engine: EngineLink::default(), timings, weaker, rules, guests: Mutex::default() }
    }

    /// The policy in force.
    ///
    /// # Errors
    /// Without a broker there is none: nothing could be recorded either.
    pub(crate) fn rules(&self) -> Result<Arc<Rules>, Refusal> {
        let gone = || {
            let message = "doorward's broker is not running, so nothing can be recorded and nothing is done";
            Refusal::new(Reason::BrokerUnavailable, message)
                .nearest("try again when its operator has started it")
        };
        if !self.broker.is_connected() {
            return Err(gone());
        }
        self.rules.borrow().clone().ok_or_else(gone)
    }

    /// What is kept of a worker.
    pub(crate) fn guest(&self, worker: &str) -> Arc<Guest> {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(guests.entry(worker.to_owned()).or_default())
    }
}

impl Guest {
    /// The worker's turn: between judging and doing, nothing else of its changes what was judged by, so requests that
    /// come at once cannot all count the same, or each be right only without the others.
    pub(crate) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// The worker's turn to build: one at a time, as the steps of several would count in no quota.
    pub(crate) async fn building(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.building).lock_owned().await
    }

    /// Remembers an exec that the worker created.
    pub(crate) fn remember_exec(&self, id: String) {
        let mut execs = self.execs.lock().unwrap_or_else(PoisonError::into_inner);
        if execs.len() >= EXECS {
            execs.pop_front();
        }
        execs.push_back(id);
    }

    /// The execs that the worker created.
    pub(crate) fn execs(&self) -> BTreeSet<String> {
        self.execs.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Visit {
    /// Who asks, for the record.
    pub(crate) fn asker(&self) -> Asker {
        Asker {
            worker: self.worker.clone(),
            uid: self.uid,
            session: self.session.clone(),
            way: "docker.sock".into(),
            key: None,
            source: None,
        }
    }

    /// Returns when a new policy no longer admits this peer: its streams end with its permission.
    pub(crate) async fn evicted(&self) {
        let mut rules = self.proxy.rules.clone();
        loop {
            let admitted = rules.borrow().as_ref().is_none_or(|rules| rules.admits(&self.worker, self.uid));
            if !admitted || rules.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_exec_is_forgotten_when_there_are_too_many() {
        let guest = Guest::default();
        for number in 0..=EXECS {
            guest.remember_exec(number.to_string());
        }
        let execs = guest.execs();
        assert_eq!(execs.len(), EXECS);
        assert!(!execs.contains("0") && execs.contains("1") && execs.contains(&EXECS.to_string()));
    }
}
