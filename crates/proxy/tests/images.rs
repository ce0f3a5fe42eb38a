//! Images of a worker, through the proxy, on the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::bench::{Bench, engine, engine_lines, text};
use tempfile::TempDir;

/// A further image upon the bench's, gone when dropped.
struct Image(String);

impl Image {
    fn new(bench: &Bench, name: &str, changes: &[&str]) -> Image {
        let image = format!("{}/{name}:1", bench.worker);
        let container = bench.name(&format!("source-{name}"));
        assert!(engine(&["create", "--name", &container, &bench.image, "true"]).status.success());
        let changes = changes.iter().flat_map(|change| ["-c", change]);
        let words: Vec<&str> =
            ["commit"].into_iter().chain(changes).chain([container.as_str(), &image]).collect();
        let made = engine(&words);
        assert!(made.status.success(), "{words:?} {}", text(&made.stderr));
        assert!(engine(&["rm", &container]).status.success());
        Image(image)
    }

    fn is_there(&self) -> bool {
        engine(&["image", "inspect", &self.0]).status.success()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        drop(engine(&["rmi", "-f", &self.0]));
    }
}

#[test]
fn an_own_image_is_removed_and_no_other_one() {
    let bench = Bench::start();
    let label = format!("LABEL doorward.worker={}", bench.worker);
    let own = Image::new(&bench, "own", &[&label]);
    let loaned = Image::new(&bench, "pulled", &[&label]);
    let theirs = Image::new(&bench, "theirs", &["LABEL doorward.worker=somebody-else"]);
    bench.ok(&["run", "--rm", &own.0, "true"]);
    for image in [&loaned.0, &bench.image] {
        assert!(bench.refused(&["rmi", image]).contains("object_not_allowed"));
    }
    assert!(bench.refused(&["rmi", &theirs.0]).contains("No such image"));
    bench.ok(&["rmi", &own.0]);
    assert!(!own.is_there() && loaned.is_there() && theirs.is_there());
    assert!(engine(&["image", "inspect", &bench.image]).status.success());
}

#[test]
fn a_history_is_shown_of_images_that_may_be_seen() {
    let bench = Bench::start();
    let theirs = Image::new(&bench, "theirs", &[]);
    assert!(bench.ok(&["history", "-q", &bench.image]).lines().count() >= 1);
    assert!(bench.refused(&["history", &theirs.0]).contains("No such image"));
}

/// A registry on a loopback port, ended when dropped.
struct Registry {
    server: Child,
    port: u16,
    folder: TempDir,
}

impl Registry {
    fn start() -> Registry {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n",
            folder.path().join("data").display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null());
        let server =
            command.spawn().unwrap_or_else(|error| panic!("docker-registry: {error}; ./test installs it"));
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(50));
        }
        Registry { server, port, folder }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
fn an_own_image_is_named_anew_saved_and_pushed() {
    let bench = Bench::start();
    let label = format!("LABEL doorward.worker={}", bench.worker);
    let own = Image::new(&bench, "own", &[&label]);
    let id = engine_lines(&["image", "inspect", "-f", "{{.Id}}", &own.0]);
    let registry = Registry::start();
    let second = Image(format!("127.0.0.1:{}/{}/own:2", registry.port, bench.worker));
    bench.ok(&["tag", &own.0, &second.0]);
    assert_eq!(engine_lines(&["image", "inspect", "-f", "{{.Id}}", &second.0]), id);

    let archive = registry.folder.path().join("own.tar");
    bench.ok(&["save", "-o", archive.to_str().unwrap(), &own.0, &second.0]);
    let manifest = Command::new("tar").arg("-xOf").arg(&archive).arg("manifest.json").output().unwrap();
    let manifest: Value = serde_json::from_slice(&manifest.stdout).unwrap();
    let mut names: Vec<&str> =
        manifest[0]["RepoTags"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, [second.0.as_str(), own.0.as_str()]);

    bench.ok(&["push", &second.0]);
    let listed = std::fs::read_dir(
        registry
            .folder
            .path()
            .join(format!("data/docker/registry/v2/repositories/{}/own/_manifests/tags", bench.worker)),
    );
    let tags: Vec<_> = listed.unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(tags, ["2"]);
    // A name that is borne by an image of others stays with it.
    let taken = Image(format!("{}/own:taken", bench.worker));
    assert!(engine(&["tag", &bench.image, &taken.0]).status.success());
    let before = engine_lines(&["image", "inspect", "-f", "{{.Id}}", &taken.0]);
    assert!(bench.refused(&["tag", &own.0, &taken.0]).contains("object_not_allowed"));
    assert_eq!(engine_lines(&["image", "inspect", "-f", "{{.Id}}", &taken.0]), before);
}

