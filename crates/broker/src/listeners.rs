//! The folders and listening sockets of the house, with owner and mode as needed.

use crate::accounts;
use crate::chain::{self, Links};
use crate::executor::spawn_gid;
use crate::program::own_trust;
use crate::{BrokerError, Identities};
use doorward_policy::{Policy, Worker};
use doorward_wire::broker::{Service, WorkerAccount};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The broker's own socket, and what is needed to make the other services' sockets when they come.
///
/// Gateway and proxy listen on sockets that nobody else holds: when one of them dies, a connection to it is
/// refused at once instead of waiting for nobody.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) broker: UnixListener,
    gateway: Door,
    /// In the policy's order of workers.
    pub(crate) workers: Vec<(WorkerAccount, Door)>,
}

/// A socket to be made: where, whose, and who may connect.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
    /// uid and gid; `None`: the broker's own.
    owner: Option<(u32, u32)>,
    mode: u32,
}

impl Listeners {
    /// New sockets for a service, in place of the ones before: the gateway's one, or the proxy's one for each
    /// worker in the order of `workers`.
    pub(crate) fn open_for(&self, service: Service) -> Result<Vec<UnixListener>, BrokerError> {
        match service {
            Service::Gateway => self.gateway.open().map(|socket| vec![socket]),
            Service::Proxy => self.workers.iter().map(|(_, door)| door.open()).collect(),
        }
    }
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
        hand_over(&path, identities.gateway).map_err(fail)?;
    }
    match std::os::unix::fs::symlink("runs/runs.db", state_dir.join("runs.db")) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(fail(error)),
        _ => Ok(()),
    }
}

/// Gives the runs to the gateway's account, also those that it kept under another one: a stand-in's, before
/// the account was made.
fn hand_over(folder: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
    let before = fs::symlink_metadata(folder)?.uid();
    lchown(folder, Some(uid), Some(gid))?;
    if before == uid {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let facts = fs::symlink_metadata(&path)?;
        // Nothing but what that account itself made; links are not followed.
        if facts.is_file() && facts.uid() == before {
            lchown(&path, Some(uid), Some(gid))?;
        }
    }
    Ok(())
}

/// Makes the folders below `runtime_dir` and the broker's socket there.
pub(crate) fn make(
    runtime_dir: &Path,
    policy: &Policy,
    identities: &Identities,
) -> Result<Listeners, BrokerError> {
    let runtime_dir = folder(runtime_dir, 0o755)?;
    let workers_dir = folder(&runtime_dir.join("workers"), 0o755)?;
    let workers = policy
        .workers
        .values()
        .map(|worker| worker_door(&workers_dir, worker, identities))
        .collect::<Result<_, _>>()?;
    // Of the gateway's account and the proxy's group; who connects is asked of the kernel all the same.
    let owner = (!identities.rootless).then_some((identities.gateway.0, identities.proxy.1));
    let broker = Door { path: runtime_dir.join("broker.sock"), owner, mode: 0o660 }.open()?;
    // Whoever connects is looked up by uid: an account that is no worker is refused with words.
    let gateway = Door { path: runtime_dir.join("gateway.sock"), owner: None, mode: 0o666 };
    Ok(Listeners { broker, gateway, workers })
}

fn worker_door(
    workers_dir: &Path,
    worker: &Worker,
    identities: &Identities,
) -> Result<(WorkerAccount, Door), BrokerError> {
    let path = folder(&workers_dir.join(&worker.name), 0o755)?.join("docker.sock");
    let login_uid = accounts::uid_of(&worker.user);
    let spawn_uid = if identities.rootless { rustix::process::geteuid().as_raw() } else { worker.spawn_uid };
    let docker_sock = path.to_string_lossy().into_owned();
    // The login account owns it and the commands' group may use it; further uids only with a mode for all,
    // so that the proxy's look at the peer is then the one check.
    let mode = if worker.uids.is_empty() { 0o660 } else { 0o666 };
    let owner = (!identities.rootless).then_some((login_uid.unwrap_or(0), spawn_gid(worker)));
    let account = WorkerAccount { worker: worker.name.clone(), login_uid, spawn_uid, docker_sock };
    Ok((account, Door { path, owner, mode }))
}

impl Door {
    fn open(&self) -> Result<UnixListener, BrokerError> {
        let fail = |source| BrokerError::Socket { path: self.path.clone(), source };
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        // The broker's umask (077) keeps others out until owner and mode are right.
        let listener = UnixListener::bind(&self.path).map_err(fail)?;
        if let Some((uid, gid)) = self.owner {
            chown(&self.path, Some(uid), Some(gid)).map_err(fail)?;
        }
        fs::set_permissions(&self.path, Permissions::from_mode(self.mode)).map_err(fail)?;
        Ok(listener)
    }
}
