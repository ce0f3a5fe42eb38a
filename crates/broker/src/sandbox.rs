//! What a spawned command can see of the file system: a new root made of read-only pieces of the host's.
//!
//! The list below is all there is; what is not in it does not exist for the command. Made in the parent as
//! a list of operations that the child only carries out.

use crate::chain::{self, Links, Trust};
use rustix::fs::{self, AtFlags, FileType, StatxFlags};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One thing that the child does; targets are relative to the new root, on which it stands.
#[derive(Debug)]
pub(crate) enum Op {
    /// An empty folder.
    Dir(CString),
    /// An empty file, to mount on.
    File(CString),
    /// A symlink at the second path that says the first.
    Link(CString, CString),
    /// A read-only copy of the mount at the first path, at the second; `disowned` where that can be.
    Bind { from: CString, to: CString, recursive: bool, disowned: bool },
}

/// A path that Landlock lets the command use.
#[derive(Debug)]
pub(crate) struct Beneath {
    pub(crate) path: CString,
    pub(crate) access: Access,
}

/// What it may do there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read files and folders.
    Read,
    /// And execute.
    ReadExecute,
    /// Read and write devices.
    Device,
    /// Anything with files and folders, but execute them.
    Scratch,
}

/// The new root and what Landlock repeats of it.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) ops: Vec<Op>,
    pub(crate) beneath: Vec<Beneath>,
    /// Whether the devices are made in it.
    pub(crate) kernel: bool,
    /// Whether each command gets a small `/tmp` of its own.
    pub(crate) scratch: bool,
}

/// What the host has that no command may see, whatever its rule reads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hidden {
    /// Folders and sockets of doorward and the engine.
    pub(crate) paths: Vec<PathBuf>,
}

/// What there is before a rule adds to it.
#[derive(Debug)]
pub(crate) struct Base {
    /// Folders of the host: bound when they are folders, repeated as symlinks when they are (merged `/usr`).
    trees: &'static [&'static str],
    /// What Landlock allows in them.
    access: Access,
    /// Symlinks that programs go through, repeated where the host has them.
    links: &'static [&'static str],
    /// Empty folders that programs expect.
    empty: &'static [&'static str],
    /// Whether there are `/dev` and, as the plan says, `/proc`.
    kernel: bool,
    /// Whether Landlock lets `/proc` be read.
    proc: bool,
    /// Whether each command gets a small `/tmp` of its own, gone with it.
    scratch: bool,
}

/// Of commands: programs, libraries and configuration.
pub(crate) const COMMANDS: Base = Base {
    trees: &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/nix/store"],
    access: Access::ReadExecute,
    links: &["/run/current-system", "/run/opengl-driver", "/var/run"],
    empty: &["proc", "dev", "run", "tmp", "var", "var/tmp", "root", "home"],
    kernel: true,
    proc: true,
    scratch: false,
};

/// Of the docker client, which opens any path that its words name (`--env-file`): no file of the host's. What
/// the client's own file needs is added to it as what it reads. It lays the Dockerfile of `build -` into a folder
/// before it sends it.
pub(crate) const CLIENT: Base = Base {
    trees: &["/nix/store"],
    access: Access::ReadExecute,
    links: &["/var/run"],
    empty: &["proc", "dev", "run", "tmp", "var"],
    kernel: true,
    proc: false,
    scratch: true,
};

/// Of filters: what the loader needs, and nothing else. The program itself is executed by its descriptor.
pub(crate) const FILTERS: Base = Base {
    trees: &[
        "/usr/lib",
        "/usr/lib32",
        "/usr/lib64",
        "/usr/libx32",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/nix/store",
    ],
    access: Access::Read,
    links: &[],
    empty: &[],
    kernel: false,
    proc: false,
    scratch: false,
};
/// Secrets in `/etc`, hidden unless the rule reads them.
const SECRETS: [&str; 13] = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssl/private",
    "/etc/krb5.keytab",
    "/etc/wireguard",
    "/etc/NetworkManager/system-connections",
    "/etc/doorward",
    "/etc/docker/key.json",
    "/etc/security/opasswd",
];
/// Devices that are given: name, major, minor.
pub(crate) const DEVICES: [(&std::ffi::CStr, u32, u32); 5] = [
    (c"dev/null", 1, 3),
    (c"dev/zero", 1, 5),
    (c"dev/full", 1, 7),
    (c"dev/random", 1, 8),
    (c"dev/urandom", 1, 9),
];
/// Shown as nobody's where that can be: see [`crate::unowned`].
const ETC: &str = "/etc";
const EMPTY_FILE: &str = ".nothing";
const EMPTY_DIR: &str = ".empty";

