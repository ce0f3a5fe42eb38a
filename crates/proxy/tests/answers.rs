//! What a worker reads from the real engine tells nothing of the host, of the operator's secrets, or of others:
//! every endpoint that only looks is asked about every object there is, and each answer is searched.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{Access, ENDPOINTS, Effect};
use serde_json::{Value, json};
use support::bench::{Bench, engine, engine_lines, text};
use support::http::{self, Answer};

/// What stands in everything that no worker may read.
const SECRET: &str = "cAnArY";

/// The objects of a host: the worker's own, the operator's that its role shows it, the operator's, and another
/// worker's.
struct Host {
    bench: Bench,
    folder: tempfile::TempDir,
}

impl Host {
    fn new() -> Host {
        let bench = Bench::with("[role.bench.docker.exec]\n\"WORKER-shared\" = [\"true\"]\n");
        let host = Host { bench, folder: tempfile::tempdir().unwrap() };
        host.operators();
        host.other_workers();
        host.own();
        host
    }

    fn name(&self, suffix: &str) -> String {
        self.bench.name(suffix)
    }

    /// A name that no worker may read.
    fn hidden(&self, suffix: &str) -> String {
        self.bench.name(&format!("{SECRET}-{suffix}"))
    }

    /// The operator's objects: some that nobody is shown, and some that the worker's role names.
    fn operators(&self) {
        let image = &self.bench.image;
        let (victim, volume, network) = (self.hidden("victim"), self.hidden("volume"), self.hidden("net"));
        let (shared, second) = (self.name("shared"), self.name("shared-2"));
        let path = self.folder.path().join(SECRET);
        std::fs::create_dir(&path).unwrap();
        let path = path.display();
        let secrets = format!("-e TOKEN={SECRET} --label token={SECRET}");
        worked(&format!("network create --label token={SECRET} {network}"));
        worked(&format!("network create --label token={SECRET} {}", self.name("shared-net")));
        worked(&format!("volume create --label token={SECRET} {volume}"));
        let options = format!("--opt type=none --opt o=bind --opt device={path}");
        worked(&format!("volume create --label token={SECRET} {options} {}", self.name("shared-volume")));
        let run = "run -d --stop-timeout 0";
        worked(&format!(
            "{run} --ipc shareable --network {network} --name {victim} {secrets} {image} sleep 600"
        ));
        let near = format!(
            "--network {network} --network-alias {SECRET} --link {victim}:db --volumes-from {victim}"
        );
        let more =
            format!("--add-host {SECRET}.example:10.9.9.9 --log-opt labels=token --cgroup-parent /{SECRET}");
        let health = format!("--health-cmd {SECRET} --health-interval 1s");
        worked(&format!(
            "{run} --name {shared} {near} {more} {health} -v {path}:/bound -v {volume}:/data {secrets} {image} sleep 600"
        ));
        let within =
            format!("--network container:{victim} --pid container:{victim} --ipc container:{victim}");
        worked(&format!("{run} --name {second} {within} --uts host {image} sleep 600"));
        worked(&format!("exec -d {shared} sleep 600"));
    }

    fn other_workers(&self) {
        let label = format!("--label doorward.worker={SECRET}");
        let (name, image) = (self.hidden("other"), &self.bench.image);
        worked(&format!("run -d --network none --name {name} {label} {image} sleep 600"));
        worked(&format!("volume create {label} {}", self.hidden("others-volume")));
        worked(&format!("network create {label} {}", self.hidden("others-net")));
    }

    /// The worker's own, one of which the engine could not start.
    fn own(&self) {
        let (network, volume) = (self.name("own-net"), self.name("own-volume"));
        self.bench.ok(&["network", "create", &network]);
        self.bench.ok(&["volume", "create", &volume]);
        let data = format!("{volume}:/data");
        let own = self.name("own");
        self.bench.ok(&[
            "run",
            "-d",
            "--name",
            &own,
            "--network",
            &network,
            "-v",
            &data,
            "-e",
            "MINE=kept",
            &self.bench.image,
            "sleep",
            "600",
        ]);
        let image = &self.bench.image;
        self.bench.refused(&["run", "--name", &self.name("broken"), "-w", "/x", image, "/no/such/program"]);
        // The engine's error names the volume's place on the host.
        let over = format!("type=volume,src={volume},dst=/bin/busybox,volume-nocopy");
        let told =
            self.bench.refused(&["run", "--name", &self.name("broken-2"), "--mount", &over, image, "true"]);
        assert!(told.contains("[path]") && !told.contains("/volumes/"), "{told}");
        let error = engine_lines(&["inspect", "-f", "{{.State.Error}}", &self.name("broken-2")]).join("");
        assert!(error.contains("/volumes/"), "the engine's own words: {error}");
    }

