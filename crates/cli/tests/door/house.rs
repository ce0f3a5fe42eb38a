//! One house: an account, a policy, the services, an sshd, a client with a key.

use crate::host::{self, ENGINE_SOCKET, account_lock, root, unique, wait_until};
use crate::said::Said;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

const ROLES: [(&str, &str); 2] = [
    ("host-audit.toml", include_str!("../../../../roles/host-audit.toml")),
    ("docker-lifecycle.toml", include_str!("../../../../roles/docker-lifecycle.toml")),
];
const PREFIX: &str = "/var/lib/doorward-test.";

/// What differs from house to house.
pub(crate) struct Plan {
    /// Path of the engine's socket.
    pub(crate) engine: String,
    /// Roles of the worker.
    pub(crate) roles: Vec<&'static str>,
    /// Further text of the policy: roles, limits.
    pub(crate) more: String,
    /// Bytes of a file system of its own for the audit log.
    pub(crate) audit_size: Option<u32>,
    /// The same for saved runs.
    pub(crate) runs_size: Option<u32>,
    /// Whether sshd forces the session command; without it the account's shell gets the worker's words.
    pub(crate) forced: bool,
    /// What sshd runs for `sftp`.
    pub(crate) sftp: &'static str,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            engine: ENGINE_SOCKET.to_owned(),
            roles: vec!["host-audit", "docker-lifecycle"],
            more: String::new(),
            audit_size: None,
            runs_size: None,
            forced: true,
            sftp: "/usr/lib/openssh/sftp-server",
        }
    }
}

impl Plan {
    /// With one more role, given as `[[role.extra.command]]` tables or `[role.extra.docker]`.
    pub(crate) fn with_role(mut self, text: &str) -> Self {
        self.roles.push("extra");
        self.more.push_str(text);
        self
    }
}

/// A running house; dropping it removes all of it.
pub(crate) struct House {
    pub(crate) dir: PathBuf,
    /// Name of the worker and of its account.
    pub(crate) worker: String,
    pub(crate) uid: u32,
    pub(crate) port: u16,
    pub(crate) serve: Child,
    sshd: Option<Child>,
    image: Option<String>,
    mounted: bool,
}

