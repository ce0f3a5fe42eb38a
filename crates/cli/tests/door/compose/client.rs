//! The compose clients, and a project that one of them works on.

use crate::house::House;
use crate::said::Said;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Which compose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// The program of version 2, where `./test` puts it: beside the build.
    V2,
    /// Debian's package of version 1.29.
    V1,
}

impl Client {
    fn program(self) -> PathBuf {
        let program = match self {
            Client::V1 => PathBuf::from("/usr/bin/docker-compose"),
            Client::V2 => beside_the_build("docker-compose"),
        };
        assert!(program.exists(), "no {}: call ./test, which fetches it", program.display());
        program
    }
}

/// Something that `./test` fetched for compose.
fn beside_the_build(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_doorward")).ancestors().nth(2).unwrap().join("compose").join(name)
}

/// By which way it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Socket,
    Ssh,
}

/// A folder with a compose file, and who works on it.
pub(super) struct Project<'h> {
    house: &'h House,
    client: Client,
    way: Way,
    pub(super) name: String,
    folder: PathBuf,
}

impl<'h> Project<'h> {
    /// Writes the compose file.
    pub(super) fn new(house: &'h House, client: Client, way: Way, name: &str, services: &str) -> Project<'h> {
        let folder = house.dir.join("client/project");
        fs::create_dir_all(&folder).unwrap();
        let version = if client == Client::V1 { "version: '2.4'\n" } else { "" };
        fs::write(folder.join("compose.yaml"), format!("{version}{services}")).unwrap();
        Project { house, client, way, name: name.to_owned(), folder }
    }

    /// Compose with these words, not yet started.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.client.program());
        command.args(["-f", "compose.yaml", "-p", &self.name]).args(words).current_dir(&self.folder);
        command.env_clear().env("HOME", &self.folder).stdin(Stdio::null());
        let path = format!("{}:/usr/bin:/bin", self.house.dir.join("client/bin").display());
        let socket = self.house.dir.join(format!("run/workers/{}/docker.sock", self.house.worker));
        let host = match self.way {
            Way::Socket => format!("unix://{}", socket.display()),
            // Version 1 takes the port from here alone.
            Way::Ssh if self.client == Client::V1 => format!("ssh://worker:{}", self.house.port),
            Way::Ssh => "ssh://worker".to_owned(),
        };
        command.env("PATH", path).env("DOCKER_HOST", host);
        if self.client == Client::V1 {
            // What version 1 imports for `ssh://`, also when it starts `ssh` itself.
            command.env("PYTHONPATH", beside_the_build("python")).env("COMPOSE_HTTP_TIMEOUT", "200");
        }
        command
    }

    /// What compose says to these words.
    pub(super) fn run(&self, words: &[&str]) -> Said {
        self.command(words).output().unwrap().into()
    }

    /// The name that the client gives the one container of a service.
    pub(super) fn container(&self, service: &str) -> String {
        let between = if self.client == Client::V1 { '_' } else { '-' };
        format!("{}{between}{service}{between}1", self.name)
    }
}
