//! A hijacked connection: raw bytes both ways, only after the engine's own `101`.

use crate::hangup::Hangup;
use crate::outcome::Outcome;
use crate::quiet::Quiet;
use crate::record::hex;
use crate::reply::Held;
use crate::visit::Visit;
use hyper::header::HeaderMap;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Bytes carried at once.
const PIECE: usize = 32 * 1024;
/// How long the engine may take to accept the stdin of a worker that has gone.
const REST: Duration = Duration::from_secs(2);

/// Both ends, once both have agreed.
#[derive(Debug)]
pub(crate) struct Tunnel {
    /// Of the engine's answer.
    pub(crate) headers: HeaderMap,
    /// The engine's side.
    pub(crate) engine: OnUpgrade,
    /// The worker's side.
    pub(crate) worker: OnUpgrade,
    /// Whether the worker's bytes go to the engine.
    pub(crate) stdin: bool,
    /// Ended with the tunnel.
    pub(crate) held: Box<dyn Held>,
}

/// What went to the container's stdin.
#[derive(Default)]
struct Fed {
    bytes: u64,
    digest: Sha256,
}

impl Tunnel {
    /// Carries until the engine has nothing more to say or the worker is gone.
    pub(crate) async fn run(self, visit: Arc<Visit>, mut outcome: Outcome) {
        let mut fed = Fed::default();
        let carried = self.carry(&visit, &mut outcome, &mut fed).await;
        match carried {
            Ok(()) if fed.bytes > 0 => {
                let Fed { bytes, digest } = fed;
                outcome.fail(format!("stdin: {bytes} bytes, sha256 {}", hex(&digest.finalize())), false);
            }
            Ok(()) => outcome.end(),
            Err(why) => {
                let Fed { bytes, digest } = fed;
                outcome
                    .fail(format!("{why}; stdin: {bytes} bytes, sha256 {}", hex(&digest.finalize())), true);
            }
        }
    }

    async fn carry(self, visit: &Visit, outcome: &mut Outcome, fed: &mut Fed) -> Result<(), &'static str> {
        let _held = self.held;
        let (mut engine, engine_early) = open(self.engine).await.ok_or("the engine did not upgrade")?;
        let (mut worker, worker_early) = open(self.worker).await.ok_or("the worker did not upgrade")?;
        let hangup = Hangup::of(&worker);
        let (mut from_worker, mut to_worker) = worker.split();
        let (mut from_engine, mut to_engine) = engine.split();
        let down = async {
            let said =
                drain(&engine_early, &mut from_engine, &mut to_worker, |piece| outcome.add(piece)).await;
            drop(to_worker.shutdown().await);
            said
        };
        let feeding = feed(&worker_early, &mut from_worker, self.stdin.then_some(&mut to_engine), fed);
        let up = async {
            tokio::pin!(feeding);
            tokio::select! {
                () = &mut feeding => hangup.wait().await,
                // What a worker sent before it went still goes to the container, as far as that takes it.
                () = hangup.wait() => drop(timeout(REST, feeding).await),
            }
        };
        tokio::select! {
            said = down => said.map_err(|_| "the connection broke"),
            () = visit.evicted() => Err("the policy no longer admits this peer"),
            () = up => Err("the worker went away"),
        }
    }
}

/// The socket beneath an upgraded connection, and what had already been read from it.
async fn open(upgrade: OnUpgrade) -> Option<(UnixStream, Vec<u8>)> {
    let upgraded: Upgraded = upgrade.await.ok()?;
    let parts = upgraded.downcast::<TokioIo<Quiet>>().ok()?;
    Some((parts.io.into_inner().into_stream().ok()?, parts.read_buf.to_vec()))
}

/// Carries `early` and then all that comes, as fast as it is taken.
async fn drain(
    early: &[u8],
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut count: impl FnMut(usize),
) -> io::Result<()> {
    to.write_all(early).await?;
    count(early.len());
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        let Some(bytes) = piece.get(..length).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        to.write_all(bytes).await?;
        count(length);
    }
}

/// Carries the worker's bytes to the engine and ends its stdin where the worker ends it; without an engine's
/// side they are read and dropped.
async fn feed(
    early: &[u8],
    from: &mut (impl AsyncRead + Unpin),
    mut to: Option<&mut (impl AsyncWrite + Unpin)>,
    fed: &mut Fed,
) {
    let mut piece = early.to_vec();
    loop {
        if let Some(to) = &mut to {
            if to.write_all(&piece).await.is_err() {
                return;
            }
            fed.digest.update(&piece);
            fed.bytes = fed.bytes.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        }
        piece.resize(PIECE, 0);
        match from.read(&mut piece).await {
            Ok(length @ 1..) => piece.truncate(length),
            _ => break,
        }
    }
    if let Some(to) = to {
        drop(to.shutdown().await);
    }
}
