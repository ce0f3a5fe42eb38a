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
use support::bench::{Bench, engine, engine_lines, text};

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

#[test]
fn images_get_no_further_names_and_do_not_leave() {
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
