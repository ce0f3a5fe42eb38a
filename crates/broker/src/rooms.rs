//! Rooms: the file systems that commands see, prepared once for all rules that see the same.
//!
//! As root a room is a mount namespace with nothing but the view in it, which each command copies; so the
//! host's mount table is neither copied nor taken apart for a command. What a room hides is known by
//! identity: before every use the host is looked at again, and a room that no longer fits is made anew,
//! since the kernel takes a cover away when the covered file is replaced (`rename(2)` from another mount
//! namespace).

use crate::plan::{Isolation, Proc};
use crate::root::{self, Build, Devices};
use crate::sandbox::{self, Base, Hidden, Sight, View};
use crate::sys::{self, Sys, call};
use doorward_policy::How;
use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest use of a room: what is mounted on the host later is seen after this, and what was unmounted
/// there is let go.
pub(crate) const LIFETIME: Duration = Duration::from_secs(60);
/// Longest time for making one; a dead network file system would hang.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most tries at making one while the host changes.
const ATTEMPTS: usize = 5;
/// Lowest descriptor, above the child's slots.
const LOWEST: RawFd = 32;

/// A prepared view.
#[derive(Debug)]
pub(crate) struct Room {
    view: View,
    /// What of the host the view was made from.
    sights: Vec<Sight>,
    made: Instant,
    /// The mount namespace that has the view as its root; without root every command makes its own.
    namespace: Option<OwnedFd>,
}

impl Room {
    pub(crate) fn view(&self) -> &View {
        &self.view
    }

    pub(crate) fn namespace(&self) -> Option<RawFd> {
        self.namespace.as_ref().map(OwnedFd::as_raw_fd)
    }
}

/// What decides how a room looks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    isolation: Isolation,
    read: Vec<String>,
    sockets: Vec<String>,
    proc: Proc,
}

/// All rooms of a broker.
#[derive(Debug)]
pub(crate) struct Rooms {
    base: &'static Base,
    /// An empty folder of the broker's.
    mountpoint: CString,
    hidden: Hidden,
    /// See [`crate::unowned`].
    unowned: Option<Arc<OwnedFd>>,
    rooms: Mutex<HashMap<Key, Arc<Room>>>,
}

impl Rooms {
    /// None yet. `hidden` is in no room.
    pub(crate) fn new(
        base: &'static Base,
        mountpoint: CString,
        hidden: Hidden,
        unowned: Option<Arc<OwnedFd>>,
    ) -> Rooms {
        Rooms { base, mountpoint, hidden, unowned, rooms: Mutex::default() }
    }

    pub(crate) fn mountpoint(&self) -> &CString {
        &self.mountpoint
    }

    /// A room for a rule that fits the host as it is now. The error says for the operator what failed.
    pub(crate) fn room(&self, how: &How, proc: Proc, isolation: Isolation) -> Result<Arc<Room>, String> {
        let key = Key { isolation, read: how.read.clone(), sockets: how.sockets.clone(), proc };
        let reads: Vec<PathBuf> = how.read.iter().map(PathBuf::from).collect();
        let sockets: Vec<PathBuf> = how.sockets.iter().map(PathBuf::from).collect();
        let mut sights = sandbox::sights(self.base, &reads, &sockets, &self.hidden);
        let found = self.lock().get(&key).cloned();
        if let Some(room) = found.filter(|room| room.sights == sights && room.made.elapsed() < LIFETIME) {
            return Ok(room);
        }
        let mut why = String::new();
        for _ in 0..ATTEMPTS {
            let view = sandbox::view(self.base, &reads, &sockets, &self.hidden);
            let room = match self.make(view, proc, isolation) {
                Ok((view, namespace)) => Room { view, sights, made: Instant::now(), namespace },
                Err(error) => {
                    why = error;
                    sights = sandbox::sights(self.base, &reads, &sockets, &self.hidden);
                    continue;
                }
            };
            // What was replaced while the room was made may have lost its cover.
            sights = sandbox::sights(self.base, &reads, &sockets, &self.hidden);
            if room.sights == sights {
                let room = Arc::new(room);
                self.lock().insert(key, room.clone());
                return Ok(room);
            }
            why = "files that it depends on change faster than it is made".to_owned();
        }
        Err(why)
    }

    fn make(&self, view: View, proc: Proc, isolation: Isolation) -> Result<(View, Option<OwnedFd>), String> {
        match isolation {
            Isolation::Full => furnish(view, self.mountpoint.clone(), proc, self.unowned.clone()),
            Isolation::UserNamespace | Isolation::Bare => Ok((view, None)),
        }
    }

    /// Lets go of rooms that would not be used again.
    pub(crate) fn sweep(&self) {
        self.lock().retain(|_, room| room.made.elapsed() < LIFETIME);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Room>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the namespace, in a thread of its own that then ends: a namespace belongs to a thread.
fn furnish(
    view: View,
    mountpoint: CString,
    proc: Proc,
    unowned: Option<Arc<OwnedFd>>,
) -> Result<(View, Option<OwnedFd>), String> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let work = move || {
        let mut place = u16::MAX;
        let unowned = unowned.as_ref().map(|namespace| namespace.as_raw_fd());
        let made = make(&view, &mountpoint, proc, unowned, &mut place).map_err(|error| {
            let error = std::io::Error::from_raw_os_error(error);
            format!("operation {place} {:?}: {error}", view.ops.get(usize::from(place)))
        });
        // Without a receiver it took too long; the namespace goes with the message.
        let _ = sender.send(made.map(|namespace| (view, Some(namespace))));
    };
    let maker = std::thread::Builder::new().name("room".into());
    maker.spawn(work).map_err(|error| error.to_string())?;
    receiver.recv_timeout(PATIENCE).map_err(|_| "making the file system view took too long".to_owned())?
}

fn make(
    view: &View,
    mountpoint: &CString,
    proc: Proc,
    unowned: Option<RawFd>,
    place: &mut u16,
) -> Sys<OwnedFd> {
    call!(libc::SYS_unshare, libc::CLONE_FS | libc::CLONE_NEWNS)?;
    // Before the old root, and /proc with it, is gone.
    let namespace = sys::open(c"/proc/thread-self/ns/mnt", libc::O_RDONLY, 0)?;
    // SAFETY: just opened, and nobody else's.
    let namespace = unsafe { OwnedFd::from_raw_fd(namespace) };
    let raised =
        rustix::io::fcntl_dupfd_cloexec(&namespace, LOWEST).map_err(rustix::io::Errno::raw_os_error)?;
    // A command's own /proc is its own matter.
    let proc = if proc == Proc::Host { proc } else { Proc::None };
    root::build(view, mountpoint, Build { devices: Devices::Made, proc, unowned }, place)?;
    Ok(raised)
}
