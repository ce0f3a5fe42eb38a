//! The folders and listening sockets of the house, with owner and mode as needed.

use crate::accounts;
use crate::chain::{self, Links};
use crate::executor::spawn_gid;
use crate::program::own_trust;
use crate::{BrokerError, Identities};
use doorward_policy::{Policy, Worker};
use doorward_wire::broker::WorkerAccount;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// All listening sockets.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) broker: UnixListener,
    pub(crate) gateway: UnixListener,
    /// In the policy's order of workers.
    pub(crate) workers: Vec<(WorkerAccount, UnixListener)>,
}

/// A folder that only its owner (root, or this account) can change, with this mode; made when missing.
pub(crate) fn folder(path: &Path, mode: u32) -> Result<PathBuf, BrokerError> {
    let fail = |source| BrokerError::Folder { path: path.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(fail)?;
    let opened = chain::open(path, own_trust(), Links::Follow).map_err(BrokerError::Unsafe)?;
    if opened.stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(BrokerError::Unsafe(chain::ChainFault {
            at: opened.path,
            why: chain::ChainWhy::Owner(opened.stat.st_uid),
        }));
    }
    fs::set_permissions(&opened.path, Permissions::from_mode(mode)).map_err(fail)?;
    Ok(opened.path)
}

/// The gateway's part of the state folder: `runs/`, and `runs.db` as a link into it. The state folder itself
/// stays the broker's, so that whoever takes over the gateway cannot put another audit log in place of this.
pub(crate) fn runs_folder(state_dir: &Path, identities: &Identities) -> Result<(), BrokerError> {
    let path = state_dir.join("runs");
    let fail = |source| BrokerError::Folder { path: path.clone(), source };
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(fail(error)),
        _ => {}
    }
    if !identities.rootless {
        let (uid, gid) = identities.gateway;
        std::os::unix::fs::lchown(&path, Some(uid), Some(gid)).map_err(fail)?;
    }
    match std::os::unix::fs::symlink("runs/runs.db", state_dir.join("runs.db")) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(fail(error)),
        _ => Ok(()),
    }
}

/// Makes every socket below `runtime_dir`. Sockets that an earlier broker left are replaced.
pub(crate) fn make(
    runtime_dir: &Path,
    policy: &Policy,
    identities: &Identities,
) -> Result<Listeners, BrokerError> {
    let runtime_dir = folder(runtime_dir, 0o755)?;
    let workers_dir = folder(&runtime_dir.join("workers"), 0o755)?;
    let mut workers = Vec::new();
    for worker in policy.workers.values() {
        workers.push(worker_socket(&workers_dir, worker, identities)?);
    }
    // Of the gateway's account and the proxy's group; who connects is asked of the kernel all the same.
    let owner = (identities.gateway.0, identities.proxy.1);
    let broker = listen(&runtime_dir.join("broker.sock"), Some(owner), 0o660, identities)?;
    // Whoever connects is looked up by uid: an account that is no worker is refused with words.
    let gateway = listen(&runtime_dir.join("gateway.sock"), None, 0o666, identities)?;
    Ok(Listeners { broker, gateway, workers })
}

fn worker_socket(
    workers_dir: &Path,
    worker: &Worker,
    identities: &Identities,
) -> Result<(WorkerAccount, UnixListener), BrokerError> {
    let folder = folder(&workers_dir.join(&worker.name), 0o755)?;
    let path = folder.join("docker.sock");
    let login_uid = accounts::uid_of(&worker.user);
    let spawn_uid = if identities.rootless { rustix::process::geteuid().as_raw() } else { worker.spawn_uid };
    // The login account owns it and the commands' group may use it; further uids only with a mode for all,
    // so that the proxy's look at the peer is then the one check.
    let mode = if worker.uids.is_empty() { 0o660 } else { 0o666 };
    let owner = (login_uid.unwrap_or(0), spawn_gid(worker));
    let listener = listen(&path, Some(owner), mode, identities)?;
    let docker_sock = path.to_string_lossy().into_owned();
    Ok((WorkerAccount { worker: worker.name.clone(), login_uid, spawn_uid, docker_sock }, listener))
}

fn listen(
    path: &Path,
    owner: Option<(u32, u32)>,
    mode: u32,
    identities: &Identities,
) -> Result<UnixListener, BrokerError> {
    let fail = |source| BrokerError::Socket { path: path.to_owned(), source };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
        _ => {}
    }
    // The broker's umask (077) keeps others out until owner and mode are right.
    let listener = UnixListener::bind(path).map_err(fail)?;
    if let (Some((uid, gid)), false) = (owner, identities.rootless) {
        chown(path, Some(uid), Some(gid)).map_err(fail)?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(fail)?;
    Ok(listener)
}
