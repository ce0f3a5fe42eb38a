//! Start, serve, stop.

use crate::caps::{self, CapSet};
use crate::chain::ChainFault;
use crate::command::Commands;
use crate::executor::Executor;
use crate::floods::Floods;
use crate::listeners::{self, Listeners};
use crate::policy_files::{self, PolicyFileError};
use crate::sandbox::Hidden;
use crate::{host, service};
use doorward_audit::{Entry, Kind, Options, Writer};
use doorward_policy::{Bundle, Policy};
use doorward_wire::broker::HostReport;
use rustix::process::{Resource, Rlimit};
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The accounts of the two peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identities {
    /// uid and gid of the gateway.
    pub gateway: (u32, u32),
    /// uid and gid of the proxy.
    pub proxy: (u32, u32),
    /// Whether everything runs as the current account.
    pub rootless: bool,
}

/// What the broker is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The main policy file.
    pub policy: PathBuf,
    /// Holds `audit/`.
    pub state_dir: PathBuf,
    /// Holds the sockets.
    pub runtime_dir: PathBuf,
    /// The peers' accounts.
    pub identities: Identities,
    /// Serve although something required is missing on this host; it is then recorded with every command.
    pub allow_weaker: bool,
}

/// Why the broker does not serve.
#[derive(Debug)]
pub enum BrokerError {
    /// The policy's files.
    PolicyFile(PolicyFileError),
    /// The policy has errors: rendered, one after the other.
    Policy(String),
    /// A folder is not safe.
    Unsafe(ChainFault),
    /// A folder cannot be used.
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A socket cannot be made.
    Socket {
        /// Which.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The audit log cannot be opened.
    Audit(doorward_audit::AuditError),
    /// The host lacks what is required: each in words.
    Host(Vec<String>),
    /// The system's error while starting.
    Io(io::Error),
}

impl std::fmt::Display for BrokerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BrokerError::PolicyFile(error) => error.fmt(f),
            BrokerError::Policy(rendered) => write!(f, "the policy has errors:\n{rendered}"),
            BrokerError::Unsafe(fault) => fault.fmt(f),
            BrokerError::Folder { path, source } => write!(f, "folder {}: {source}", path.display()),
            BrokerError::Socket { path, source } => write!(f, "socket {}: {source}", path.display()),
            BrokerError::Audit(error) => error.fmt(f),
            BrokerError::Host(missing) => {
                f.write_str("this host cannot shut commands in as designed:")?;
                missing.iter().try_for_each(|one| write!(f, "\n  {one}"))?;
                f.write_str("\nStart with --allow-weaker to serve all the same; every record will say so.")
            }
            BrokerError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BrokerError {}

/// Everything that threads share.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) identities: Identities,
    pub(crate) bundle: Bundle,
    pub(crate) policy: Policy,
    pub(crate) listeners: Listeners,
    pub(crate) host: HostReport,
    /// What the proxy told of the engine and of itself.
    told: Mutex<HostReport>,
    /// Greeted connections of the proxy.
    pub(crate) proxies: AtomicUsize,
    pub(crate) floods: Floods,
    pub(crate) operators: Vec<u32>,
    pub(crate) audit: Writer,
    pub(crate) executor: Executor,
    pub(crate) commands: Commands,
    /// Connections by uid.
    seats: Mutex<HashMap<u32, usize>>,
}

/// Most connections of one account: a service keeps one.
const CONNECTIONS: usize = 32;

/// A connection's place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    broker: Arc<Broker>,
    uid: u32,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.broker.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(&self.uid) {
            *taken = taken.saturating_sub(1);
        }
    }
}

/// Serves until TERM or INT, then writes the log's `stop` record and returns. HUP ends nothing.
///
/// To be called while the process has one thread: it blocks those signals for all threads that follow.
///
/// # Errors
/// When it cannot start: see [`BrokerError`].
pub fn run(config: Config) -> Result<(), BrokerError> {
    let signals = block_end_signals()?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    open_as_many_as_allowed();
    let broker = Arc::new(open(config)?);
    let accepting = broker.clone();
    std::thread::Builder::new()
        .name("accept".into())
        .spawn(move || accept(&accepting))
        .map_err(BrokerError::Io)?;
    wait_for(&signals, || broker.executor.sweep());
    broker.audit.close().map_err(BrokerError::Audit)?;
    Ok(())
}

