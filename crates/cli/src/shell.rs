//! Doorward as a login shell: what sshd (or anything else that calls a shell) may make of it.
//!
//! sshd calls `SHELL -c "<ForceCommand>"` with the worker's words in `SSH_ORIGINAL_COMMAND`; without the
//! drop-in, `-c` *is* the worker's words; without a command it calls the shell with `-` before its name. So
//! `-c` equal to the program's own path plus `session` with known options is a session, anything else is a
//! worker's line, and nothing else is reachable.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How a session was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// Where the services' sockets are.
    pub(crate) runtime_dir: PathBuf,
    /// The key's fingerprint, when the call names it.
    pub(crate) key: Option<String>,
    /// The worker's words; empty for a greeting.
    pub(crate) line: Vec<u8>,
    /// Whether it was called as a login shell: then only root's or doorward's folders are believed.
    pub(crate) as_shell: bool,
}

/// The session that this call is, when the program was called as a shell; `None` when it was called as a
/// command.
///
/// `own` is the program's own path, `original` is `SSH_ORIGINAL_COMMAND`.
pub(crate) fn read(
    args: &[OsString],
    own: &Path,
    original: Option<OsString>,
    default_dir: &Path,
) -> Option<Session> {
    let name = args.first().map(OsString::as_os_str).unwrap_or_default();
    let rest = args.get(1..).unwrap_or_default();
    let is_login = name.as_bytes().first() == Some(&b'-');
    if !is_login && !rest.first().is_some_and(|word| is_shell_option(word)) {
        return None;
    }
    let mut session =
        Session { runtime_dir: default_dir.to_owned(), key: None, line: Vec::new(), as_shell: true };
    // Without `-c` it is a login without a command, as `ssh host` makes it; other options ask for nothing.
    let Some(command) = command_of(rest) else { return Some(session) };
    match forced(command, own) {
        Some((runtime_dir, key)) => {
            session.runtime_dir = runtime_dir.unwrap_or(session.runtime_dir);
            session.key = key;
            session.line = original.unwrap_or_default().as_bytes().to_vec();
        }
        None => session.line = command.as_bytes().to_vec(),
    }
    Some(session)
}

/// Options with which an operator's command may begin; no caller of a shell gives them to one.
const OPERATORS: [&str; 7] = ["--help", "-h", "--version", "-V", "--policy", "--state-dir", "--runtime-dir"];

/// Whether the first argument is one that callers give to a shell and no operator gives to doorward.
fn is_shell_option(word: &OsStr) -> bool {
    let bytes = word.as_bytes();
    let name = bytes.split(|byte| *byte == b'=').next().unwrap_or_default();
    bytes.first() == Some(&b'-') && !OPERATORS.iter().any(|option| option.as_bytes() == name)
}

/// The word after `-c` (also as the last letter of a cluster like `-lc`).
fn command_of(rest: &[OsString]) -> Option<&OsStr> {
    let at = rest.iter().position(|word| {
        let bytes = word.as_bytes();
        bytes.starts_with(b"-") && !bytes.starts_with(b"--") && bytes.ends_with(b"c")
    })?;
    rest.get(at.checked_add(1)?).map(OsString::as_os_str)
}

/// The options of a forced `session`, when the command is exactly that.
fn forced(command: &OsStr, own: &Path) -> Option<(Option<PathBuf>, Option<String>)> {
    let command = command.to_str()?;
    let mut words = command.split(' ').filter(|word| !word.is_empty());
    let program = Path::new(words.next()?);
    if !is_own(program, own) || words.next()? != "session" {
        return None;
    }
    let (mut runtime_dir, mut key) = (None, None);
    while let Some(option) = words.next() {
        match option {
            "--runtime-dir" => runtime_dir = Some(PathBuf::from(words.next()?)),
            "--key" => key = Some(words.next()?.to_owned()),
            _ => return None,
        }
    }
    Some((runtime_dir, key))
}

/// Whether a path is this program: the same path, or one that leads to it (a profile's symlink).
fn is_own(program: &Path, own: &Path) -> bool {
    program.is_absolute() && (program == own || program.canonicalize().is_ok_and(|real| real == own))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "/usr/bin/doorward";

    fn call(args: &[&str], original: Option<&str>) -> Option<Session> {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        read(&args, Path::new(OWN), original.map(OsString::from), Path::new("/run/doorward"))
    }

    fn line(args: &[&str], original: Option<&str>) -> String {
        String::from_utf8(call(args, original).unwrap().line).unwrap()
    }

    #[test]
    fn a_forced_session_takes_its_line_from_the_original_command() {
        let session = call(&["doorward", "-c", "/usr/bin/doorward session"], Some("docker ps")).unwrap();
        assert_eq!(session.line, b"docker ps");
        assert_eq!(session.runtime_dir, Path::new("/run/doorward"));
        let forced = "/usr/bin/doorward session --runtime-dir /run/x --key SHA256:abc";
        let session = call(&["doorward", "-c", forced], Some("id")).unwrap();
        assert_eq!(
            (session.runtime_dir.to_str(), session.key.as_deref()),
            (Some("/run/x"), Some("SHA256:abc"))
        );
    }

    #[test]
    fn without_the_drop_in_the_command_is_the_line_whatever_it_looks_like() {
        for words in [
            "docker ps",
            "/usr/bin/doorward serve",
            "/usr/bin/doorward session --policy /tmp/p",
            "/usr/bin/doorward session; id",
            "doorward session",
            "session",
            "/bin/sh",
        ] {
            assert_eq!(line(&["doorward", "-c", words], Some("something else")), words);
        }
    }

    #[test]
    fn a_login_without_a_command_is_a_greeting() {
        for args in [&["-doorward"][..], &["doorward", "-l"], &["doorward", "-i"], &["doorward", "--login"]] {
            assert_eq!(line(args, None), "", "{args:?}");
        }
        assert_eq!(line(&["-doorward", "serve"], None), "");
        assert_eq!(line(&["-doorward", "--runtime-dir", "/tmp/x", "status"], None), "");
    }

    #[test]
    fn options_around_the_command_do_not_open_another_way() {
        assert_eq!(line(&["doorward", "-l", "-c", "id"], None), "id");
        assert_eq!(line(&["doorward", "-lc", "id"], None), "id");
        assert_eq!(line(&["-doorward", "-c", "id", "serve"], None), "id");
        assert_eq!(line(&["doorward", "-c"], None), "");
        assert_eq!(line(&["doorward", "--rcfile", "/tmp/x"], None), "");
    }

    #[test]
    fn an_operators_command_is_not_a_shell_call() {
        for args in [
            &["doorward"][..],
            &["doorward", "status"],
            &["doorward", "--help"],
            &["/usr/bin/doorward", "check", "-c"],
            &["doorward", "--runtime-dir", "/run/x", "status"],
            &["doorward", "--policy=/etc/x", "check"],
            &["doorward", "--state-dir", "/x", "audit"],
        ] {
            assert_eq!(call(args, None), None, "{args:?}");
        }
    }
}