#[test]
fn images_of_others_get_no_further_names_and_do_not_leave() {
    let bench = Bench::start();
    let before =
        engine_lines(&["images", "-q", "--no-trunc", "--filter", &format!("reference={}*", bench.worker)]);
    let (own, stolen) = (bench.name("c"), bench.name("stolen"));
    bench.ok(&["create", "--name", &own, &bench.image, "true"]);
    for words in [
        &["tag", &bench.image, &stolen][..],
        &["save", &bench.image],
        &["commit", &own, &stolen],
        &["export", &own],
        &["import", "-", &stolen],
        &["push", &bench.image],
    ] {
        let told = bench.refused(words);
        assert!(told.contains("refused"), "{words:?} {told}");
    }
    let after =
        engine_lines(&["images", "-q", "--no-trunc", "--filter", &format!("reference={}*", bench.worker)]);
    assert_eq!(before, after);
}

#[test]
fn an_images_own_configuration_is_judged_with_the_request() {
    let bench = Bench::with("users = [\"1000\"]\n");
    for (change, told) in [
        ("USER 0", "User"),
        ("USER root", "User"),
        ("VOLUME /proc/x", "Volumes"),
        ("VOLUME /dev/shm/x", "Volumes"),
        ("WORKDIR /proc/self/fd/8", "WorkingDir"),
        ("HEALTHCHECK --interval=1ms CMD true", "Healthcheck.Interval"),
        ("LABEL doorward.worker=somebody-else", "Labels"),
        ("LABEL Doorward.Worker=x", "Labels"),
        ("LABEL doorward.until=1", "Labels"),
        ("LABEL com.docker.compose.project=prod", "Labels"),
        ("LABEL traefik.enable=true", "Labels"),
    ] {
        let image = Image::new(&bench, "pulled", &["USER 1000", change]);
        let body = json!({"Image": image.0, "Cmd": ["sleep", "1"]}).to_string();
        let answer = bench.ask("POST", "/v1.41/containers/create", &body);
        let said: Value = answer.json();
        assert_eq!(answer.status, 403, "{change}: {said}");
        let path = said["doorward"]["path"].as_str().unwrap_or_default().to_owned();
        assert!(path.starts_with(told), "{change}: {said}");
    }
    let plain = Image::new(
        &bench,
        "pulled",
        &[
            "USER 1000",
            "VOLUME /data",
            "ENV A=b",
            "WORKDIR /tmp",
            "ENTRYPOINT [\"/bin/sleep\"]",
            "CMD [\"600\"]",
            "EXPOSE 80",
            "ONBUILD RUN true",
            "LABEL a=b",
            "HEALTHCHECK --interval=30s CMD true",
        ],
    );
    let name = bench.name("plain");
    bench.ok(&["run", "-d", "--name", &name, &plain.0]);
    bench.ok(&["restart", "-t", "0", &name]);
    let label = format!("label=doorward.worker={}", bench.worker);
    assert_eq!(engine_lines(&["ps", "-q", "--filter", &label]).len(), 1);
    drop(engine(&["rm", "-fv", &name]));
}
