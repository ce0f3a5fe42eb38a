//! What a house is made of: an account, keys, folders, a policy, a client.

use super::Plan;
use crate::host::{account_lock, root};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

const ROLES: [(&str, &str); 2] = [
    ("host-audit.toml", include_str!("../../../../../roles/host-audit.toml")),
    ("docker-lifecycle.toml", include_str!("../../../../../roles/docker-lifecycle.toml")),
];

pub(super) fn make_account(name: &str, dir: &Path) -> u32 {
    let (home, shell) = (dir.join("home"), dir.join("bin/doorward"));
    {
        let _lock = account_lock();
        let (home, shell) = (home.display().to_string(), shell.display().to_string());
        let arguments =
            ["--system", "--no-create-home", "--home-dir", &home, "--shell", &shell, "--password", "*", name];
        root("useradd", &arguments).worked();
    }
    root("id", &["-u", name]).worked().stdout.trim().parse().unwrap()
}

pub(super) fn mount(dir: &Path, folder: &str, size: Option<u32>) -> bool {
    let Some(size) = size else { return false };
    let mode = if folder == "." { "0755" } else { "0700" };
    let folder = dir.join("state").join(folder).display().to_string();
    root("mkdir", &["-p", &folder]).worked();
    root("mount", &["-t", "tmpfs", "-o", &format!("size={size},mode={mode}"), "doorward-test", &folder])
        .worked();
    true
}

pub(super) fn make_keys(dir: &Path, account: &str) {
    for path in ["client/key", "sshd/host_key"] {
        root(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-C", account, "-f", &dir.join(path).display().to_string()],
        )
        .worked();
    }
    fs::copy(dir.join("client/key.pub"), dir.join("keys").join(account)).unwrap();
}

pub(super) fn policy(dir: &Path, worker: &str, plan: &Plan) -> String {
    let mut includes = Vec::new();
    for (name, text) in ROLES {
        let path = dir.join("roles").join(name);
        fs::write(&path, text).unwrap();
        includes.push(format!("{:?}", path.display().to_string()));
    }
    let roles: Vec<String> = plan.roles.iter().map(|role| format!("{role:?}")).collect();
    let key = fs::read_to_string(dir.join("client/key.pub")).unwrap();
    format!(
        "version = 1\ninclude = [{}]\n\n[engine]\nsocket = {:?}\n\n[worker.{worker}]\nuser = {worker:?}\nkeys = [{:?}]\n\
         roles = [{}]\n\n{}",
        includes.join(", "),
        plan.engine,
        key.trim(),
        roles.join(", "),
        plan.more.replace("WORKER", worker),
    )
}

pub(super) fn start_services(dir: &Path) -> Child {
    let log = fs::File::create(dir.join("serve.log")).unwrap();
    let mut command = Command::new(dir.join("bin/doorward"));
    command.arg("serve").arg("--policy").arg(dir.join("policy.toml"));
    command.arg("--state-dir").arg(dir.join("state")).arg("--runtime-dir").arg(dir.join("run"));
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

pub(super) fn forced_command(dir: &Path) -> String {
    format!("{} session --runtime-dir {}", dir.join("bin/doorward").display(), dir.join("run").display())
}

pub(super) fn write_client(dir: &Path, account: &str, port: u16) {
    let (client, host_key) = (dir.join("client"), fs::read_to_string(dir.join("sshd/host_key.pub")).unwrap());
    let known: Vec<&str> = host_key.split(' ').take(2).collect();
    fs::write(client.join("known_hosts"), format!("[127.0.0.1]:{port} {}\n", known.join(" "))).unwrap();
    let config = format!(
        "Host worker\n  HostName 127.0.0.1\n  Port {port}\n  User {account}\n  IdentityFile {dir}/key\n  IdentitiesOnly yes\n  \
         UserKnownHostsFile {dir}/known_hosts\n  BatchMode yes\n  LogLevel ERROR\n",
        dir = client.display(),
    );
    fs::write(client.join("config"), config).unwrap();
    let bin = client.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F {}/config \"$@\"\n", client.display());
    fs::write(bin.join("ssh"), script).unwrap();
    fs::set_permissions(bin.join("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// A port that was free a moment ago, outside the range that the kernel hands out. None is given twice in one
/// process: an sshd takes its port only a while later.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 2000).unwrap();
    std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed) % 2000)
        .take(2000)
        .map(|offset| 22000 + (start * 7 + offset) % 2000)
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