/// Reads, checks and opens everything; nothing is served yet.
pub(crate) fn open(config: Config) -> Result<Broker, BrokerError> {
    let bundle = policy_files::read(&config.policy).map_err(BrokerError::PolicyFile)?;
    let policy = Policy::load(&bundle).map_err(|errors| {
        let text = |file: &str| {
            bundle.files.iter().find(|source| source.path == file).map_or("", |source| source.text.as_str())
        };
        BrokerError::Policy(errors.iter().map(|error| error.render(text(&error.at.file))).collect())
    })?;
    let state_dir = listeners::folder(&config.state_dir, 0o755)?;
    let audit_dir = listeners::folder(&state_dir.join("audit"), 0o700)?;
    listeners::runs_folder(&state_dir, &config.identities)?;
    let runtime_dir = listeners::folder(&config.runtime_dir, 0o755)?;
    let mountpoint = listeners::folder(&runtime_dir.join("root"), 0o700)?;
    let hidden = Hidden { paths: vec![policy.engine_socket.clone().into(), state_dir, runtime_dir.clone()] };
    let executor = Executor::find(&mountpoint, hidden).map_err(BrokerError::Io)?;
    let mut report = host::probe();
    host::add_isolation(&mut report, executor.isolation, executor.etc_disowned);
    let missing = host::missing(&report);
    if !missing.is_empty() && !config.identities.rootless && !config.allow_weaker {
        return Err(BrokerError::Host(missing));
    }
    // The log's lock is what keeps a second broker away, so it comes before the sockets.
    let (audit, _) = Writer::open(&audit_dir, Options::default()).map_err(BrokerError::Audit)?;
    audit.append(in_force(&policy), true).map_err(BrokerError::Audit)?;
    let listeners = listeners::make(&runtime_dir, &policy, &config.identities)?;
    let mut operators = vec![0];
    if config.identities.rootless {
        operators.push(rustix::process::geteuid().as_raw());
    }
    Ok(Broker {
        identities: config.identities,
        bundle,
        policy,
        listeners,
        host: report,
        told: Mutex::default(),
        proxies: AtomicUsize::new(0),
        floods: Floods::default(),
        operators,
        audit,
        executor,
        commands: Commands::default(),
        seats: Mutex::default(),
    })
}

/// Most entries and characters that are kept of what a peer reports.
const REPORTED: (usize, usize) = (16, 400);

impl Broker {
    /// A place for a connection of an account, when there is one.
    fn seat(self: &Arc<Self>, uid: u32) -> Option<Seat> {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = seats.entry(uid).or_default();
        if *taken >= CONNECTIONS {
            return None;
        }
        *taken = taken.saturating_add(1);
        Some(Seat { broker: self.clone(), uid })
    }

    /// How many connections there are.
    #[cfg(test)]
    pub(crate) fn connections(&self) -> usize {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Own findings and the proxy's, and whether that is there; where both name a thing, the broker's own
    /// stands.
    pub(crate) fn known_of_host(&self) -> HostReport {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.facts.extend(self.host.facts.clone());
        all.weaker.extend(self.host.weaker.clone());
        let proxy = if self.proxies.load(Ordering::Relaxed) > 0 { "connected" } else { "gone" };
        all.facts.insert("proxy".to_owned(), proxy.to_owned());
        all
    }

    /// The codes of what is weaker on this host, as a record of an allowed request with an effect has them.
    pub(crate) fn weaker(&self) -> Vec<String> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let codes: BTreeSet<&String> = self.host.weaker.keys().chain(told.weaker.keys()).collect();
        codes.into_iter().cloned().collect()
    }

