//! What all sessions share.

use crate::limits::Counts;
use crate::running::RunningRuns;
use crate::store::Store;
use doorward_wire::client::BrokerLink;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The service, as a session sees it.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) link: BrokerLink,
    pub(crate) store: Store,
    pub(crate) counts: Counts,
    pub(crate) running: Rc<RunningRuns>,
    pub(crate) timing: Timing,
    pub(crate) since: Instant,
}

/// How long the gateway waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// For a session's first frames.
    pub(crate) first_frames: Duration,
    /// For a session that does not read, once nothing but it is waited for.
    pub(crate) stalled: Duration,
    /// For the end of a pipe after its command ended: a process that got away may hold it open.
    pub(crate) linger: Duration,
    /// For output of a running command to be on the disk.
    pub(crate) save: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            first_frames: Duration::from_secs(10),
            stalled: Duration::from_secs(60),
            linger: Duration::from_secs(2),
            save: Duration::from_secs(2),
        }
    }
}
