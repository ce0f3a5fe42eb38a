//! What this host's sshd would do with a worker's account before it asks doorward.

use std::path::Path;
use std::process::{Command, Stdio};

/// sshd's own file server: it asks no shell.
const OWN_SERVER: &str = "internal-sftp";

/// How the account's login could get round its shell, by sshd's own word (`sshd -T`); `None` when it could not,
/// and when sshd does not say: it is not there, or does not show its configuration to this caller.
pub(crate) fn way_round(account: &str) -> Option<String> {
    // It would become a condition of its own.
    if account.contains([',', '=']) {
        return None;
    }
    // Only a program that nobody but root can change is started.
    let sshd = doorward_broker::program::resolve("sshd").ok()?;
    let told = effective(&sshd.path, None, account)?;
    serves_files(&told).then(|| words(account))
}

/// The configuration that applies to a login of `account`; `config` otherwise than the usual file.
fn effective(sshd: &Path, config: Option<&Path>, account: &str) -> Option<String> {
    let mut command = Command::new(sshd);
    command.arg("-T").arg("-C").arg(format!("user={account},host=localhost,addr=127.0.0.1"));
    if let Some(config) = config {
        command.arg("-f").arg(config);
    }
    let said = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
}

/// Whether sshd would serve files by itself: as the forced command, or as the subsystem while none is forced.
fn serves_files(effective: &str) -> bool {
    let value = |key: &str| {
        let mut lines = effective.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.trim())
    };
    let is_own = |command: &str| command.split(' ').next() == Some(OWN_SERVER);
    match value("forcecommand") {
        None | Some("none") => {
            let sftp = value("subsystem").and_then(|subsystem| subsystem.strip_prefix("sftp "));
            sftp.map(str::trim).is_some_and(is_own)
        }
        Some(forced) => is_own(forced),
    }
}

fn words(account: &str) -> String {
    format!(
        "sshd serves files to `{account}` by itself ({OWN_SERVER}) and never asks doorward: give that account a \
         `ForceCommand` that is `doorward session`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the real sshd makes of a configuration for the account `worker`.
    fn is_served(lines: &str) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let (key, config) = (folder.path().join("key"), folder.path().join("config"));
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
        assert!(made.unwrap().success());
        std::fs::write(&config, format!("HostKey {}\n{lines}\n", key.display())).unwrap();
        let told = effective(Path::new("/usr/sbin/sshd"), Some(&config), "worker");
        serves_files(&told.expect("sshd shows its configuration"))
    }

    #[test]
    fn sshds_own_file_server_is_found_where_nothing_else_is_forced() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        std::fs::create_dir_all("/run/sshd").unwrap();
        let own = "Subsystem sftp internal-sftp";
        for (lines, served) in [
            (own.to_owned(), true),
            (format!("{own} -l INFO -f AUTH"), true),
            (format!("{own}\nMatch User other\n ForceCommand /usr/sbin/doorward session"), true),
            ("Match User worker\n ForceCommand internal-sftp -R".to_owned(), true),
            (format!("{own}\nMatch User worker\n ForceCommand /usr/sbin/doorward session"), false),
            ("Subsystem sftp /usr/lib/openssh/sftp-server".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_served(&lines), served, "{lines}");
        }
    }

    #[test]
    fn an_sshd_that_is_not_there_or_says_nothing_is_no_finding() {
        assert_eq!(effective(Path::new("/no/such/sshd"), None, "worker"), None);
        assert_eq!(effective(Path::new("/bin/false"), None, "worker"), None);
        assert_eq!(way_round("a,host=x"), None);
    }
}