/// Builds the view for a rule that reads `reads` and talks to `sockets`. Paths that do not exist are left
/// out: the program says so itself.
pub(crate) fn view(base: &Base, reads: &[PathBuf], sockets: &[PathBuf], hidden: &Hidden) -> View {
    let mut draft = Draft::default();
    draft.base(base);
    for path in reads {
        draft.bind(path);
    }
    for path in sockets {
        draft.bind(path);
    }
    let allowed: Vec<PathBuf> = draft.bound.clone();
    draft.hide(&allowed, reads, sockets, hidden);
    let mut beneath: Vec<Beneath> = Vec::new();
    let mut add = |path: &Path, access| beneath.extend(text(path).map(|path| Beneath { path, access }));
    // In merged `/usr` most of these are symlinks into others.
    let trees = base.trees.iter().map(Path::new);
    for path in trees.filter(|path| !path.is_symlink() || leads_out(base, path)) {
        add(path, base.access);
    }
    if base.kernel {
        if base.proc {
            add(Path::new("/proc"), Access::Read);
        }
        // Nothing but the devices is in it.
        add(Path::new("/dev"), Access::Device);
    }
    if base.scratch {
        add(Path::new("/tmp"), Access::Scratch);
    }
    for path in reads {
        add(path, Access::Read);
    }
    View { ops: draft.ops, beneath, kernel: base.kernel, scratch: base.scratch }
}

/// Whether what a symlink leads to is outside all of the base's folders.
fn leads_out(base: &Base, link: &Path) -> bool {
    link.canonicalize().is_ok_and(|real| !base.trees.iter().any(|path| real.starts_with(path)))
}

/// Something on the host that a view depends on, by its identity. Equal sights mean an equal view.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    path: PathBuf,
    /// Device, file, and what tells a file from a later one with the same number; `None`: not there.
    identity: Option<[u64; 5]>,
}

impl Sight {
    fn of(path: PathBuf, follow: AtFlags) -> Sight {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let identity =
            fs::statx(fs::CWD, &path, follow | AtFlags::STATX_DONT_SYNC, wanted).ok().map(|facts| {
                // A folder changes with what is in it, and stays the same folder.
                let folder = FileType::from_raw_mode(facts.stx_mode.into()) == FileType::Directory;
                let time = if folder { facts.stx_btime } else { facts.stx_ctime };
                let device = (u64::from(facts.stx_dev_major) << 32) | u64::from(facts.stx_dev_minor);
                [
                    device,
                    facts.stx_ino,
                    time.tv_sec.cast_unsigned(),
                    time.tv_nsec.into(),
                    facts.stx_mode.into(),
                ]
            });
        Sight { path, identity }
    }
}

/// What [`view`] with the same arguments would look at now.
pub(crate) fn sights(base: &Base, reads: &[PathBuf], sockets: &[PathBuf], hidden: &Hidden) -> Vec<Sight> {
    let links = base.trees.iter().chain(base.links).map(PathBuf::from);
    let real = SECRETS.iter().map(PathBuf::from).chain(host_keys());
    let real = real.chain([reads, sockets, &hidden.paths].into_iter().flatten().cloned());
    links
        .map(|path| Sight::of(path, AtFlags::SYMLINK_NOFOLLOW))
        .chain(real.map(|path| Sight::of(path, AtFlags::empty())))
        .collect()
}

#[derive(Default)]
struct Draft {
    ops: Vec<Op>,
    /// Relative paths that exist in the new root: true for folders made by an operation.
    made: BTreeMap<PathBuf, bool>,
    /// Absolute paths whose trees are bound.
    bound: Vec<PathBuf>,
}

impl Draft {
    fn base(&mut self, base: &Base) {
        for name in base.empty {
            self.folder(Path::new(name));
        }
        self.folder(Path::new(EMPTY_DIR));
        self.file(Path::new(EMPTY_FILE));
        for path in base.trees {
            match std::fs::symlink_metadata(path) {
                Ok(facts) if facts.is_symlink() => self.repeat_link(Path::new(path)),
                Ok(facts) if facts.is_dir() => self.tree(Path::new(path)),
                _ => {}
            }
        }
        for path in base.links {
            self.repeat_link(Path::new(path));
        }
    }