impl House {
    /// A house as its plan says, ready to be asked.
    pub(crate) fn new(plan: Plan) -> House {
        host::require_root();
        sweep();
        let id = unique();
        let dir = PathBuf::from(format!("{PREFIX}{id}"));
        for folder in ["", "bin", "home", "keys", "roles", "sshd", "run", "client", "state", "state/audit"] {
            fs::DirBuilder::new().mode(0o755).recursive(true).create(dir.join(folder)).unwrap();
        }
        let program = dir.join("bin/doorward");
        fs::copy(env!("CARGO_BIN_EXE_doorward"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let worker = format!("dw-{id}");
        let uid = make_account(&worker, &dir);
        let folders = [("audit", plan.audit_size), ("runs", plan.runs_size)];
        let mounted = folders.map(|(folder, size)| mount(&dir, folder, size)).contains(&true);
        make_keys(&dir, &worker);
        fs::write(dir.join("policy.toml"), policy(&dir, &worker, &plan)).unwrap();
        let serve = start_services(&dir);
        let mut house =
            House { dir, worker, uid, port: free_port(), serve, sshd: None, image: None, mounted };
        house.wait_for_services();
        house.start_sshd(&plan);
        house
    }

    /// The plain house: the seed's two roles.
    pub(crate) fn plain() -> House {
        House::new(Plan::default())
    }

    /// What `ssh worker LINE` is answered.
    pub(crate) fn ssh(&self, line: &str) -> Said {
        self.ssh_command(&[line]).output().unwrap().into()
    }

    /// An `ssh` client that will ask `words`, not yet started.
    pub(crate) fn ssh_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/ssh");
        command
            .arg("-F")
            .arg(self.dir.join("client/config"))
            .args(["--", "worker"])
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// The docker command on the worker's side, going to the house over `ssh://`.
    pub(crate) fn docker(&self, words: &[&str]) -> Said {
        self.docker_command(words).output().unwrap().into()
    }

    /// The same, not yet started.
    pub(crate) fn docker_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        let path = format!(
            "{}:{}",
            self.dir.join("client/bin").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        command.env("PATH", path).args(["-H", "ssh://worker"]).args(words).stdin(Stdio::null());
        command
    }

    /// What a login program gets that starts the account's shell with these arguments, as the account.
    pub(crate) fn shell(&self, name: &str, arguments: &[&str]) -> Said {
        let mut command = Command::new(self.dir.join("bin/doorward"));
        command
            .arg0(name)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::null())
            .current_dir("/")
            .uid(self.uid)
            .gid(65534);
        command.output().unwrap().into()
    }

    /// The words that sshd forces on the account.
    pub(crate) fn forced_command(&self) -> String {
        forced_command(&self.dir)
    }

    /// What an operator's command says: `audit verify`, `status` …
    pub(crate) fn operator(&self, words: &[&str]) -> Said {
        let mut command = Command::new(self.dir.join("bin/doorward"));
        match words.split_first() {
            Some((&"audit", _)) => command.args(words).arg("--state-dir").arg(self.dir.join("state")),
            // Before a worker's words, which go to the services as they are.
            Some((word, rest)) => command.arg(word).arg("--runtime-dir").arg(self.dir.join("run")).args(rest),
            None => &mut command,
        };
        command.stdin(Stdio::null());
        command.output().unwrap().into()
    }

    /// Every record of the audit log so far, oldest first.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let mut segments: Vec<PathBuf> = fs::read_dir(self.dir.join("state/audit"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        segments.sort();
        let text: String = segments.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The image that this house's containers run, made when first asked for.
    pub(crate) fn image(&mut self) -> String {
        let name = format!("busybox:{}", self.worker);
        if self.image.is_none() {
            host::make_image(&name);
            self.image = Some(name.clone());
        }
        name
    }

    /// The process of one service, by its name on the command line.
    pub(crate) fn service(&self, name: &str) -> u32 {
        let parent = format!("\t{}", self.serve.id());
        let found = host::processes(&["", name, ""]).into_iter().find(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.lines().any(|line| line.strip_prefix("PPid:") == Some(&parent))
        });
        found.unwrap_or_else(|| panic!("no service {name} beneath `doorward serve`"))
    }

    /// What the services wrote.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("serve.log")).unwrap_or_default()
    }

    fn wait_for_services(&mut self) {
        let gateway = self.dir.join("run/gateway.sock");
        wait_until("the services are up", Duration::from_secs(20), || {
            if let Some(status) = self.serve.try_wait().unwrap() {
                panic!("`doorward serve` ended with {status}: {}", self.log());
            }
            (gateway.exists() && self.operator(&["status"]).code == 0).then_some(())
        });
    }

    fn start_sshd(&mut self, plan: &Plan) {
        let dir = self.dir.display();
        fs::create_dir_all("/run/sshd").unwrap();
        let force =
            if plan.forced { format!("ForceCommand {}\n", self.forced_command()) } else { String::new() };
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {dir}/sshd/host_key\nPidFile none\n\
             AuthorizedKeysFile {dir}/keys/%u\nAllowUsers {user}\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nMaxStartups 500:30:600\nDisableForwarding yes\nPermitTTY no\n\
             PermitUserRC no\nAcceptEnv none\nExposeAuthInfo yes\nSubsystem sftp {sftp}\n{force}",
            sftp = plan.sftp,
            port = self.port,
            user = self.worker,
        );
        fs::write(self.dir.join("sshd/config"), config).unwrap();
        write_client(&self.dir, &self.worker, self.port);
        let mut command = Command::new("/usr/sbin/sshd");
        command
            .arg("-D")
            .arg("-f")
            .arg(self.dir.join("sshd/config"))
            .arg("-E")
            .arg(self.dir.join("sshd/log"));
        self.sshd = Some(command.stdin(Stdio::null()).spawn().unwrap());
        wait_until("sshd listens", Duration::from_secs(10), || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok().map(drop)
        });
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("── doorward serve said:\n{}", self.log());
        }
        if let Some(mut sshd) = self.sshd.take() {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
        end(&mut self.serve);
        remove_objects(&self.worker, self.image.as_deref());
        remove(&self.worker, &self.dir, self.mounted);
    }
}

