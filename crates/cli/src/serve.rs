//! `doorward serve`: broker, gateway and proxy in one terminal, each in a process of its own with its own
//! account. A service that dies is started again; when the terminal goes, they all go.

use crate::args::Folders;
use crate::exit::{FAILED, fail};
use doorward_broker::accounts;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Stand-ins for accounts that do not exist: uids that systemd's table lists as unused by anyone.
const GATEWAY_STAND_IN: u32 = 61182;
const PROXY_STAND_IN: u32 = 61183;
/// Pause before a service that died is started again, and how long services get to end.
const RESTART_PAUSE: Duration = Duration::from_millis(300);
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Serves until a signal; the exit code.
pub(crate) fn run(folders: &Folders, allow_weaker: bool) -> u8 {
    let policy = match crate::policy::load(&folders.policy) {
        Ok(policy) => policy,
        Err(code) => return code,
    };
    let plan = Plan::new(folders, Path::new(&policy.engine_socket), allow_weaker);
    // The services have their own; this process only minds them.
    drop(policy);
    for note in &plan.notes {
        eprintln!("doorward: {note}");
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(error),
    };
    match runtime.block_on(mind(&plan, folders)) {
        Ok(code) => code,
        Err(error) => fail(error),
    }
}

/// What is started, in this order.
struct Plan {
    services: [(&'static str, Vec<String>); 3],
    notes: Vec<String>,
}

impl Plan {
    fn new(folders: &Folders, engine: &Path, allow_weaker: bool) -> Self {
        let mut notes = Vec::new();
        let mut broker = vec!["broker".to_owned()];
        let (mut gateway, mut proxy) = (vec!["gateway".to_owned()], vec!["proxy".to_owned()]);
        if rustix::process::geteuid().is_root() {
            let ids = account(accounts::GATEWAY, GATEWAY_STAND_IN, &mut notes);
            gateway.extend(["--run-as".to_owned(), ids.clone()]);
            broker.extend(["--gateway".to_owned(), ids]);
            let ids = account(accounts::PROXY, PROXY_STAND_IN, &mut notes);
            let ids = with_group_of(&ids, engine, &mut notes);
            proxy.extend(["--run-as".to_owned(), ids.clone()]);
            broker.extend(["--proxy".to_owned(), ids]);
        } else {
            notes.push(
                "not root: everything runs as the current user; `doorward status` says what is weaker".into(),
            );
        }
        if allow_weaker {
            broker.push("--allow-weaker".into());
        }
        let mut services = [("broker", broker), ("gateway", gateway), ("proxy", proxy)];
        for (_, args) in &mut services {
            args.push("--with-parent".into());
            for (option, path) in [
                ("--policy", &folders.policy),
                ("--state-dir", &folders.state_dir),
                ("--runtime-dir", &folders.runtime_dir),
            ] {
                args.extend([option.to_owned(), path.to_string_lossy().into_owned()]);
            }
        }
        Plan { services, notes }
    }
}

/// `UID:GID` of an account, or of its stand-in, which is told.
fn account(name: &str, stand_in: u32, notes: &mut Vec<String>) -> String {
    let (uid, gid) = accounts::ids_of(name).unwrap_or_else(|| {
        notes.push(format!("there is no account `{name}`: uid {stand_in} stands in for it"));
        (stand_in, stand_in)
    });
    format!("{uid}:{gid}")
}

/// The same uid with the group that owns the engine's socket, by which the proxy may connect to it.
fn with_group_of(ids: &str, engine: &Path, notes: &mut Vec<String>) -> String {
    match std::fs::metadata(engine) {
        Ok(facts) => format!("{}:{}", ids.split(':').next().unwrap_or_default(), facts.gid()),
        Err(_) => {
            notes.push("the engine's socket is not there: docker requests will be refused until it is, and until the services start again".into());
            ids.to_owned()
        }
    }
}

/// Starts the services and minds them until a signal.
async fn mind(plan: &Plan, folders: &Folders) -> io::Result<u8> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    alone(&folders.runtime_dir).await?;
    let [(broker_name, broker_args), (gateway_name, gateway_args), (proxy_name, proxy_args)] = &plan.services;
    let mut broker = start(broker_args)?;
    if let Some(status) = first_breath(&mut broker, &folders.runtime_dir.join("broker.sock")).await? {
        return Ok(code_of(status));
    }
    let mut gateway = start(gateway_args)?;
    let mut proxy = start(proxy_args)?;
    eprintln!("doorward: serving; end with Ctrl-C");
    loop {
        tokio::select! {
            _ = interrupted.recv() => break,
            _ = terminated.recv() => break,
            status = broker.wait() => broker = again(broker_name, broker_args, status?).await?,
            status = gateway.wait() => gateway = again(gateway_name, gateway_args, status?).await?,
            status = proxy.wait() => proxy = again(proxy_name, proxy_args, status?).await?,
        }
    }
    // The broker last: it writes down how the others' requests ended.
    for child in [&mut gateway, &mut proxy, &mut broker] {
        end(child).await;
    }
    Ok(0)
}

/// Fails when services answer in this folder already: a second broker would take turns with the first's sockets
/// and never get its log.
async fn alone(runtime_dir: &Path) -> io::Result<()> {
    match tokio::net::UnixStream::connect(runtime_dir.join("gateway.sock")).await {
        Err(_) => Ok(()),
        Ok(_) => Err(io::Error::other(format!(
            "another doorward serves in {} already; end it first, or give this one another --runtime-dir and \
             --state-dir",
            runtime_dir.display()
        ))),
    }
}

fn start(args: &[String]) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(args)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

async fn again(name: &str, args: &[String], status: ExitStatus) -> io::Result<Child> {
    eprintln!("doorward: {name} ended ({status}); it is started again");
    tokio::time::sleep(RESTART_PAUSE).await;
    start(args)
}

/// Waits until the broker listens; its exit status when it ends before that.
async fn first_breath(broker: &mut Child, socket: &Path) -> io::Result<Option<ExitStatus>> {
    loop {
        if tokio::net::UnixStream::connect(socket).await.is_ok() {
            return Ok(None);
        }
        tokio::select! {
            status = broker.wait() => return Ok(Some(status?)),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}

async fn end(child: &mut Child) {
    if let Some(pid) =
        child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
    {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
    if tokio::time::timeout(END_PATIENCE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

fn code_of(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_doorward_in_the_same_folder_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(alone(folder.path()).await.is_ok());
        let socket = folder.path().join("gateway.sock");
        let first = tokio::net::UnixListener::bind(&socket).unwrap();
        let said = alone(folder.path()).await.unwrap_err().to_string();
        assert!(said.contains("another doorward") && said.contains("--runtime-dir"), "{said}");
        drop(first);
        assert!(alone(folder.path()).await.is_ok(), "a socket that a dead one left is nobody's");
    }
}
