//! What the broker's `Welcome` says: the policy, and who the workers are on this host.

use doorward_policy::{Bundle, Policy, Source};
use doorward_wire::broker::{FromBroker, WorkerAccount};
use std::collections::BTreeMap;

/// The policy in force with the accounts that go with it; replaced as a whole by the next `Welcome`.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Compiled from the same texts as the broker's.
    pub(crate) policy: Policy,
    /// The hash that every record names.
    pub(crate) hash: String,
    /// By worker.
    accounts: BTreeMap<String, WorkerAccount>,
}

impl Rules {
    /// Compiles a `Welcome`; also the workers' names in the order of their sockets.
    ///
    /// # Errors
    /// One line that says why this `Welcome` cannot be worked with.
    pub(crate) fn from_welcome(welcome: FromBroker) -> Result<(Rules, Vec<String>), String> {
        let FromBroker::Welcome { policy, hash, workers, .. } = welcome else {
            return Err("the broker's first frame is no welcome".into());
        };
        let files = policy.into_iter().map(|file| Source { path: file.path, text: file.text }).collect();
        let bundle = Bundle { files };
        if bundle.hash().0 != hash {
            return Err("the policy's texts do not have the hash that the broker names".into());
        }
        let policy = Policy::load(&bundle).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            format!("the policy does not load: {}", lines.join("; "))
        })?;
        let names = workers.iter().map(|account| account.worker.clone()).collect();
        let accounts = workers.into_iter().map(|account| (account.worker.clone(), account)).collect();
        Ok((Rules { policy, hash, accounts }, names))
    }

    /// Whether a peer with this uid may speak on the worker's socket: its login account, its spawn account,
    /// root, and what the policy's `uids` adds.
    pub(crate) fn admits(&self, worker: &str, uid: u32) -> bool {
        let (Some(account), Some(entry)) = (self.accounts.get(worker), self.policy.workers.get(worker))
        else {
            return false;
        };
        uid == 0 || uid == account.spawn_uid || account.login_uid == Some(uid) || entry.uids.contains(&uid)
    }
}
