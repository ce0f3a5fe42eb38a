//! The objects among which cases are played, on a real engine: the worker's own, another worker's, and a victim
//! that nobody's worker owns. All of them, and whatever a case makes of them, go when the stage is dropped.
#![allow(clippy::indexing_slicing, reason = "JSON values alone: what is not there is null")]

use crate::{Reply, Scene, ask, talk};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The real engine.
pub const ENGINE: &str = "/var/run/docker.sock";

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The objects, until this is dropped.
#[derive(Debug)]
pub struct Stage {
    /// What everything here is called by: part of each name.
    pub tag: String,
    /// What stands in each secret of the victim's and of the host's.
    pub secret: String,
    /// How the objects are called.
    pub scene: Scene,
    /// A folder on the host that no request may reach.
    pub canary: PathBuf,
    images: Vec<String>,
    calls: Arc<AtomicU32>,
}

impl Stage {
    /// Makes everything on the real engine.
    ///
    /// # Errors
    /// One line on what could not be made.
    pub fn raise() -> Result<Stage, String> {
        let tag = format!("ct{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let canary = std::env::temp_dir().join(format!("{tag}-canary"));
        let mut stage = Stage {
            secret: format!("{tag}-canary-secret"),
            scene: Scene::default(),
            canary,
            images: Vec::new(),
            calls: Arc::new(AtomicU32::new(0)),
            tag,
        };
        stage.prepare_host().map_err(|error| format!("the canary folder: {error}"))?;
        stage.import_images()?;
        stage.raise_objects()?;
        Ok(stage)
    }

    /// How often something on the host was called that nothing should call.
    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Asks the real engine itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn engine(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Reply, String> {
        ask(Path::new(ENGINE), method, target, body).map_err(|error| format!("{method} {target}: {error}"))
    }

    /// Everything of this stage, and everything that was made of it: `(path, inspect or list entry)` by kind.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn containers(&self) -> Result<Vec<Value>, String> {
        self.listed("/containers/json?all=1", "", |container| {
            let of_ours =
                container["ImageID"].as_str().is_some_and(|id| self.images.iter().any(|own| own == id));
            of_ours || container["Names"].to_string().contains(&self.tag)
        })
    }

    /// The volumes that have the stage's tag in their name.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn volumes(&self) -> Result<Vec<Value>, String> {
        self.listed("/volumes", "Volumes", |volume| self.tagged(&volume["Name"]))
    }