    /// Keeps what the proxy reports, bounded.
    pub(crate) fn take_report(&self, report: HostReport) {
        let short =
            |text: String| text.chars().filter(|c| !c.is_control()).take(REPORTED.1).collect::<String>();
        let bounded = |map: std::collections::BTreeMap<String, String>| {
            map.into_iter().take(REPORTED.0).map(|(name, value)| (short(name), short(value))).collect()
        };
        let report = HostReport { facts: bounded(report.facts), weaker: bounded(report.weaker) };
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }
}

/// One worker's pipelines alone can hold a thousand descriptors, the usual soft limit: then nobody would be
/// served. Commands get a limit of their own.
fn open_as_many_as_allowed() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if let Err(error) = raised {
        eprintln!("doorward: broker: the number of open files stays as it is: {error}");
    }
}

fn in_force(policy: &Policy) -> Entry {
    let workers: Vec<&String> = policy.workers.keys().collect();
    Entry {
        policy: Some(policy.hash.0.clone()),
        detail: Some(serde_json::json!({ "state": "in force", "workers": workers })),
        ..Entry::new(Kind::Policy)
    }
}

/// Serves every connection, for ever, in threads of its own.
pub(crate) fn accept(broker: &Arc<Broker>) {
    // The threads that start commands come from this one: what no rule grants, none can pass on. Each
    // command drops the rest. Without root there is nothing to pass on, and no right to drop.
    let bound = || caps::bound(CapSet::granted(&broker.policy));
    if let Some(Err(error)) = (!broker.identities.rootless).then(bound) {
        let error = io::Error::from_raw_os_error(error);
        eprintln!("doorward: broker: the bounding set stays as it is: {error}");
    }
    loop {
        let Ok((socket, _)) = broker.listeners.broker.accept() else {
            // Out of descriptors: wait for some to come back rather than spin.
            std::thread::sleep(std::time::Duration::from_millis(50));
            continue;
        };
        let Ok(credentials) = rustix::net::sockopt::socket_peercred(&socket) else { continue };
        // Each connection has a thread: whoever takes over a service cannot take all of them.
        let Some(seat) = broker.seat(credentials.uid.as_raw()) else { continue };
        let broker = broker.clone();
        // A connection that gets no thread is closed, and its peer tries again.
        let _ = std::thread::Builder::new().name("peer".into()).spawn(move || {
            service::serve(&broker, socket);
            drop(seat);
        });
    }
}

fn block_end_signals() -> Result<libc::sigset_t, BrokerError> {
    // SAFETY: an all-zero set is what sigemptyset makes of it next.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: valid pointers to the set on this stack.
    let failed = unsafe {
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        libc::sigaddset(&raw mut set, libc::SIGINT);
        libc::sigaddset(&raw mut set, libc::SIGHUP);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut())
    };
    if failed == 0 { Ok(set) } else { Err(BrokerError::Io(io::Error::from_raw_os_error(failed))) }
}

/// Waits for the signal that ends the broker, and gives it. `idle` is called now and then meanwhile.
fn wait_for(signals: &libc::sigset_t, idle: impl Fn()) -> libc::c_int {
    let pause = libc::timespec { tv_sec: 30, tv_nsec: 0 };
    loop {
        // SAFETY: valid pointers; it returns when one of the blocked signals is pending, or after the pause.
        match unsafe { libc::sigtimedwait(signals, std::ptr::null_mut(), &raw const pause) } {
            -1 => idle(),
            libc::SIGHUP => eprintln!(
                "doorward: broker: hang-up ignored: a later version reloads the policy; until then, restart the services"
            ),
            signal => return signal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_up_does_not_end_the_broker_and_term_does() {
        let signals = block_end_signals().unwrap();
        for signal in [libc::SIGHUP, libc::SIGTERM] {
            // SAFETY: to this thread, which has both blocked.
            assert_eq!(unsafe { libc::pthread_kill(libc::pthread_self(), signal) }, 0);
        }
        // The lower number is taken first.
        assert_eq!(wait_for(&signals, || ()), libc::SIGTERM);
    }
}
