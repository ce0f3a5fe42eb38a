//! One house: an account, a policy, the services, an sshd, a client with a key.

mod making;
mod removing;

pub(crate) use making::free_port;

use crate::host::{self, ENGINE_SOCKET, unique, wait_until};
use crate::said::Said;
use making::{forced_command, make_account, make_keys, mount, policy, start_services, write_client};
use removing::{end, remove, remove_objects, sweep};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
    /// The same for all that the services keep.
    pub(crate) state_size: Option<u32>,
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
            state_size: None,
            runs_size: None,
            forced: true,
            sftp: "/usr/lib/openssh/sftp-server",
        }
    }
}

impl Plan {
    /// With a rule for `sleep`.
    pub(crate) fn with_sleep(self) -> Self {
        self.with_role(
            "[role.extra]\nabout = \"Waits.\"\n[[role.extra.command]]\nrun = \"sleep {n:1..999999}\"\n",
        )
    }

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
        let folders = [(".", plan.state_size), ("audit", plan.audit_size), ("runs", plan.runs_size)];
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
        // The program's options are understood before its words as well as after them.
        match words.first() {
            Some(&"audit") => command.args(words).arg("--state-dir").arg(self.dir.join("state")),
            Some(&"runs") => command.args(words).arg("--runtime-dir").arg(self.dir.join("run")),
            _ => command.arg("--runtime-dir").arg(self.dir.join("run")).args(words),
        };
        command.stdin(Stdio::null());
        command.output().unwrap().into()
    }

    /// Every whole record of the audit log so far, oldest first.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let mut segments: Vec<PathBuf> = fs::read_dir(self.dir.join("state/audit"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        segments.sort();
        let text: String = segments.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap()).collect()
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
