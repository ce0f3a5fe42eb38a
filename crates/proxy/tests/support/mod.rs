//! What the proxy's tests stand on: a stand-in for the broker, a stand-in for an engine that misbehaves, a
//! worker's clients, and a bench on the real engine that is cleared when a test ends, however it ends.
#![allow(dead_code, unreachable_pub, reason = "test files share it, and none uses all of it")]

pub mod bench;
pub mod explained;
pub mod fake_broker;
pub mod fake_engine;
pub mod http;

use doorward_proxy::{Config, Timings, serve};
use std::path::Path;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// The proxy, served by a thread of the test until this is dropped. Not sealed: the test lives beside it.
pub struct ServedProxy {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), doorward_proxy::ProxyError>>>,
}

impl ServedProxy {
    pub fn start(broker: &Path) -> Self {
        Self::with(broker, Timings::default())
    }

    pub fn with(broker: &Path, timings: Timings) -> Self {
        let config = Config { broker: broker.to_owned(), sealed: false, timings };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let ended = runtime().block_on(async {
                tokio::select! {
                    served = serve(config) => served,
                    _ = stopped => Ok(()),
                }
            });
            ended.inspect_err(|error| eprintln!("the proxy ended: {error}"))
        });
        ServedProxy { stop: Some(stop), thread: Some(thread) }
    }

    /// Waits for the service to end by itself.
    pub fn ended(mut self) -> Result<(), doorward_proxy::ProxyError> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for ServedProxy {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
