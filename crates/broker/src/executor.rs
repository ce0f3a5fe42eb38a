//! From a judged command line to a plan: identity, environment, view.

use crate::accounts;
use crate::caps::CapSet;
use crate::elf;
use crate::landlock;
use crate::plan::{self, Ids, Isolation, Plan, Proc, Streams, Strings};
use crate::program::{self, Program, ProgramFault};
use crate::rooms::Rooms;
use crate::sandbox::{self, Hidden};
use crate::seccomp::Shut;
use crate::{spawn, supervise, unowned};
use doorward_policy::{How, Identity, Network, SEARCH_PATH, Worker};
use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What stays the same from command to command.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) isolation: Isolation,
    landlock: u32,
    rooms: Rooms,
    /// The docker client's: no file of the host's but what its loader needs.
    client_rooms: Rooms,
    /// The filters': no file system but what their loader needs.
    filter_rooms: Rooms,
    accounts: Mutex<HashMap<Who, (Instant, Ids)>>,
    /// Whether `/etc` is shown as nobody's ([`crate::unowned`]).
    pub(crate) etc_disowned: bool,
}

/// What kind of command it is, which decides what it sees beside what its rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A rule's.
    Command,
    /// The docker client.
    Client,
    /// A built-in filter.
    Filter,
}

/// One command to be planned.
pub(crate) struct Task<'a> {
    pub(crate) kind: Kind,
    pub(crate) how: &'a How,
    pub(crate) program: Program,
    pub(crate) argv: &'a [String],
    /// Added to the environment.
    pub(crate) extra: &'a [(&'a str, String)],
    pub(crate) streams: Streams,
}

/// As whom: a worker's spawn uid, and what the rule says.
type Who = (u32, Identity, Vec<String>);

/// Longest use of what the account databases said: asking them takes longer than to start a command.
const ACCOUNTS_LIFETIME: Duration = Duration::from_secs(60);

/// Why no plan can be made; for the worker, so without facts of the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PrepareError {
    /// The program, its interpreter, a group or an account is not here, or not to be trusted.
    Unavailable(String),
    /// The words or descriptors cannot be used.
    Bad(&'static str),
}

/// The namespace for `/etc`, where this host can use it.
fn unowned() -> Option<Arc<OwnedFd>> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    unowned::namespace().ok().filter(|namespace| unowned::works(namespace).is_ok()).map(Arc::new)
}

impl Executor {
    /// Finds the strongest isolation that works here by trying it. `mountpoint` is an empty folder of the
    /// broker's; `hidden` is seen by no command.
    pub(crate) fn find(mountpoint: &Path, hidden: Hidden) -> std::io::Result<Executor> {
        let mountpoint = CString::new(mountpoint.as_os_str().as_bytes())?;
        let ways: &[Isolation] = if rustix::process::geteuid().is_root() {
            &[Isolation::Full]
        } else {
            &[Isolation::UserNamespace]
        };
        let unowned = unowned();
        let mut executor = Executor {
            isolation: Isolation::Bare,
            landlock: landlock::version(),
            etc_disowned: unowned.is_some(),
            filter_rooms: Rooms::new(&sandbox::FILTERS, mountpoint.clone(), hidden.clone(), unowned.clone()),
            client_rooms: Rooms::new(&sandbox::CLIENT, mountpoint.clone(), hidden.clone(), unowned.clone()),
            rooms: Rooms::new(&sandbox::COMMANDS, mountpoint, hidden, unowned),
            accounts: Mutex::default(),
        };
        for way in ways {
            executor.isolation = *way;
            match executor.try_out() {
                Ok(()) => return Ok(executor),
                Err(why) => eprintln!("doorward: broker: commands cannot be isolated as designed: {why}"),
            }
        }
        executor.isolation = Isolation::Bare;
        Ok(executor)
    }

    fn try_out(&self) -> Result<(), String> {
        let worker = Worker {
            name: "probe".into(),
            at: doorward_policy::Location::default(),
            user: String::new(),
            keys: Vec::new(),
            from: Vec::new(),
            uids: Vec::new(),
            roles: Vec::new(),
            spawn_uid: 65534,
            limits: doorward_policy::Limits::default(),
        };
        let words = ["true".to_owned()];
        let program = program::resolve("true").map_err(|fault| fault.to_string())?;
        let null = || std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").map(Into::into);
        let streams = || Ok(Streams { stdin: null()?, stdout: null()?, stderr: null()? });
        let streams = streams().map_err(|error: std::io::Error| error.to_string())?;
        let mut plan = self
            .plan(
                &worker,
                Task { kind: Kind::Command, how: &filter(), program, argv: &words, extra: &[], streams },
            )
            .map_err(|error| format!("{error:?}"))?;
        let child = spawn::spawn(&mut plan).map_err(|error| format!("{error}; {:?}", blame(&plan, error)))?;
        let cancel = supervise::Cancel::new().map_err(|error| error.to_string())?;
        match supervise::wait(&child, Duration::from_secs(10), &cancel) {
            doorward_wire::broker::End::Exited { code: 0 } => Ok(()),
            end => Err(format!("`true` ended with {end:?}")),
        }
    }