    /// What stands in no answer.
    fn secrets(&self) -> Vec<String> {
        let id = |name: &str| engine_lines(&["inspect", "-f", "{{.Id}}", name]).remove(0);
        let hidden =
            [self.hidden("victim"), self.hidden("other"), self.hidden("net"), self.hidden("others-net")];
        let root = engine_lines(&["info", "-f", "{{.DockerRootDir}}"]).remove(0);
        let host = engine_lines(&["info", "-f", "{{.Name}}"]).remove(0);
        let execs =
            engine_lines(&["inspect", "-f", "{{range .ExecIDs}}{{.}}\n{{end}}", &self.name("shared")]);
        let paths = ["/docker.sock", "/run/docker", "/containerd"].map(str::to_owned);
        let own = [SECRET.to_owned(), root, host, self.folder.path().display().to_string()];
        let ids = hidden.iter().map(|name| id(name)).chain(execs.into_iter().filter(|id| !id.is_empty()));
        own.into_iter().chain(paths).chain(ids).collect()
    }

    /// Names and ids to put where a path says `{id}` or `{name}`.
    fn objects(&self) -> Vec<String> {
        let names = [
            "own",
            "broken",
            "broken-2",
            "shared",
            "shared-2",
            "shared-net",
            "shared-volume",
            "own-net",
            "own-volume",
            "absent",
        ];
        let hidden = ["victim", "other", "volume", "net", "others-net", "others-volume"];
        let names = names.map(|suffix| self.name(suffix)).into_iter();
        let image = [self.bench.image.clone(), "bridge".to_owned(), "host".to_owned()];
        names.chain(hidden.map(|suffix| self.hidden(suffix))).chain(image).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The rest goes with the bench, by its name; what others are linked to last.
        for name in [self.name("shared"), self.name("shared-2")] {
            drop(engine(&["rm", "-fv", &name]));
        }
        for name in [self.hidden("victim"), self.hidden("other")] {
            drop(engine(&["rm", "-fv", &name]));
        }
        for name in ["volume", "others-volume"]
            .map(|suffix| self.hidden(suffix))
            .into_iter()
            .chain([self.name("shared-volume")])
        {
            drop(engine(&["volume", "rm", "-f", &name]));
        }
    }
}

/// The operator's docker command, its words parted by blanks.
fn worked(line: &str) {
    let output = engine(&line.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "docker {line}: {}", text(&output.stderr));
}

