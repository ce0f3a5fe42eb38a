//! Step 1: the program behind a word, opened, with its whole way checked.

use crate::chain::{self, ChainFault, Links, Opened, Trust};
use doorward_policy::SEARCH_PATH;
use rustix::fs::{FileType, Mode, OFlags};
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Longest `#!` line, as in the kernel (`BINPRM_BUF_SIZE`).
const HEAD: usize = 256;

/// A program that may be executed: every component of its path belongs to root and nobody else can write to
/// it, and the same holds for its interpreter.
#[derive(Debug)]
pub struct Program {
    /// The file, `O_PATH`.
    pub fd: OwnedFd,
    /// Where it is, without symlinks.
    pub path: PathBuf,
    /// For a `#!` script: what is executed in its place.
    pub interpreter: Option<Interpreter>,
}

/// What a `#!` line names.
#[derive(Debug)]
pub struct Interpreter {
    /// The file, `O_PATH`.
    pub fd: OwnedFd,
    /// As written in the script.
    pub name: String,
    /// The one argument that Linux passes on, with blanks inside it.
    pub argument: Option<String>,
}

/// Why a word is no program here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgramFault {
    /// Nothing of that name on the search path.
    Missing,
    /// A step of the way is not trusted.
    Chain(ChainFault),
    /// Not a regular file that may be executed.
    NotExecutable,
    /// The `#!` line cannot be used: empty, over-long, not UTF-8, or the interpreter is a script itself.
    Script,
}

impl std::fmt::Display for ProgramFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ProgramFault::Missing => f.write_str("no such program on the search path"),
            ProgramFault::Chain(fault) => fault.fmt(f),
            ProgramFault::NotExecutable => f.write_str("not an executable file"),
            ProgramFault::Script => f.write_str("its #! line cannot be used"),
        }
    }
}

impl std::error::Error for ProgramFault {}

/// Resolves a first word for a broker with this process' own rights: see [`resolve_for`].
///
/// # Errors
/// See [`ProgramFault`].
pub fn resolve(word: &str) -> Result<Program, ProgramFault> {
    resolve_for(word, own_trust())
}

/// Files of root, and without root also of the current user.
pub fn own_trust() -> Trust {
    let own = rustix::process::geteuid().as_raw();
    Trust::RootOr((own != 0).then_some(own))
}

/// Resolves a first word: a bare name over the fixed search path, or an absolute path. Anything else, like
/// `./x` or `../x`, is [`ProgramFault::Missing`].
///
/// # Errors
/// See [`ProgramFault`]; a bare name that exists but is not trusted is a fault, and is not searched further.
pub fn resolve_for(word: &str, trust: Trust) -> Result<Program, ProgramFault> {
    if word.starts_with('/') {
        return open(Path::new(word), trust);
    }
    if word.is_empty() || word.contains('/') || word.starts_with('.') {
        return Err(ProgramFault::Missing);
    }
    for folder in SEARCH_PATH {
        let path = Path::new(folder).join(word);
        if rustix::fs::stat(&path).is_ok() {
            return open(&path, trust);
        }
    }
    Err(ProgramFault::Missing)
}

fn open(path: &Path, trust: Trust) -> Result<Program, ProgramFault> {
    let opened = file(path, trust)?;
    let interpreter = match head(&opened)?.strip_prefix(b"#!") {
        Some(line) => Some(interpreter(line, trust)?),
        None => None,
    };
    Ok(Program { fd: opened.fd, path: opened.path, interpreter })
}

fn file(path: &Path, trust: Trust) -> Result<Opened, ProgramFault> {
    let opened = chain::open(path, trust, Links::Follow).map_err(|fault| match fault.why {
        chain::ChainWhy::Os(libc::ENOENT | libc::ENOTDIR) => ProgramFault::Missing,
        _ => ProgramFault::Chain(fault),
    })?;
    let regular = FileType::from_raw_mode(opened.stat.st_mode) == FileType::RegularFile;
    if !regular || opened.stat.st_mode & 0o111 == 0 {
        return Err(ProgramFault::NotExecutable);
    }
    Ok(opened)
}