/// TERM first, so that the services can close their log.
fn end(child: &mut Child) {
    let pid = child.id().to_string();
    root("kill", &["-TERM", &pid]);
    root("kill", &["-CONT", &pid]); // a test may have stopped it
    for _ in 0..250 {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn remove_objects(worker: &str, image: Option<&str>) {
    let script = r#"
        docker ps -aq --filter label=doorward.worker=$1 | xargs -r docker rm -fv
        docker network ls -q --filter label=doorward.worker=$1 | xargs -r docker network rm
        [ -z "$2" ] || docker image rm -f "$2""#;
    root("/bin/sh", &["-c", script, "sh", worker, image.unwrap_or_default()]);
}

fn remove(account: &str, dir: &Path, mounted: bool) {
    if mounted {
        for folder in ["audit", "runs"] {
            root("umount", &["-l", &dir.join("state").join(folder).display().to_string()]);
        }
    }
    {
        let _lock = account_lock();
        root("userdel", &["-f", account]);
    }
    let _ = fs::remove_dir_all(dir);
}

/// Removes what tests left whose process was killed: a house's name carries its process id.
fn sweep() {
    let Ok(folder) = fs::read_dir("/var/lib") else { return };
    for path in folder.filter_map(|entry| Some(entry.ok()?.path())) {
        let Some(id) = path.to_str().and_then(|path| path.strip_prefix(PREFIX)) else { continue };
        let dead = id.split('x').next().and_then(|pid| pid.parse().ok()).is_some_and(|pid| !host::alive(pid));
        if dead {
            end_all(&path);
            let worker = format!("dw-{id}");
            remove_objects(&worker, Some(&format!("busybox:{worker}")));
            remove(&worker, &path, true);
        }
    }
}

/// Ends what still runs out of a house's folder, also when it was stopped.
fn end_all(dir: &Path) {
    let Some(folder) = dir.to_str() else { return };
    for pid in host::processes(&[&format!("{folder}/")]) {
        root("kill", &["-KILL", &pid.to_string()]);
    }
}

fn make_account(name: &str, dir: &Path) -> u32 {
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

fn mount(dir: &Path, folder: &str, size: Option<u32>) -> bool {
    let Some(size) = size else { return false };
    let folder = dir.join("state").join(folder).display().to_string();
    root("mkdir", &["-p", &folder]).worked();
    root("mount", &["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "doorward-test", &folder])
        .worked();
    true
}

fn make_keys(dir: &Path, account: &str) {
    for path in ["client/key", "sshd/host_key"] {
        root(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-C", account, "-f", &dir.join(path).display().to_string()],
        )
        .worked();
    }
    fs::copy(dir.join("client/key.pub"), dir.join("keys").join(account)).unwrap();
}

fn policy(dir: &Path, worker: &str, plan: &Plan) -> String {
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

fn start_services(dir: &Path) -> Child {
    let log = fs::File::create(dir.join("serve.log")).unwrap();
    let mut command = Command::new(dir.join("bin/doorward"));
    command.arg("serve").arg("--policy").arg(dir.join("policy.toml"));
    command.arg("--state-dir").arg(dir.join("state")).arg("--runtime-dir").arg(dir.join("run"));
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn forced_command(dir: &Path) -> String {
    format!("{} session --runtime-dir {}", dir.join("bin/doorward").display(), dir.join("run").display())
}

fn write_client(dir: &Path, account: &str, port: u16) {
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