    /// To be called now and then: lets go of what has not been used for a while.
    pub(crate) fn sweep(&self) {
        self.rooms.sweep();
        self.client_rooms.sweep();
        self.filter_rooms.sweep();
    }

    /// Everything that the fork needs.
    pub(crate) fn plan(&self, worker: &Worker, task: Task<'_>) -> Result<Plan, PrepareError> {
        let Task { kind, how, program, argv, extra, streams } = task;
        let (ids, home) = self.identity(worker, how)?;
        let caps = CapSet::of(&how.caps)
            .map_err(|name| PrepareError::Unavailable(format!("this host has no capability `{name}`")))?;
        let sees_processes = how.caps.contains("sys_ptrace");
        let (rooms, proc) = match kind {
            Kind::Command => (&self.rooms, if sees_processes { Proc::Host } else { Proc::Own }),
            // A script is opened by a path in `/proc`; a program needs none of it.
            Kind::Client if program.interpreter.is_some() => (&self.client_rooms, Proc::OwnProcesses),
            Kind::Client => (&self.client_rooms, Proc::None),
            Kind::Filter => (&self.filter_rooms, Proc::None),
        };
        let is_filter = kind == Kind::Filter;
        let loader = match kind {
            Kind::Command => None,
            Kind::Client => client_loader(&program)?,
            Kind::Filter => loader(&program)?,
        };
        let whole = if kind == Kind::Client { Some(with_libraries(how, &program)?) } else { None };
        let how = whole.as_ref().unwrap_or(how);
        let shut = Shut {
            network: (!is_filter).then_some(how.network),
            keep_group: self.isolation == Isolation::Bare,
        };
        let room = rooms.room(how, proc, self.isolation).map_err(|why| {
            eprintln!("doorward: broker: no file system view for a command: {why}");
            PrepareError::Unavailable(
                "commands cannot be shut in at the moment; the operator must look at the broker's messages"
                    .into(),
            )
        })?;
        let id_maps = match self.isolation {
            Isolation::UserNamespace => Some((map(ids.uid)?, map(ids.gid)?)),
            _ => None,
        };
        Ok(Plan {
            isolation: self.isolation,
            argv: plan::words(&program, argv).ok_or(PrepareError::Bad("a word holds a NUL byte"))?,
            envp: environment(&home, extra).ok_or(PrepareError::Bad("a word holds a NUL byte"))?,
            program,
            streams,
            ids,
            caps,
            network: how.network,
            proc,
            own_session: !is_filter,
            limits: plan::limits(how.identity == Identity::Root),
            mountpoint: self.rooms.mountpoint().clone(),
            room,
            landlock: (!sees_processes).then_some(self.landlock),
            loader,
            calls: plan::calls(shut),
            ignored: plan::ignored(),
            stack: plan::Stack::new(),
            id_maps,
            #[cfg(test)]
            hooks: plan::Hooks::default(),
        })
    }

    fn identity(&self, worker: &Worker, how: &How) -> Result<(Ids, String), PrepareError> {
        if self.isolation != Isolation::Full && !rustix::process::geteuid().is_root() {
            return own_identity(how);
        }
        let who = (worker.spawn_uid, how.identity.clone(), how.groups.clone());
        let mut known = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, ids)) = known.get(&who).filter(|(asked, _)| asked.elapsed() < ACCOUNTS_LIFETIME) {
            return Ok((ids.clone(), HOME.to_owned()));
        }
        drop(known);
        let ids = ask(worker, how)?;
        known = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(who, (Instant::now(), ids.clone()));
        Ok((ids, HOME.to_owned()))
    }
}

/// What the docker client, or the interpreter that a packager put before it, is loaded from.
fn client_file(program: &Program) -> &OwnedFd {
    program.interpreter.as_ref().map_or(&program.fd, |interpreter| &interpreter.fd)
}

fn client_loader(program: &Program) -> Result<Option<CString>, PrepareError> {
    elf::loader(client_file(program)).map_err(|error| unfit_client(program, &error))
}