    /// The networks that have the stage's tag in their name.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn networks(&self) -> Result<Vec<Value>, String> {
        self.listed("/networks", "", |network| self.tagged(&network["Name"]))
    }

    /// The stage's images, and what was made of them.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn images(&self) -> Result<Vec<Value>, String> {
        self.listed("/images/json?all=1", "", |image| {
            let of_ours = |id: &Value| id.as_str().is_some_and(|id| self.images.iter().any(|own| own == id));
            of_ours(&image["Id"])
                || of_ours(&image["ParentId"])
                || image["RepoTags"].to_string().contains(&self.tag)
        })
    }

    /// Makes these containers of the stage anew, and whatever else of it is gone.
    ///
    /// # Errors
    /// One line on what could not be made.
    pub fn raise_again(&mut self, changed: &[String]) -> Result<(), String> {
        for id in changed {
            self.remove("containers", id);
        }
        self.raise_objects()
    }

    /// Makes an object of a case's `setup`.
    ///
    /// # Errors
    /// When the engine does not make it.
    pub fn set_up(&self, object: &Value) -> Result<(), String> {
        let filled = self.scene.text(&object.to_string())?;
        let object: Value = serde_json::from_str(&filled).map_err(|error| format!("{filled}: {error}"))?;
        let kinds = object.as_object().into_iter().flatten();
        for (kind, body) in kinds {
            let reply = match kind.as_str() {
                "container" => {
                    let name = body["Name"].as_str().unwrap_or_default();
                    self.engine("POST", &format!("/v1.41/containers/create?name={name}"), Some(body))?
                }
                "volume" => self.engine("POST", "/v1.41/volumes/create", Some(body))?,
                "network" => self.engine("POST", "/v1.41/networks/create", Some(body))?,
                "tag" => {
                    let (of, name) = (body["of"].as_str(), body["name"].as_str());
                    let target =
                        format!("/images/{}/tag?repo={}", of.unwrap_or_default(), name.unwrap_or_default());
                    self.engine("POST", &target, None)?
                }
                other => return Err(format!("{other}: no such kind of object")),
            };
            if reply.status >= 300 {
                return Err(format!("{kind}: {} {}", reply.status, String::from_utf8_lossy(&reply.body)));
            }
        }
        Ok(())
    }

    /// A text with the scene's words replaced.
    fn listed(&self, target: &str, key: &str, ours: impl Fn(&Value) -> bool) -> Result<Vec<Value>, String> {
        let listed = self.engine("GET", target, None)?.json();
        let listed = if key.is_empty() { &listed } else { &listed[key] };
        Ok(listed.as_array().into_iter().flatten().filter(|object| ours(object)).cloned().collect())
    }

    fn tagged(&self, name: &Value) -> bool {
        name.as_str().is_some_and(|name| name.contains(&self.tag))
    }

    fn prepare_host(&mut self) -> std::io::Result<()> {
        std::fs::create_dir(&self.canary)?;
        std::fs::write(self.canary.join("secret"), &self.secret)?;
        std::os::unix::fs::symlink("/etc", self.canary.join("link"))?;
        let unix = UnixListener::bind(self.canary.join("plug.sock"))?;
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        self.scene.set("port", tcp.local_addr()?.port().to_string());
        let calls = Arc::clone(&self.calls);
        std::thread::spawn(move || {
            tcp.incoming().for_each(|stream| drop(stream.map(|stream| turn_away(stream, &calls))))
        });
        let calls = Arc::clone(&self.calls);
        std::thread::spawn(move || {
            unix.incoming().for_each(|stream| drop(stream.map(|stream| turn_away(stream, &calls))))
        });
        Ok(())
    }

    fn import_images(&mut self) -> Result<(), String> {
        let archive = busybox().map_err(|error| format!("the image: {error}"))?;
        let private = format!("ENV SECRET={}", self.secret);
        let labelled = format!("LABEL doorward.worker={}-other", self.tag);
        for (word, changes) in [
            ("image", "ENV PATH=/bin"),
            ("private", private.as_str()),
            ("labelled", labelled.as_str()),
            ("inproc", "WORKDIR /proc/self"),
        ] {
            let name = format!("{}-{word}", self.tag);
            let changes = changes.replace(' ', "%20").replace('=', "%3D");
            let command = "CMD%20%5B%22%2Fbin%2Ftrue%22%5D";
            let target = format!(
                "/v1.41/images/create?fromSrc=-&repo={name}&tag=latest&changes={changes}&changes={command}"
            );
            let head = format!(
                "POST {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                archive.len()
            );
            let bytes = [head.as_bytes(), &archive].concat();
            talk(Path::new(ENGINE), &bytes, Duration::from_secs(60)).map_err(|error| error.to_string())?;
            let id = self.engine("GET", &format!("/images/{name}:latest/json"), None)?.json()["Id"].clone();
            let id = id.as_str().ok_or("the engine made no image")?.to_owned();
            self.scene.set(word, format!("{name}:latest"));
            self.scene.set(&format!("{word}_id"), id.as_str());
            self.images.push(id);
        }
        Ok(())
    }

    /// The containers, volumes and networks.
    fn raise_objects(&mut self) -> Result<(), String> {
        let (tag, secret) = (self.tag.clone(), self.secret.clone());
        let (worker, other) = (format!("{tag}-worker"), format!("{tag}-other"));
        self.scene.set("tag", tag.as_str());
        self.scene.set("worker", worker.as_str());
        self.scene.set("other", other.as_str());
        self.scene.set("canary", self.canary.display().to_string());
        let owned = |worker: &str| json!({"doorward.worker": worker});
        for (word, labels) in
            [("victim", json!({"team": secret})), ("other", owned(&other)), ("own", owned(&worker))]
        {
            let volume = json!({"Name": format!("{tag}-{word}-volume"), "Labels": labels});
            let network =
                json!({"Name": format!("{tag}-{word}-network"), "Labels": labels, "Internal": true});
            self.set_up(&json!({"volume": volume}))?;
            if self.engine("GET", &format!("/networks/{tag}-{word}-network"), None)?.status == 404 {
                self.set_up(&json!({"network": network}))?;
            }
            self.scene.set(&format!("{word}_volume"), format!("{tag}-{word}-volume"));
            let name = format!("{tag}-{word}-network");
            let id = self.engine("GET", &format!("/networks/{name}"), None)?.json()["Id"].clone();
            self.scene.set(&format!("{word}_network"), name);
            self.scene.set(&format!("{word}_network_id"), id.as_str().unwrap_or_default());
        }
        // By its id, as the proxy would have it made.
        let own_network = self.scene.get("own_network_id").unwrap_or_default().to_owned();
        let capped = |more: Value| {
            let mut host = json!({"Memory": 64 << 20, "MemorySwap": 64 << 20, "PidsLimit": 64, "NetworkMode": "none", "NanoCpus": 500_000_000, "ShmSize": 32 << 20, "SecurityOpt": ["no-new-privileges"], "CapDrop": ["CAP_MKNOD", "CAP_NET_RAW"], "RestartPolicy": {"Name": "no"}});
            for (key, value) in more.as_object().into_iter().flatten() {
                host[key] = value.clone();
            }
            host
        };
        let script = format!("echo {secret} | tee /data/secret /tmp/secret; exec sleep 3600");
        let victim = json!({"Image": format!("{tag}-private"), "Cmd": ["/bin/sh", "-c", script], "StopSignal": "KILL",
            "Env": [format!("SECRET={secret}")], "Labels": {"team": secret},
            "HostConfig": {"Binds": [format!("{tag}-victim-volume:/data")], "NetworkMode": format!("{tag}-victim-network")}});
        let image = self.scene.get("image_id").unwrap_or_default().to_owned();
        let plain = |worker: &str, host: Value| {
            json!({"Image": format!("{tag}-image"), "Cmd": ["/bin/sleep", "3600"], "StopSignal": "KILL",
                "Labels": {"doorward.worker": worker, "doorward.from": image}, "HostConfig": host})
        };
        for (word, body, started) in [
            ("victim", victim, true),
            ("theirs", plain(&other, capped(json!({"NetworkMode": format!("{tag}-other-network")}))), false),
            ("own", plain(&worker, capped(json!({"NetworkMode": own_network}))), false),
            ("own_up", plain(&worker, capped(json!({}))), true),
        ] {
            if self.container(word, &body, started)? && word == "victim" {
                self.victims_command()?;
            }
        }
        Ok(())
    }

    /// A command in the victim that waits to be started.
    fn victims_command(&mut self) -> Result<(), String> {
        let exec = json!({"Cmd": ["/bin/sh", "-c", "echo $SECRET"], "AttachStdout": true});
        let target = format!("/containers/{}-victim/exec", self.tag);
        let made = self.engine("POST", &target, Some(&exec))?.json();
        self.scene.set("victim_exec", made["Id"].as_str().unwrap_or_default());
        Ok(())
    }

    /// Makes a container unless it stands; whether it was made.
    fn container(&mut self, word: &str, body: &Value, started: bool) -> Result<bool, String> {
        let name = format!("{}-{}", self.tag, word.replace('_', "-"));
        let known = self.scene.get(&format!("{word}_id")).map_or_else(|| "0".repeat(64), str::to_owned);
        if self.engine("GET", &format!("/containers/{known}/json"), None)?.status == 200 {
            return Ok(false);
        }
        let made = self.engine("POST", &format!("/containers/create?name={name}"), Some(body))?;
        let json = made.json();
        let id = json["Id"].as_str().ok_or_else(|| format!("{name}: {json}"))?;
        if started {
            let reply = self.engine("POST", &format!("/containers/{id}/start"), None)?;
            if reply.status != 204 {
                return Err(format!("{name} does not start: {}", reply.json()));
            }
        }
        self.scene.set(word, name);
        self.scene.set(&format!("{word}_id"), id);
        self.scene.set(&format!("{word}_short"), id.get(..12).unwrap_or_default());
        Ok(true)
    }

    fn clear(&self, kind: &str) {
        let (listed, key) = match kind {
            "containers" => (self.containers(), "Id"),
            "networks" => (self.networks(), "Id"),
            "volumes" => (self.volumes(), "Name"),
            _ => (self.images(), "Id"),
        };
        for object in listed.unwrap_or_default() {
            self.remove(kind, object[key].as_str().unwrap_or_default());
        }
    }

    /// Takes an object away, whatever it is doing.
    pub fn remove(&self, kind: &str, id: &str) {
        let target = match kind {
            "containers" => format!("/containers/{id}?force=1&v=1"),
            "volumes" => format!("/volumes/{id}?force=1"),
            "images" => format!("/images/{id}?force=1"),
            _ => format!("/networks/{id}"),
        };
        // What is paused cannot be removed everywhere.
        if kind == "containers" {
            drop(self.engine("POST", &format!("/containers/{id}/unpause"), None));
        }
        drop(self.engine("DELETE", &target, None));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for kind in ["containers", "networks", "volumes", "images"] {
            self.clear(kind);
        }
        drop(std::fs::remove_dir_all(&self.canary));
    }
}

/// Counts a caller and sends it away.
fn turn_away(mut stream: impl Read + Write, calls: &AtomicU32) {
    calls.fetch_add(1, Ordering::Relaxed);
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

/// An archive with a static busybox, the shell and a few of its commands.
fn busybox() -> std::io::Result<Vec<u8>> {
    let script = r#"set -eu; folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; cd "$folder"
        mkdir bin tmp data proc; cp /bin/busybox bin/
        for word in sh echo cat sleep true false id ls wc printf kill head ps tee mkdir; do ln -s busybox bin/$word; done
        tar -c ."#;
    let made = Command::new("sh").args(["-c", script]).output()?;
    match made.status.success() {
        true => Ok(made.stdout),
        false => Err(std::io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned())),
    }
}
