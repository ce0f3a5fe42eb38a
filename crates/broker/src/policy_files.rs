//! Reads the policy and what it includes, when nobody but its owner can have changed them.

use crate::chain::{self, ChainFault, Links};
use crate::program::own_trust;
use doorward_policy::{Bundle, Policy, PolicyError, Source, include_paths};
use rustix::fs::{FileType, Mode, OFlags};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Longest file of a policy, in bytes.
const LONGEST: u64 = 4 << 20;
/// Most bytes of all its files: the bundle travels in one frame.
const LONGEST_ALL: usize = 12 << 20;

/// Why a policy cannot be read. Facts of the file system stand in it: it is for the operator.
#[derive(Debug)]
pub enum PolicyFileError {
    /// Somebody else could have changed it.
    Unsafe(ChainFault),
    /// It cannot be read.
    Read {
        /// As named.
        path: String,
        /// The system's error.
        error: std::io::Error,
    },
    /// Not a regular file, not UTF-8, or over the limit; which, in words.
    Content {
        /// As named.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The main file's `include`, or a file that it names, cannot be read.
    Include(Box<PolicyError>, String),
}

impl std::fmt::Display for PolicyFileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PolicyFileError::Unsafe(fault) => write!(f, "policy: {fault}"),
            PolicyFileError::Read { path, error } => write!(f, "policy {path}: {error}"),
            PolicyFileError::Content { path, why } => write!(f, "policy {path}: {why}"),
            PolicyFileError::Include(_, rendered) => f.write_str(rendered),
        }
    }
}

impl std::error::Error for PolicyFileError {}

/// The main file at `path` and its includes, each checked from `/` on and read through the descriptor that
/// was checked.
///
/// # Errors
/// See [`PolicyFileError`].
pub fn read(path: &Path) -> Result<Bundle, PolicyFileError> {
    let absolute = std::path::absolute(path)
        .map_err(|error| PolicyFileError::Read { path: path.display().to_string(), error })?;
    let main = source(&absolute)?;
    let includes = include_paths(&main.text).map_err(|mut error| {
        error.at.file.clone_from(&main.path);
        let rendered = error.render(&main.text);
        PolicyFileError::Include(Box::new(error), rendered)
    })?;
    let mut bytes = main.text.len();
    let mut files = vec![main];
    for include in includes {
        let file = source(Path::new(&include)).map_err(|error| included(&files, &include, error))?;
        bytes = bytes.saturating_add(file.text.len());
        if bytes > LONGEST_ALL {
            return Err(PolicyFileError::Content {
                path: include,
                why: "the policy's files are too long in all",
            });
        }
        files.push(file);
    }
    Ok(Bundle { files })
}

/// The same error with the line that names the file.
fn included(files: &[Source], include: &str, error: PolicyFileError) -> PolicyFileError {
    let main = files.iter().take(1).cloned().collect();
    // The main file alone is told that this one is missing, and where it is named.
    let told = Policy::load(&Bundle { files: main }).err().unwrap_or_default();
    let named = format!("`{include}`");
    let (Some(mut told), Some(main)) =
        (told.into_iter().find(|told| told.message.contains(&named)), files.first())
    else {
        return error;
    };
    told.message = error.to_string();
    let rendered = told.render(&main.text);
    PolicyFileError::Include(Box::new(told), rendered)
}

fn source(path: &Path) -> Result<Source, PolicyFileError> {
    let name = path.display().to_string();
    let opened = chain::open(path, own_trust(), Links::Follow).map_err(PolicyFileError::Unsafe)?;
    let content = |why| PolicyFileError::Content { path: name.clone(), why };
    if FileType::from_raw_mode(opened.stat.st_mode) != FileType::RegularFile {
        return Err(content("is not a regular file"));
    }
    let reopen = format!("/proc/self/fd/{}", opened.fd.as_raw_fd());
    let fail = |error: std::io::Error| PolicyFileError::Read { path: name.clone(), error };
    let file = rustix::fs::open(reopen, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| fail(error.into()))?;
    let mut bytes = Vec::new();
    std::fs::File::from(file).take(LONGEST.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LONGEST {
        return Err(content("is longer than 4 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| content("is not UTF-8 text"))?;
    Ok(Source { path: name, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_policy_that_its_group_can_write_is_refused_with_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.toml");
        std::fs::write(&path, "version = 1\n").unwrap();
        mode(&path, 0o664);
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("can be written by others") && error.contains("chmod go-w"), "{error}");
        mode(&path, 0o644);
        assert_eq!(read(&path).unwrap().files.len(), 1);
    }

    #[test]
    fn an_include_that_is_not_there_is_told_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.toml");
        std::fs::write(&path, "version = 1\ninclude = [\n  \"/no/such/roles.toml\",\n]\n").unwrap();
        mode(&path, 0o600);
        let error = read(&path).unwrap_err().to_string();
        let place = format!("{}:3:3", path.display());
        assert!(error.contains(&place) && error.contains("/no/such/roles.toml"), "{error}");
    }

    #[test]
    fn bytes_that_are_not_text_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.toml");
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        mode(&path, 0o600);
        assert!(matches!(read(&path), Err(PolicyFileError::Content { why: "is not UTF-8 text", .. })));
        assert!(matches!(
            read(dir.path()),
            Err(PolicyFileError::Content { why: "is not a regular file", .. })
        ));
    }
}