/// How the docker client runs, with the files that its loader opens.
fn with_libraries(how: &How, program: &Program) -> Result<How, PrepareError> {
    let files = elf::opened(client_file(program)).map_err(|error| unfit_client(program, &error))?;
    let files = files.iter().map(|path| path.to_string_lossy().into_owned());
    Ok(How { read: how.read.iter().cloned().chain(files).collect(), ..how.clone() })
}

fn unfit_client(program: &Program, error: &std::io::Error) -> PrepareError {
    eprintln!("doorward: broker: {} cannot be used: {error}", program.path.display());
    PrepareError::Unavailable("the docker client is not installed in a way that doorward can use".into())
}

/// What the kernel starts a filter by. A script has no place among filters: its interpreter would have
/// nothing to read.
fn loader(program: &Program) -> Result<Option<CString>, PrepareError> {
    let unfit = |why: &str| {
        eprintln!("doorward: broker: {} is no filter: {why}", program.path.display());
        PrepareError::Unavailable("this filter is not installed in a way that doorward can use".into())
    };
    if program.interpreter.is_some() {
        return Err(unfit("a script"));
    }
    elf::loader(&program.fd).map_err(|error| unfit(&error.to_string()))
}

/// No home is in any view.
const HOME: &str = "/nonexistent";

/// What the account databases say now.
fn ask(worker: &Worker, how: &How) -> Result<Ids, PrepareError> {
    let missing =
        |what: &str, name: &str| PrepareError::Unavailable(format!("this host has no {what} `{name}`"));
    let groups = how
        .groups
        .iter()
        .map(|name| accounts::group_by_name(name).ok_or_else(|| missing("group", name)))
        .collect::<Result<Vec<_>, _>>()?;
    let (uid, gid) = match &how.identity {
        Identity::Worker => (worker.spawn_uid, spawn_gid(worker)),
        Identity::Root => (0, 0),
        Identity::User(name) => accounts::ids_of(name).ok_or_else(|| missing("account", name))?,
    };
    Ok(Ids { uid, gid, groups })
}

/// The primary group of a worker's commands: the spawn account's, else the number of the spawn uid.
pub(crate) fn spawn_gid(worker: &Worker) -> u32 {
    accounts::user_by_uid(worker.spawn_uid).map_or(worker.spawn_uid, |account| account.gid)
}

/// Without root there is one account, and nothing more than it has.
fn own_identity(how: &How) -> Result<(Ids, String), PrepareError> {
    if how.identity != Identity::Worker || !how.groups.is_empty() || !how.caps.is_empty() {
        return Err(PrepareError::Unavailable(
            "this rule needs more rights than doorward was started with; the operator must run it as root"
                .into(),
        ));
    }
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    Ok((Ids { uid, gid, groups: Vec::new() }, HOME.to_owned()))
}

/// How the docker CLI runs: nothing but the worker's own socket.
pub(crate) fn docker(socket: &Path) -> How {
    How { sockets: vec![socket.to_string_lossy().into_owned()], ..filter() }
}

/// How a filter runs: with nothing.
pub(crate) fn filter() -> How {
    How {
        identity: Identity::Worker,
        groups: Vec::new(),
        caps: BTreeSet::new(),
        read: Vec::new(),
        sockets: Vec::new(),
        network: Network::None,
        seconds: None,
        output: None,
        raw: false,
    }
}

/// A resolved program, or what to say instead.
pub(crate) fn resolve(word: &str) -> Result<Program, PrepareError> {
    program::resolve(word).map_err(|fault| match fault {
        ProgramFault::Missing => PrepareError::Unavailable(format!("`{word}` is not on this host")),
        _ => {
            eprintln!("doorward: broker: `{word}` is not executed: {fault}");
            PrepareError::Unavailable(format!("`{word}` is not installed in a way that doorward trusts"))
        }
    })
}

/// Which operation of the plan a failure means, for the operator's log.
pub(crate) fn blame(plan: &Plan, error: spawn::SpawnError) -> Option<String> {
    let op = plan.room.view().ops.get(usize::from(error.place))?;
    (error.step == crate::step::Step::Namespaces).then(|| format!("{op:?}"))
}

fn map(id: u32) -> Result<CString, PrepareError> {
    CString::new(format!("{id} {id} 1")).map_err(|_| PrepareError::Bad("id"))
}

fn environment(home: &str, extra: &[(&str, String)]) -> Option<Strings> {
    let fixed = [
        ("PATH", SEARCH_PATH.join(":")),
        ("LANG", "C.UTF-8".to_owned()),
        ("LC_ALL", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("TERM", "dumb".to_owned()),
        ("HOME", home.to_owned()),
        ("SYSTEMD_PAGER", "cat".to_owned()),
    ];
    Strings::new(fixed.iter().chain(extra).map(|(name, value)| format!("{name}={value}")))
}
