//! Opens a path while checking every step of the way: who owns each component and who may write to it.
//!
//! The walk holds a descriptor of each component (`O_PATH | O_NOFOLLOW`) and looks at that descriptor, so
//! what was checked is what is opened, whatever is renamed meanwhile.

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// Most symlinks on one way, as in the kernel.
const MAX_LINKS: usize = 40;

/// Who may own and change what is on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Owned by root, or by this uid (a broker without root), and writable by nobody else.
    RootOr(Option<u32>),
    /// No check: only resolves.
    Anyone,
}

/// What a symlink on the way means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is followed, and what it leads to is checked as well.
    Follow,
    /// It is a fault.
    Refuse,
}

/// A path that was walked to its end.
#[derive(Debug)]
pub struct Opened {
    /// `O_PATH` descriptor of the last component.
    pub fd: OwnedFd,
    /// Where that is, without symlinks.
    pub path: PathBuf,
    /// Each symlink that was followed: where it stands (without symlinks before it), and what it says.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Of the last component.
    pub stat: Stat,
}

/// Why a path is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainFault {
    /// The component at fault.
    pub at: PathBuf,
    /// What is wrong with it.
    pub why: ChainWhy,
}

/// What is wrong with a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainWhy {
    /// The path does not begin with `/`.
    NotAbsolute,
    /// The system's error, by number.
    Os(i32),
    /// Owned by this uid, which is not trusted.
    Owner(u32),
    /// Group or others may write, with this mode.
    Writable(u32),
    /// A symlink where none may be.
    Symlink,
    /// More symlinks than the kernel follows.
    TooManyLinks,
}

impl std::fmt::Display for ChainFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.at.display();
        match self.why {
            ChainWhy::NotAbsolute => write!(f, "{at} is not an absolute path"),
            ChainWhy::Os(code) => write!(f, "{at}: {}", std::io::Error::from_raw_os_error(code)),
            ChainWhy::Owner(0) => write!(f, "{at} is owned by root, and this account needs one of its own"),
            ChainWhy::Owner(uid) => write!(f, "{at} is owned by uid {uid}; it must be owned by root"),
            ChainWhy::Writable(mode) => {
                write!(f, "{at} can be written by others than its owner (mode {mode:04o}); use chmod go-w")
            }
            ChainWhy::Symlink => write!(f, "{at} is a symlink"),
            ChainWhy::TooManyLinks => write!(f, "{at}: too many symlinks"),
        }
    }
}

impl std::error::Error for ChainFault {}

/// Walks `path` from `/`, checking each component. A directory that others can write to is accepted when it
/// is sticky, since the next component, which must itself be trusted, can then not be replaced.
///
/// # Errors
/// The first component at fault.
pub fn open(path: &Path, trust: Trust, links: Links) -> Result<Opened, ChainFault> {
    if !path.is_absolute() {
        return Err(ChainFault { at: path.to_owned(), why: ChainWhy::NotAbsolute });
    }
    let mut walk = Walk::root(trust)?;
    let mut ahead: VecDeque<OsString> = parts(path);
    while let Some(name) = ahead.pop_front() {
        if let Some(target) = walk.step(&name)? {
            if links == Links::Refuse {
                return Err(ChainFault { at: walk.path.join(&name), why: ChainWhy::Symlink });
            }
            if walk.links.len() >= MAX_LINKS {
                return Err(ChainFault { at: walk.path.join(&name), why: ChainWhy::TooManyLinks });
            }
            walk.links.push((walk.path.join(&name), target.clone()));
            if target.is_absolute() {
                walk.restart()?;
            }
            for part in parts(&target).into_iter().rev() {
                ahead.push_front(part);
            }
        }
    }
    if trust != Trust::Anyone && !is_dir(&walk.stat) && walk.stat.st_mode & 0o022 != 0 {
        return Err(ChainFault { at: walk.path, why: ChainWhy::Writable(walk.stat.st_mode & 0o7777) });
    }
    Ok(Opened { fd: walk.fd, path: walk.path, links: walk.links, stat: walk.stat })
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

struct Walk {
    trust: Trust,
    fd: OwnedFd,
    path: PathBuf,
    stat: Stat,
    links: Vec<(PathBuf, PathBuf)>,
}

const STEP: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Walk {
    fn root(trust: Trust) -> Result<Walk, ChainFault> {
        let path = PathBuf::from("/");
        let (fd, stat) = open_stat(rustix::fs::CWD, OsStr::new("/"), &path)?;
        let walk = Walk { trust, fd, path, stat, links: Vec::new() };
        walk.check(&walk.path, &walk.stat)?;
        Ok(walk)
    }

    fn restart(&mut self) -> Result<(), ChainFault> {
        let path = PathBuf::from("/");
        (self.fd, self.stat) = open_stat(rustix::fs::CWD, OsStr::new("/"), &path)?;
        self.path = path;
        Ok(())
    }

    /// Goes one component further, or gives what it says when it is a symlink.
    fn step(&mut self, name: &OsStr) -> Result<Option<PathBuf>, ChainFault> {
        let path = if name == ".." {
            self.path.parent().unwrap_or(Path::new("/")).to_owned()
        } else {
            self.path.join(name)
        };
        let (fd, stat) = open_stat(&self.fd, name, &path)?;
        self.check(&path, &stat)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            let target = fs::readlinkat(&fd, "", Vec::new())
                .map_err(|error| ChainFault { at: path, why: ChainWhy::Os(error.raw_os_error()) })?;
            return Ok(Some(OsString::from_vec(target.into_bytes()).into()));
        }
        (self.fd, self.path, self.stat) = (fd, path, stat);
        Ok(None)
    }

    fn check(&self, path: &Path, stat: &Stat) -> Result<(), ChainFault> {
        let Trust::RootOr(other) = self.trust else { return Ok(()) };
        if stat.st_uid != 0 && Some(stat.st_uid) != other {
            return Err(ChainFault { at: path.to_owned(), why: ChainWhy::Owner(stat.st_uid) });
        }
        let sticky_dir = is_dir(stat) && stat.st_mode & 0o1000 != 0;
        let link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        if stat.st_mode & 0o022 != 0 && !sticky_dir && !link {
            return Err(ChainFault { at: path.to_owned(), why: ChainWhy::Writable(stat.st_mode & 0o7777) });
        }
        Ok(())
    }
}