    /// Binds a file, folder or socket where it really is, with the symlinks that lead to it.
    fn bind(&mut self, path: &Path) {
        let Ok(opened) = chain::open(path, Trust::Anyone, Links::Follow) else { return };
        for (at, says) in &opened.links {
            self.link(at, says);
        }
        if opened.path == Path::new("/") {
            return;
        }
        if self.is_bound(&opened.path) {
            // What a rule names is its own again; elsewhere it is there as it is.
            if let (true, Ok(relative)) = (opened.path.starts_with(ETC), opened.path.strip_prefix("/")) {
                self.op_bind(&opened.path, relative, true, false);
            }
            return;
        }
        if FileType::from_raw_mode(opened.stat.st_mode) == FileType::Directory {
            self.tree(&opened.path);
        } else if let Ok(relative) = opened.path.strip_prefix("/") {
            let relative = relative.to_owned();
            self.file(&relative);
            self.op_bind(&opened.path, &relative, false, false);
            self.bound.push(opened.path);
        }
    }

    fn tree(&mut self, path: &Path) {
        let Ok(relative) = path.strip_prefix("/") else { return };
        let relative = relative.to_owned();
        self.folder(&relative);
        self.op_bind(path, &relative, true, path == Path::new(ETC));
        self.bound.push(path.to_owned());
    }

    fn op_bind(&mut self, from: &Path, to: &Path, recursive: bool, disowned: bool) {
        if let (Some(from), Some(to)) = (text(from), text(to)) {
            self.ops.push(Op::Bind { from, to, recursive, disowned });
        }
    }

    fn is_bound(&self, path: &Path) -> bool {
        self.bound.iter().any(|bound| path.starts_with(bound))
    }

    /// Makes a folder and those above it, in the new root's own file system only.
    fn folder(&mut self, relative: &Path) {
        if self.made.contains_key(relative) || relative.as_os_str().is_empty() {
            return;
        }
        if let Some(parent) = relative.parent() {
            self.folder(parent);
        }
        if let Some(path) = text(relative) {
            self.ops.push(Op::Dir(path));
            self.made.insert(relative.to_owned(), true);
        }
    }

    fn file(&mut self, relative: &Path) {
        if self.made.contains_key(relative) {
            return;
        }
        if let Some(parent) = relative.parent() {
            self.folder(parent);
        }
        if let Some(path) = text(relative) {
            self.ops.push(Op::File(path));
            self.made.insert(relative.to_owned(), false);
        }
    }

    fn repeat_link(&mut self, path: &Path) {
        if let Ok(says) = std::fs::read_link(path) {
            self.link(path, &says);
        }
    }

    fn link(&mut self, at: &Path, says: &Path) {
        let Ok(relative) = at.strip_prefix("/") else { return };
        if self.is_bound(at) || self.made.contains_key(relative) {
            return;
        }
        let relative = relative.to_owned();
        if let Some(parent) = relative.parent() {
            self.folder(parent);
        }
        if let (Some(says), Some(at)) = (text(says), text(&relative)) {
            self.ops.push(Op::Link(says, at));
            self.made.insert(relative, false);
        }
    }

    /// Covers what lies in a bound tree and must not be seen.
    fn hide(&mut self, bound: &[PathBuf], reads: &[PathBuf], sockets: &[PathBuf], hidden: &Hidden) {
        let read = |path: &Path| reads.iter().any(|read| path.starts_with(read));
        let mut secrets: Vec<PathBuf> = SECRETS.iter().map(PathBuf::from).collect();
        secrets.extend(host_keys());
        secrets.retain(|path| !read(path));
        secrets.extend(hidden.paths.iter().filter(|path| !sockets.contains(path)).cloned());
        for path in secrets {
            let Ok(real) = path.canonicalize() else { continue };
            if !bound.iter().any(|tree| real.starts_with(tree)) || sockets.contains(&real) {
                continue;
            }
            let (Ok(relative), Ok(facts)) = (real.strip_prefix("/"), real.metadata()) else { continue };
            let cover = if facts.is_dir() { EMPTY_DIR } else { EMPTY_FILE };
            self.op_bind(Path::new(cover), relative, false, false);
        }
    }
}

/// Private host keys of sshd: `/etc/ssh/*_key`.
fn host_keys() -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir("/etc/ssh") else { return Vec::new() };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.as_os_str().as_bytes().ends_with(b"_key"))
        .collect()
}

fn text(path: &Path) -> Option<CString> {
    CString::new(path.as_os_str().as_bytes()).ok()
}
