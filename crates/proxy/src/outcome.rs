//! How a request ended: told to the broker exactly once, also when it is cut short.

use doorward_wire::broker::{RequestId, ToBroker};
use doorward_wire::client::BrokerLink;
use tokio::time::Instant;

/// Tells its outcome when it is dropped; until [`Outcome::end`], that means that the worker went away.
#[derive(Debug)]
pub(crate) struct Outcome {
    link: BrokerLink,
    request: RequestId,
    /// The intent was refused, so there is nothing to end.
    void: bool,
    began: Instant,
    status: u16,
    bytes: u64,
    truncated: bool,
    error: Option<String>,
}

impl Outcome {
    /// For a request whose intent is about to be said: made before that, so that also a request that is given
    /// up while its record is written has an end.
    pub(crate) fn of(link: &BrokerLink, request: &RequestId) -> Self {
        Outcome {
            link: link.clone(),
            request: request.clone(),
            void: false,
            began: Instant::now(),
            status: 0,
            bytes: 0,
            truncated: true,
            error: Some("the worker went away".into()),
        }
    }

    /// The intent does not stand: nothing is told.
    pub(crate) fn void(mut self) {
        self.void = true;
    }

    /// The HTTP status that the worker is sent.
    pub(crate) fn status(&mut self, status: u16) {
        self.status = status;
    }

    /// Counts bytes that went to the worker.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// It came to its own end.
    pub(crate) fn end(&mut self) {
        self.truncated = false;
        self.error = None;
    }

    /// It ended with something to tell: one line.
    pub(crate) fn fail(&mut self, error: impl Into<String>, truncated: bool) {
        self.truncated = truncated;
        self.error = Some(error.into());
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if self.void {
            return;
        }
        let outcome = ToBroker::Outcome {
            request: self.request.clone(),
            status: i32::from(self.status),
            millis: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes: self.bytes,
            truncated: self.truncated,
            error: self.error.take(),
        };
        // Without a broker there is nobody to tell; its log then shows an intent without an outcome.
        drop(self.link.tell_soon(&outcome));
    }
}