/// The first bytes, read through the descriptor that was checked.
fn head(opened: &Opened) -> Result<Vec<u8>, ProgramFault> {
    let path = format!("/proc/self/fd/{}", opened.fd.as_raw_fd());
    let mut bytes = vec![0; HEAD];
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    // A program that may be executed and not read (mode 0711) is no script for anyone but root.
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else { return Ok(Vec::new()) };
    let length = rustix::io::read(&file, &mut bytes).map_err(|_| ProgramFault::NotExecutable)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn interpreter(line: &[u8], trust: Trust) -> Result<Interpreter, ProgramFault> {
    let end = line.iter().position(|byte| *byte == b'\n').ok_or(ProgramFault::Script)?;
    let line = line.get(..end).and_then(|line| std::str::from_utf8(line).ok()).ok_or(ProgramFault::Script)?;
    let line = line.trim_matches([' ', '\t']);
    let (name, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = argument.trim_matches([' ', '\t']);
    if !name.starts_with('/') || line.contains('\0') {
        return Err(ProgramFault::Script);
    }
    let opened = file(Path::new(OsStr::from_bytes(name.as_bytes())), trust)?;
    if head(&opened)?.starts_with(b"#!") {
        return Err(ProgramFault::Script);
    }
    let argument = (!argument.is_empty()).then(|| argument.to_owned());
    Ok(Interpreter { fd: opened.fd, name: name.to_owned(), argument })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("s");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_bare_name_is_found_on_the_fixed_path_and_not_on_the_callers() {
        let program = resolve("sh").unwrap();
        assert!(program.path.is_absolute() && program.interpreter.is_none());
        for word in ["", "./sh", "../bin/sh", "no-such-program-here", "bin/sh"] {
            assert_eq!(resolve(word).unwrap_err(), ProgramFault::Missing, "{word}");
        }
    }

    #[test]
    fn a_script_names_its_interpreter_and_one_argument() {
        let dir = tempfile::tempdir().unwrap();
        let path = script(dir.path(), "#! /bin/sh -e  -u \necho\n");
        let interpreter = resolve(path.to_str().unwrap()).unwrap().interpreter.unwrap();
        assert_eq!((interpreter.name.as_str(), interpreter.argument.as_deref()), ("/bin/sh", Some("-e  -u")));
    }

    #[test]
    fn a_script_of_a_script_and_a_relative_interpreter_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let inner = script(dir.path(), "#!/bin/sh\n");
        let outer = dir.path().join("outer");
        std::fs::write(&outer, format!("#!{}\n", inner.display())).unwrap();
        std::fs::set_permissions(&outer, PermissionsExt::from_mode(0o755)).unwrap();
        assert_eq!(resolve(outer.to_str().unwrap()).unwrap_err(), ProgramFault::Script);
        let path = script(dir.path(), "#!sh\n");
        assert_eq!(resolve(path.to_str().unwrap()).unwrap_err(), ProgramFault::Script);
    }

    #[test]
    fn an_interpreter_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let evil = dir.path().join("evil");
        std::fs::copy("/bin/sh", &evil).unwrap();
        std::fs::set_permissions(&evil, PermissionsExt::from_mode(0o777)).unwrap();
        let path = script(dir.path(), &format!("#!{}\n", evil.display()));
        assert!(
            matches!(resolve(path.to_str().unwrap()), Err(ProgramFault::Chain(fault)) if fault.at == evil)
        );
    }

    #[test]
    fn folders_and_plain_files_are_no_programs() {
        assert_eq!(resolve("/etc").unwrap_err(), ProgramFault::NotExecutable);
        assert_eq!(resolve("/etc/passwd").unwrap_err(), ProgramFault::NotExecutable);
    }
}
