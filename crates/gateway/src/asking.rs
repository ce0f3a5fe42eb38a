//! Who asks, and what of the house is needed to answer. A session has one; so has what outlives its session.

use crate::gateway::Gateway;
use crate::known::Known;
use doorward_policy::Limits;
use doorward_wire::broker::Asker;
use std::rc::Rc;

/// How a line comes that no agent's backend has wrapped, for the record.
pub(crate) const LINE: &str = "line";

/// Cloned to go on without the session that it came with.
#[derive(Debug, Clone)]
pub(crate) struct Asking {
    pub(crate) gateway: Rc<Gateway>,
    /// The welcome that the session began with.
    pub(crate) known: Rc<Known>,
    pub(crate) asker: Asker,
}

impl Asking {
    /// The worker's limits.
    pub(crate) fn limits(&self) -> Limits {
        self.known
            .policy
            .workers
            .get(&self.asker.worker)
            .map(|worker| worker.limits.clone())
            .unwrap_or_default()
    }
}
