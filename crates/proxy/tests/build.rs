//! Builds of a worker with the real docker CLI, through the proxy, on the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use support::bench::{Bench, ENGINE, engine, engine_lines, text};

/// A folder to build from, and the images that were built of it.
struct Workshop {
    bench: Bench,
    folder: tempfile::TempDir,
}

impl Workshop {
    fn new(files: &[(&str, &str)]) -> Self {
        Self::with("", files)
    }

    /// `IMAGE` in a file stands for the worker's image.
    fn with(run: &str, files: &[(&str, &str)]) -> Self {
        let workshop = Workshop { bench: Bench::with(run), folder: tempfile::tempdir().unwrap() };
        for (name, content) in files {
            workshop.write(name, content);
        }
        workshop
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.replace("IMAGE", &self.bench.image)).unwrap();
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// A name that the worker may give.
    fn tag(&self, version: &str) -> String {
        format!("{}/own:{version}", self.bench.worker)
    }

    /// `docker build`, on the worker's socket or the engine's own.
    fn build(&self, socket: &Path, words: &[&str], input: Option<&[u8]>) -> Output {
        let mut command = self.bench.docker(&["build"]);
        command.args(words).env("DOCKER_HOST", format!("unix://{}", socket.display()));
        let mut child = command
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(input) = input {
            child.stdin.take().unwrap().write_all(input).unwrap();
        }
        child.wait_with_output().unwrap()
    }