fn open_stat(dir: impl std::os::fd::AsFd, name: &OsStr, path: &Path) -> Result<(OwnedFd, Stat), ChainFault> {
    let fault = |error: rustix::io::Errno| ChainFault {
        at: path.to_owned(),
        why: ChainWhy::Os(error.raw_os_error()),
    };
    let fd = fs::openat(dir, name.as_bytes(), STEP, Mode::empty()).map_err(fault)?;
    let stat = fs::statat(&fd, "", AtFlags::EMPTY_PATH).map_err(fault)?;
    Ok((fd, stat))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const ROOT: Trust = Trust::RootOr(None);

    fn me() -> Trust {
        Trust::RootOr(Some(rustix::process::geteuid().as_raw()))
    }

    #[test]
    fn a_file_in_a_sticky_folder_is_fine_and_in_a_writable_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("policy.toml");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        // The temporary folder's own parent (/tmp) is sticky and writable by all.
        assert_eq!(open(&file, me(), Links::Follow).unwrap().path, file.canonicalize().unwrap());
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let fault = open(&file, me(), Links::Follow).unwrap_err();
        assert_eq!(fault.why, ChainWhy::Writable(0o777));
        assert_eq!(fault.at, dir.path());
    }

    #[test]
    fn a_file_that_its_group_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o664)).unwrap();
        assert_eq!(open(&file, me(), Links::Follow).unwrap_err().why, ChainWhy::Writable(0o664));
    }

    #[test]
    fn symlinks_are_followed_each_step_checked_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (good, bad) = (dir.path().join("good"), dir.path().join("bad"));
        std::fs::create_dir(&good).unwrap();
        std::fs::create_dir(&bad).unwrap();
        std::fs::write(bad.join("f"), "x").unwrap();
        std::fs::set_permissions(&bad, PermissionsExt::from_mode(0o777)).unwrap();
        symlink("../bad/f", good.join("link")).unwrap();
        assert_eq!(open(&good.join("link"), me(), Links::Follow).unwrap_err().at, bad);
        assert_eq!(open(&good.join("link"), me(), Links::Refuse).unwrap_err().why, ChainWhy::Symlink);
        std::fs::set_permissions(&bad, PermissionsExt::from_mode(0o755)).unwrap();
        let opened = open(&good.join("link"), me(), Links::Follow).unwrap();
        assert_eq!(opened.path, bad.join("f").canonicalize().unwrap());
        assert_eq!(opened.links, [(good.join("link"), PathBuf::from("../bad/f"))]);
    }

    #[test]
    fn a_loop_of_symlinks_ends_with_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert_eq!(open(&dir.path().join("a"), me(), Links::Follow).unwrap_err().why, ChainWhy::TooManyLinks);
    }

    #[test]
    fn what_another_account_owns_is_refused() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: needs root to give a file away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::chown(&file, Some(12345), None).unwrap();
        assert_eq!(open(&file, ROOT, Links::Follow).unwrap_err().why, ChainWhy::Owner(12345));
        assert!(open(&file, Trust::RootOr(Some(12345)), Links::Follow).is_ok());
        assert!(open(&file, Trust::Anyone, Links::Follow).is_ok());
    }

    #[test]
    fn a_relative_path_is_refused() {
        assert_eq!(open(Path::new("etc"), ROOT, Links::Follow).unwrap_err().why, ChainWhy::NotAbsolute);
    }
}
