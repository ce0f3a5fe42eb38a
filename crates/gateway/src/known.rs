//! What the broker's welcome told: the policy and whose uid is whose.

use doorward_policy::{Bundle, Policy, Source, Worker};
use doorward_wire::broker::{FromBroker, HostReport, WorkerAccount};
use std::sync::Arc;

/// One welcome, compiled. A session keeps the one that it began with.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) policy: Arc<Policy>,
    pub(crate) accounts: Vec<WorkerAccount>,
    pub(crate) host: HostReport,
    operators: Vec<u32>,
}

impl Known {
    /// # Errors
    /// One line, when the welcome is none or its policy does not compile to the hash that it names.
    pub(crate) fn from_welcome(welcome: FromBroker) -> Result<Known, String> {
        let FromBroker::Welcome { policy, hash, workers, host, operators, .. } = welcome else {
            return Err("the broker's first word is no welcome".into());
        };
        let files = policy.into_iter().map(|file| Source { path: file.path, text: file.text }).collect();
        let bundle = Bundle { files };
        if bundle.hash().0 != hash {
            return Err("the policy that came does not have the hash that the broker names".into());
        }
        let policy = Policy::load(&bundle).map_err(|errors| {
            let first =
                errors.first().map_or_else(String::new, |error| format!("{}: {}", error.at, error.message));
            format!("the broker's policy does not load here: {first}")
        })?;
        Ok(Known { policy: Arc::new(policy), accounts: workers, host, operators })
    }

    /// The worker that logs in with this uid.
    pub(crate) fn worker_of(&self, uid: u32) -> Option<&Worker> {
        let account = self.accounts.iter().find(|account| account.login_uid == Some(uid))?;
        self.policy.workers.get(&account.worker)
    }

    /// Whether this uid may speak as the operator.
    pub(crate) fn is_operator(&self, uid: u32) -> bool {
        self.operators.contains(&uid)
    }

    /// The path of the worker's docker.sock.
    pub(crate) fn docker_sock(&self, worker: &str) -> Option<&str> {
        let account = self.accounts.iter().find(|account| account.worker == worker)?;
        Some(&account.docker_sock)
    }
}