    fn ok(&self, words: &[&str]) -> String {
        let output = self.build(&self.bench.socket(), words, None);
        assert!(output.status.success(), "{words:?}: {} {}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    fn refused(&self, words: &[&str]) -> String {
        let output = self.build(&self.bench.socket(), words, None);
        assert!(!output.status.success(), "{words:?} went through: {}", text(&output.stdout));
        text(&output.stderr) + &text(&output.stdout)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let label = format!("label=doorward.worker={}", self.bench.worker);
        // An image that another stands on goes after it.
        for _ in 0..3 {
            for id in engine_lines(&["images", "-aq", "--filter", &label]) {
                drop(engine(&["rmi", "-f", &id]));
            }
        }
    }
}

/// What of an image's history does not name the worker.
fn history(image: &str) -> Vec<String> {
    let lines = engine_lines(&["history", "--no-trunc", "--format", "{{.CreatedBy}} {{.Size}}", image]);
    lines.into_iter().filter(|line| !line.contains("doorward.worker")).collect()
}

fn config(image: &str) -> serde_json::Value {
    let told = engine(&["image", "inspect", image]);
    let mut image: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let mut config = image[0]["Config"].take();
    config["Image"] = serde_json::Value::Null;
    if let Some(labels) = config["Labels"].as_object_mut() {
        labels.retain(|name, _| !name.starts_with("doorward."));
        if labels.is_empty() {
            config["Labels"] = serde_json::Value::Null;
        }
    }
    config
}

/// Names of an image's files.
fn files(image: &str) -> String {
    let id = text(&engine(&["create", image, "x"]).stdout).trim().to_owned();
    let packed = engine(&["export", &id]).stdout;
    drop(engine(&["rm", &id]));
    let mut tar =
        Command::new("tar").arg("-tv").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = tar.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || input.write_all(&packed));
    let listed = text(&tar.wait_with_output().unwrap().stdout);
    feeder.join().unwrap().unwrap();
    // Without dates.
    let line = |line: &str| {
        line.split_whitespace()
            .enumerate()
            .filter(|(at, _)| *at < 2 || *at > 4)
            .map(|(_, word)| word.to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mut lines: Vec<String> = listed.lines().map(line).collect();
    lines.sort();
    lines.join("\n")
}

/// Images that bear the worker's name or label, by name.
fn images(bench: &Bench) -> Vec<String> {
    let all = engine_lines(&["images", "-a", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]);
    let label = format!("label=doorward.worker={}", bench.worker);
    let own = engine_lines(&["images", "-aq", "--no-trunc", "--filter", &label]);
    let mut found: Vec<String> =
        all.into_iter().filter(|line| line.contains(&bench.worker)).chain(own).collect();
    found.sort();
    found
}

#[test]
fn a_folder_becomes_an_image_as_on_the_engine_itself() {
    let workshop = Workshop::new(&[
        (
            "Dockerfile",
            "# about\nARG AROUND=x\nFROM IMAGE AS made\nARG WORD=none\nENV A=\"b c\"\nWORKDIR /work\n\
             RUN echo $WORD > /word \\\n  # between\n  && echo two >> /word\n\
             FROM scratch\nCOPY --from=made /word /from/\ncopy . /all/\nLABEL a=b c=\"d e\"\n\
             HEALTHCHECK --interval=30s CMD [\"/x\"]\nCMD [\"/x\"]\n",
        ),
        (".dockerignore", "left-out\n"),
        ("left-out", "x"),
        ("in/deep/file", "content"),
    ]);
    let (through, bare) = (workshop.tag("through"), workshop.tag("bare"));
    let build = |socket: &Path, tag: &str| {
        let words = ["--build-arg", "WORD=said", "--label", "x=y \"z\" $w", "-t", tag, workshop.path()];
        let output = workshop.build(socket, &words, None);
        assert!(output.status.success(), "{} {}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    };
    let told = build(&workshop.bench.socket(), &through);
    let plain = build(Path::new(ENGINE), &bare);
    let steps = |told: &str| -> Vec<String> {
        told.lines().filter(|line| line.starts_with("Step ")).map(str::to_owned).collect()
    };
    // The engine writes a label of an option in its own way.
    let known = |steps: Vec<String>| -> Vec<String> {
        steps.into_iter().map(|step| step.split(" : LABEL x").next().unwrap().to_owned()).collect()
    };
    assert_eq!(known(steps(&told)), known(steps(&plain)), "{told}");
    assert!(told.contains(&format!("Successfully tagged {through}")), "{told}");
    assert!(!told.contains("doorward"), "{told}");
    assert_eq!(config(&through), config(&bare));
    assert_eq!(workshop.bench.ok(&["history", "-q", &through]).lines().count(), history(&bare).len() + 1);
    let differ = |lines: Vec<String>| -> Vec<String> {
        // Of a step that copies from another image, the digest counts its dates.
        lines.into_iter().filter(|line| !line.contains("COPY")).collect()
    };
    assert_eq!(differ(history(&through)), differ(history(&bare)));
    let owner = engine_lines(&[
        "image",
        "inspect",
        "--format",
        "{{index .Config.Labels \"doorward.worker\"}}",
        &through,
    ]);
    assert_eq!(owner, std::slice::from_ref(&workshop.bench.worker));
    assert_eq!(files(&through), files(&bare));
    drop(engine(&["rmi", "-f", &bare]));
}

#[test]
fn files_targets_and_standard_input_are_built_from() {
    let workshop = Workshop::new(&[
        ("sub/Other", "FROM IMAGE AS one\nRUN echo one > /which\nFROM one AS two\nRUN echo two > /which\n"),
        ("file", "content"),
    ]);
    let (bench, path) = (&workshop.bench, workshop.path());
    let tag = workshop.tag("x");
    let which = || bench.ok(&["run", "--rm", &tag, "cat", "/which"]);
    let file = format!("{path}/sub/Other");
    workshop.ok(&["-t", &tag, "-f", &file, path]);
    assert_eq!(which(), "two");
    workshop.ok(&["-t", &tag, "--target", "ONE", "-f", &file, path]);
    assert_eq!(which(), "one");
    let quiet = workshop.ok(&["-q", "--target", "1", "-f", &file, path]);
    assert!(quiet.starts_with("sha256:") && quiet.trim().len() == 71, "{quiet}");

    let dockerfile = format!("FROM {}\nRUN echo input > /which\n", bench.image);
    let input = |words: &[&str], bytes: &[u8]| {
        let output = workshop.build(&bench.socket(), words, Some(bytes));
        assert!(output.status.success(), "{words:?} {} {}", text(&output.stdout), text(&output.stderr));
    };
    input(&["-t", &tag, "-"], dockerfile.as_bytes());
    assert_eq!(which(), "input");
    let from_input = format!("FROM {}\nCOPY . /all\nRUN ls -a /all > /which\n", bench.image);
    input(&["-t", &tag, "-f", "-", path], from_input.as_bytes());
    assert_eq!(which(), ".\n..\nfile\nsub", "neither the Dockerfile nor .dockerignore came into it");
    for options in ["-c", "-cz"] {
        workshop
            .write("Dockerfile", &format!("FROM IMAGE\nCOPY file /which\nRUN echo {options} >> /which\n"));
        let packed = Command::new("tar").args([options, "-C", path, "."]).output().unwrap().stdout;
        input(&["-t", &tag, "-"], &packed);
        assert_eq!(which(), format!("content{options}"));
    }
}

#[test]
fn what_a_role_does_not_have_is_refused_and_leaves_nothing() {
    let workshop = Workshop::new(&[]);
    let bench = &workshop.bench;
    let private = format!("{}-private:1", bench.worker);
    assert!(engine(&["tag", &bench.image, &private]).status.success());
    let taken = workshop.tag("taken");
    let before = images(bench);
    for (file, told) in [
        ("FROM PRIVATE\n", "image_not_allowed"),
        ("FROM busybox-that-nobody-has\n", "image_not_allowed"),
        ("FROM library-of-nobody/x:1\n", "docker pull library-of-nobody/x:1"),
        ("FROM IMAGE\nCOPY --from=PRIVATE /bin /bin2\n", "image_not_allowed"),
        ("FROM IMAGE\nADD http://192.0.2.1/x /x\n", "field_not_allowed"),
        ("# syntax=docker/dockerfile:1\nFROM IMAGE\n", "field_not_allowed"),
        ("FROM IMAGE\nRUN --mount=type=cache,target=/x true\n", "field_not_allowed"),
        ("FROM IMAGE\nLABEL doorward.worker=other\n", "field_not_allowed"),
        ("FROM IMAGE\nLABEL traefik.enable=true\n", "field_not_allowed"),
        ("FROM IMAGE\nWORKDIR /\nWORKDIR proc/self/fd/7\nRUN true\n", "field_not_allowed"),
        ("FROM IMAGE\nRUN true\u{a0}\\\u{a0}\nRUN false\n", "bad_encoding"),
        ("FROM IMAGE\nNONSENSE\n", "bad_request"),
    ] {
        workshop.write("Dockerfile", &file.replace("PRIVATE", &private));
        let said = workshop.refused(&["-t", &workshop.tag("x"), workshop.path()]);
        assert!(said.contains("doorward: refused (") && said.contains(told), "{file} {said}");
    }
    workshop.write("Dockerfile", "FROM IMAGE\nRUN true\n");
    assert!(engine(&["tag", &bench.image, &taken]).status.success());
    for (words, told) in [
        (&["-t", "elsewhere/x"][..], "image_not_allowed"),
        (&["-t", "IMAGE"], "image_not_allowed"),
        (&["-t", "TAKEN"], "object_not_allowed"),
        (&["--network", "host"], "field_not_allowed"),
        (&["--network", "bridge"], "field_not_allowed"),
        (&["--network", "container:x"], "field_not_allowed"),
        (&["--memory", "1g"], "field_not_allowed"),
        (&["--memory", "64m", "--memory-swap", "-1"], "bad_request"),
        (&["--shm-size", "1g"], "field_not_allowed"),
        (&["--pull"], "field_not_allowed"),
        (&["--add-host", "x:127.0.0.1"], "field_not_allowed"),
        (&["--cgroup-parent", "/x"], "field_not_allowed"),
        (&["--security-opt", "seccomp=unconfined"], "field_not_allowed"),
        (&["--ulimit", "nofile=99999999"], "field_not_allowed"),
        (&["--cache-from", "x"], "field_not_allowed"),
        (&["--label", "doorward.worker=other"], "field_not_allowed"),
        (&["--label", "a=b\nLABEL doorward.worker=other"], "field_not_allowed"),
        (&["--build-arg", "a=b\nRUN true"], "field_not_allowed"),
        (&["--target", "none"], "bad_request"),
    ] {
        let words: Vec<String> =
            words.iter().map(|word| word.replace("IMAGE", &bench.image).replace("TAKEN", &taken)).collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.push(workshop.path());
        let said = workshop.refused(&words);
        assert!(said.contains(told), "{words:?} {said}");
    }
    drop(engine(&["rmi", &taken]));
    assert_eq!(images(bench), before);
    drop(engine(&["rmi", &private]));
    let tar = Command::new("tar").args(["-cJ", "-C", workshop.path(), "."]).output().unwrap().stdout;
    let output = workshop.build(&bench.socket(), &["-"], Some(&tar));
    assert!(text(&output.stderr).contains("field_not_allowed"), "{}", text(&output.stderr));
}

#[test]
fn a_large_context_is_read_to_its_end_before_a_refusal_is_told() {
    let workshop = Workshop::new(&[("Dockerfile", "FROM IMAGE\nNONSENSE\n")]);
    workshop.write("z", &"x".repeat(8 << 20));
    for words in [&["-t", "elsewhere/x"][..], &["--network", "host"], &[]] {
        let words = [words, &[workshop.path()]].concat();
        let said = workshop.refused(&words);
        assert!(said.contains("doorward: refused ("), "{words:?} {said}");
    }
}

#[test]
fn a_step_that_fails_ends_the_command_as_on_the_engine_itself() {
    let workshop = Workshop::new(&[("Dockerfile", "FROM IMAGE\nRUN exit 7\n")]);
    let build = |socket: &Path| {
        let output = workshop.build(socket, &["--no-cache", "--force-rm", workshop.path()], None);
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(build(&workshop.bench.socket()), build(Path::new(ENGINE)));
    assert_eq!(build(&workshop.bench.socket()).0, Some(7));
}

#[test]
fn the_steps_of_a_build_have_the_roles_limits_and_no_network() {
    let workshop = Workshop::with(
        "shm = \"16MiB\"\ncpus = 0.5\n",
        &[(
            "Dockerfile",
            "FROM IMAGE\nRUN ls /sys/class/net > /net; (cat /sys/fs/cgroup/memory.max || cat /sys/fs/cgroup/memory/memory.limit_in_bytes) > /memory\n",
        )],
    );
    let tag = workshop.tag("x");
    workshop.ok(&["-t", &tag, workshop.path()]);
    assert_eq!(
        workshop.bench.ok(&["run", "--rm", &tag, "cat", "/net", "/memory"]),
        format!("lo\n{}", 256 << 20)
    );
    let sent = workshop.bench.broker.intent(|intent| intent.target.contains("/build"));
    assert!(sent.allow && sent.durable, "{sent:?}");
}

#[test]
fn a_build_whose_client_goes_away_ends() {
    let workshop = Workshop::new(&[("Dockerfile", "FROM IMAGE\nRUN echo begun; sleep 600\n")]);
    let mut client =
        workshop.bench.docker(&["build", workshop.path()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "begun"));
    let running = || {
        let ids = engine_lines(&["ps", "-q", "--no-trunc"]);
        let words = ["inspect", "--format", "{{.Path}} {{.Args}} {{.Config.Image}} {{.Config.Labels}}"];
        let told: Vec<String> =
            ids.iter().flat_map(|id| engine_lines(&[&words[..], &[id.as_str()]].concat())).collect();
        told.iter().filter(|line| line.contains("echo begun; sleep 600")).count()
    };
    // Engines pass on what a step prints before they list it as running.
    while running() != 1 {
        std::thread::sleep(Duration::from_millis(100));
    }
    client.kill().unwrap();
    client.wait().unwrap();
    while running() > 0 {
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn everything_that_asks_for_buildkit_is_told_the_same_sentence() {
    let workshop = Workshop::new(&[("Dockerfile", "FROM IMAGE\n")]);
    let sentence = doorward_policy::BUILDKIT_REFUSED;
    // Clients that want it open a session first, whose refusal they do not print, or miss their plugin.
    let mut command = workshop.bench.docker(&["build", workshop.path()]);
    let output = command.env("DOCKER_BUILDKIT", "1").output().unwrap();
    let said = text(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let own_words = ["unable to upgrade to h2c, received 403", "buildx component is missing"];
    assert!(said.contains(sentence) || own_words.iter().any(|words| said.contains(words)), "{said}");
    for (target, body) in [
        ("/v1.41/session", ""),
        ("/grpc", ""),
        ("/v1.41/build?version=2", ""),
        ("/v1.41/build?session=x", ""),
        ("/v1.41/build?buildid=x", ""),
        ("/v1.41/images/create?fromImage=moby%2Fbuildkit&tag=buildx-stable-1", ""),
        (
            "/v1.41/containers/create?name=buildx_buildkit_default",
            r#"{"Image":"moby/buildkit:buildx-stable-1","HostConfig":{"Privileged":true}}"#,
        ),
    ] {
        let answer = workshop.bench.ask("POST", target, body);
        let said = answer.json();
        assert_eq!(answer.status, 403, "{target} {said}");
        assert!(said["message"].as_str().unwrap().contains(sentence), "{target} {said}");
        assert_eq!(said["doorward"]["reason"], "endpoint_refused", "{target}");
    }
}

#[test]
fn no_step_is_taken_from_an_image_of_others() {
    let workshop = Workshop::new(&[
        // As an operator's image was committed whose container ran the first step.
        ("committed/Dockerfile", "FROM IMAGE\nRUN [\"sleep\",\"1002\"]\nRUN [\"cat\",\"/private\"]\n"),
        // As an operator built.
        ("built/Dockerfile", "FROM IMAGE\nRUN cat /proc/sys/kernel/random/uuid > /key\nRUN cat /key\n"),
    ]);
    let (name, image) = (workshop.bench.name("operators"), format!("{}/theirs:1", workshop.bench.worker));
    assert!(engine(&["run", "-d", "--name", &name, &workshop.bench.image, "sleep", "1002"]).status.success());
    assert!(engine(&["exec", &name, "sh", "-c", "echo hush > /private"]).status.success());
    assert!(engine(&["commit", &name, &image]).status.success());
    drop(engine(&["rm", "-f", &name]));
    let mut child = workshop
        .bench
        .docker(&["build", &format!("{}/committed", workshop.path())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Not taken from the other image, the step sleeps.
    let told: Vec<String> =
        lines.map(Result::unwrap).take_while(|line| !line.contains("Running in")).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(engine(&["rmi", &image]));
    assert!(!told.iter().any(|line| line.contains("Using cache") || line.contains("hush")), "{told:?}");

    let built = format!("{}/built", workshop.path());
    let theirs = workshop.build(Path::new(ENGINE), &["-q", &built], None);
    let theirs = text(&theirs.stdout).trim().to_owned();
    let own = workshop.ok(&[&built]);
    let key = |image: &str| engine_lines(&["run", "--rm", image, "cat", "/key"]);
    let id = own.lines().last().and_then(|line| line.strip_prefix("Successfully built ")).unwrap();
    assert_ne!(key(&theirs), key(id));
    // And the other way: what a worker built is no step of an operator's.
    workshop.write("mine/Dockerfile", "FROM IMAGE\nRUN cat /proc/sys/kernel/random/uuid > /mine\n");
    let mine = format!("{}/mine", workshop.path());
    workshop.ok(&[&mine]);
    let after = workshop.build(Path::new(ENGINE), &[&mine], None);
    assert!(!text(&after.stdout).contains("Using cache"), "{}", text(&after.stdout));
    drop(engine(&["rmi", &theirs]));
}

#[test]
fn a_build_that_fails_takes_no_image_away_and_leaves_only_own_ones() {
    let workshop = Workshop::new(&[
        ("first/Dockerfile", "FROM IMAGE\nRUN echo first > /f\n"),
        ("then/Dockerfile", "FROM IMAGE\nRUN echo first > /f\nFROM IMAGE\nCMD [\"x\"]\nENV a=b\nRUN false\n"),
    ]);
    let (tag, kept) = (workshop.tag("first"), format!("{}/kept:1", workshop.bench.worker));
    workshop.ok(&["-t", &tag, &format!("{}/first", workshop.path())]);
    assert!(engine(&["tag", &tag, &kept]).status.success());
    let told = workshop.refused(&[&format!("{}/then", workshop.path())]);
    assert!(told.contains("returned a non-zero code: 1") && !told.contains("engine_mismatch"), "{told}");
    let there = [&tag, &kept].map(|name| engine(&["image", "inspect", name]).status.success());
    drop(engine(&["rmi", &kept]));
    assert_eq!(there, [true, true]);
    let label = format!("label=doorward.worker={}", workshop.bench.worker);
    let own = engine_lines(&["images", "-aq", "--no-trunc", "--filter", &label]);
    let base = engine_lines(&["image", "inspect", "-f", "{{.Id}}", &workshop.bench.image]);
    let upon: Vec<String> = engine_lines(&[
        "images",
        "-aq",
        "--no-trunc",
        "--filter",
        &format!("since={}", workshop.bench.image),
    ])
    .into_iter()
    .filter(|id| engine_lines(&["history", "-q", "--no-trunc", id]).contains(&base[0]))
    .collect();
    assert!(upon.len() > 3 && upon.iter().all(|id| own.contains(id)), "{upon:?} {own:?}");
}

#[test]
fn what_a_step_prints_keeps_no_build_of_a_gone_worker_going() {
    let workshop = Workshop::new(&[]);
    let last = "Step 3/3 : RUN echo 'Step 3/3 : RUN x'; echo begun; sleep 605";
    workshop.write("Dockerfile", &format!("FROM IMAGE\nRUN echo \"{last}\"; echo begun; sleep 605\n"));
    let mut client =
        workshop.bench.docker(&["build", workshop.path()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "begun"));
    client.kill().unwrap();
    client.wait().unwrap();
    let running = || {
        let ids = engine_lines(&["ps", "-q", "--no-trunc"]);
        ids.iter()
            .any(|id| engine_lines(&["inspect", "--format", "{{.Args}}", id]).concat().contains("sleep 605"))
    };
    while running() {
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn an_operators_image_upon_a_workers_is_not_the_workers_to_look_at() {
    let workshop = Workshop::new(&[("Dockerfile", "FROM IMAGE\nRUN true\n")]);
    let own = workshop.tag("base");
    workshop.ok(&["-t", &own, workshop.path()]);
    let theirs = format!("{}/theirs:1", workshop.bench.worker);
    let dockerfile = format!("FROM {own}\nENV DB_PASSWORD=hush\n");
    let made = workshop.build(Path::new(ENGINE), &["-t", &theirs, "-"], Some(dockerfile.as_bytes()));
    assert!(made.status.success(), "{}", text(&made.stderr));
    let id = engine_lines(&["image", "inspect", "-f", "{{.Id}}", &theirs]).concat();
    let listed = workshop.bench.ok(&["images", "-aq", "--no-trunc"]);
    let told = workshop.bench.refused(&["image", "inspect", &theirs]);
    let by_id = workshop.bench.refused(&["history", &id]);
    drop(engine(&["rmi", &theirs]));
    assert!(!listed.contains(&id), "{listed}");
    assert!(told.contains("No such image") && by_id.contains("No such image"), "{told} {by_id}");
}

#[test]
fn each_stage_counts_in_the_quota_of_images() {
    let workshop = Workshop::with("count = 1\n", &[("Dockerfile", &"FROM IMAGE\nENV A=b\n".repeat(9))]);
    let told = workshop.refused(&[workshop.path()]);
    assert!(told.contains("quota_reached"), "{told}");
    // The bench's own.
    assert_eq!(images(&workshop.bench).len(), 1);
}