/// The query that makes an endless answer end.
fn ending(path: &str) -> String {
    let query = match path {
        "/events" => return format!("?since=0&until={}", now()),
        "/containers/json" => "?all=1&size=1",
        "/containers/{id}/json" => "?size=1",
        "/containers/{id}/logs" => "?stdout=1&stderr=1",
        "/containers/{id}/stats" => "?stream=0",
        _ => "",
    };
    query.to_owned()
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// One host for all questions: an engine has about thirty subnets for everybody's networks.
#[test]
fn a_worker_reads_of_its_own_and_nothing_of_the_host_of_secrets_or_of_others() {
    let host = Host::new();
    no_answer_tells_of_the_host_of_secrets_or_of_others(&host);
    a_list_cannot_be_asked_for_what_it_does_not_show(&host);
    of_its_own_a_worker_sees_what_it_asked_for_and_of_what_it_is_shown_the_shape(&host);
}

fn no_answer_tells_of_the_host_of_secrets_or_of_others(host: &Host) {
    let secrets = host.secrets();
    let rows: Vec<_> = ENDPOINTS
        .iter()
        .filter(|row| row.effect != Effect::Changes && !matches!(row.access, Access::Refused { .. }))
        .filter(|row| row.method == "GET")
        .collect();
    let (mut asked, mut answered) = (0, 0);
    let mut told = Vec::new();
    for row in &rows {
        let objects = if row.path.contains('{') { host.objects() } else { vec![String::new()] };
        for object in &objects {
            let path = row.path.replace("{id}", object).replace("{name}", object);
            let target = format!("/v1.41{path}{}", ending(row.path));
            let answer = host.bench.ask("GET", &target, "");
            asked += 1;
            answered += usize::from(answer.status == 200);
            // A worker may be told again what it said itself.
            let said = text(&answer.body).replace(object.as_str(), "").replace(&host.name("shared"), "");
            let found = secrets.iter().filter(|secret| said.contains(secret.as_str()));
            told.extend(found.map(|secret| format!("{target}: {secret} in {}", around(&said, secret))));
        }
    }
    assert!(asked > 60 && answered > 15, "{answered} of {asked}");
    assert!(told.is_empty(), "{} of {asked}:\n{}", told.len(), told.join("\n"));
}

/// Enough of a text to see where something stands.
fn around(text: &str, what: &str) -> String {
    let (before, after) = text.split_once(what).unwrap_or_default();
    let before: Vec<char> = before.chars().rev().take(160).collect();
    before.into_iter().rev().chain(what.chars()).chain(after.chars().take(120)).collect()
}

fn a_list_cannot_be_asked_for_what_it_does_not_show(host: &Host) {
    let names = |path: &str, filters: Value| {
        let filters: String = filters.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        let mark = if path.contains('?') { '&' } else { '?' };
        let answer = host.bench.ask("GET", &format!("/v1.41{path}{mark}filters={filters}"), "");
        assert_eq!(answer.status, 200, "{}", text(&answer.body));
        text(&answer.body)
    };
    let bound = host.folder.path().join(SECRET).display().to_string();
    for (path, key, guess) in [
        ("/containers/json?all=1", "label", format!("token={SECRET}")),
        ("/containers/json?all=1", "volume", bound),
        ("/containers/json?all=1", "volume", host.hidden("volume")),
        ("/containers/json?all=1", "network", host.hidden("net")),
        ("/networks", "label", format!("token={SECRET}")),
        ("/volumes", "label", format!("token={SECRET}")),
    ] {
        let guessed = names(path, json!({ key: [guess] }));
        assert!(!guessed.contains(&host.name("shared")), "{path} {key} {guess}: {guessed}");
        let shown = names(path, json!({ "name": [host.name("shared")] }));
        assert!(shown.contains(&host.name("shared")), "{path}: it is there to be found: {shown}");
    }
    let own = names("/containers/json?all=1", json!({ "network": [host.name("own-net")] }));
    assert!(own.contains(&host.name("own")), "{own}");
}

fn inspected(host: &Host, suffix: &str) -> Value {
    let answer: Answer =
        http::ask(&host.bench.socket(), "GET", &format!("/v1.41/containers/{}/json", host.name(suffix)), "");
    assert_eq!(answer.status, 200, "{}", text(&answer.body));
    answer.json()
}

fn of_its_own_a_worker_sees_what_it_asked_for_and_of_what_it_is_shown_the_shape(host: &Host) {
    let own = inspected(host, "own");
    assert!(own["Config"]["Env"].as_array().unwrap().contains(&json!("MINE=kept")), "{own}");
    assert_eq!(own["Mounts"][0]["Name"], json!(host.name("own-volume")));
    assert!(own["State"]["Pid"].is_i64());
    assert!(own["NetworkSettings"]["Networks"].as_object().unwrap().contains_key(&host.name("own-net")));
    let broken = inspected(host, "broken");
    let error = broken["State"]["Error"].as_str().unwrap();
    assert!(error.contains("/no/such/program"), "its own words stay: {error}");
    let shared = inspected(host, "shared");
    assert!(shared["Config"]["Env"].as_array().unwrap().contains(&json!("TOKEN=[redacted]")), "{shared}");
    assert_eq!(shared["State"]["Status"], json!("running"));
    assert_eq!(shared["Name"], json!(format!("/{}", host.name("shared"))));
    assert_eq!(shared["NetworkSettings"]["Networks"], json!({}), "its network is not shown");
    assert_eq!(shared["HostConfig"]["RestartPolicy"]["Name"], json!("no"));
}
