//! When a part of the house is gone, nothing is done and the worker is told which.

use crate::host::{root, wait_until};
use crate::house::{House, Plan};
use crate::said::Said;
use std::time::Duration;

/// Longest wait for what comes when it comes, on a machine that has other work too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Failed with doorward's own words, and nothing ran.
#[track_caller]
fn nothing_ran(said: &Said) {
    assert!(matches!(said.code, 125 | 126), "{said:#?}");
    assert_eq!(said.stdout, "", "{said:#?}");
    assert!(said.stderr.starts_with("doorward: "), "{said:#?}");
}

/// Kills a service and stops `doorward serve`, which would start it again.
fn kill_for_good(house: &House, name: &str) {
    root("kill", &["-STOP", &house.serve.id().to_string()]).worked();
    kill(house, name);
}

fn kill(house: &House, name: &str) {
    let pid = house.service(name);
    root("kill", &["-KILL", &pid.to_string()]).worked();
    wait_until("the service is gone", Duration::from_secs(5), || (!crate::host::alive(pid)).then_some(()));
}

#[test]
fn without_the_broker_no_command_runs() {
    let house = House::plain();
    house.ssh("cat /proc/net/tcp").worked();
    kill_for_good(&house, "broker");
    nothing_ran(&house.ssh("cat /proc/net/tcp"));
    nothing_ran(&house.ssh("iptables -S"));
    nothing_ran(&house.ssh("docker ps"));
    let docker = house.docker(&["ps"]);
    assert_ne!(docker.code, 0, "{docker:#?}");
    assert!(docker.stderr.contains("doorward: "), "{docker:#?}");
}

#[test]
fn without_the_gateway_a_session_says_so() {
    let house = House::plain();
    kill_for_good(&house, "gateway");
    nothing_ran(&house.ssh("cat /proc/net/tcp"));
}

#[test]
fn without_the_proxy_no_docker_command_has_an_effect() {
    let mut house = House::plain();
    let (image, name) = (house.image(), format!("gone-{}", house.worker));
    kill_for_good(&house, "proxy");
    let said = house.ssh(&format!("docker run -d --name {name} {image} sleep 600"));
    assert_ne!(said.code, 0, "{said:#?}");
    assert_ne!(root("docker", &["inspect", &name]).code, 0, "nothing was created");
    house.ssh("cat /proc/net/tcp").worked();
}

#[test]
fn a_service_that_dies_is_started_again_and_requests_are_served_again() {
    let house = House::plain();
    for name in ["broker", "gateway", "proxy"] {
        kill(&house, name);
        let served =
            || (house.ssh("cat /proc/net/tcp").code == 0 && house.docker(&["ps"]).code == 0).then_some(());
        wait_until(
            &format!("requests are served again after the {name}'s death"),
            Duration::from_secs(20),
            served,
        );
    }
    house.operator(&["audit", "verify"]).worked();
}

#[test]
fn without_an_engine_the_refusal_says_so_and_host_commands_work() {
    let house =
        House::new(Plan { engine: "/run/doorward-test-no-engine.sock".to_owned(), ..Plan::default() });
    house.ssh("docker ps").refused_by_socket("engine_unavailable");
    house.docker(&["ps"]).refused_by_socket("engine_unavailable");
    house.ssh("cat /proc/net/tcp").worked();
    house.ssh("ss -tlnp").worked();
}

#[test]
fn with_a_full_audit_log_nothing_runs_and_with_room_again_it_does() {
    let house = House::new(Plan { audit_size: Some(1 << 20), ..Plan::default() });
    house.ssh("cat /proc/net/tcp").worked();
    let filler = house.dir.join("state/audit/filler");
    let fill = format!("cat /dev/zero > {0} 2>/dev/null; sync {0}", filler.display());
    root("/bin/sh", &["-c", &fill]);
    // What room is left in the log's last page may carry a few requests more.
    let refused = wait_until("the log is full", Duration::from_secs(20), || {
        let said = house.ssh("cat /proc/net/tcp");
        (said.code != 0).then_some(said)
    });
    nothing_ran(&refused);
    assert!(refused.stderr.contains("audit_unavailable"), "{refused:#?}");
    house.ssh("docker ps").refused_somehow();
    std::fs::remove_file(&filler).unwrap();
    wait_until("the log is written again", Duration::from_secs(20), || {
        (house.ssh("cat /proc/net/tcp").code == 0).then_some(())
    });
    house.operator(&["audit", "verify"]).worked();
}

#[test]
fn output_that_fills_the_disk_stops_nobody() {
    let house = House::new(Plan { state_size: Some(80 << 20), ..Plan::default() });
    let status = house.operator(&["status"]).worked();
    assert!(status.stdout.contains("keep.size of 10240 MiB never fits"), "{status:#?}");
    let noise = house.dir.join("client/noise");
    root("/bin/sh", &["-c", &format!("head -c 26000000 /dev/urandom | base64 > {}", noise.display())])
        .worked();
    for _ in 0..3 {
        let mut cat = house.ssh_command(&["cat"]);
        cat.stdin(std::fs::File::open(&noise).unwrap()).stdout(std::process::Stdio::null());
        let _: Said = cat.output().unwrap().into();
        house.ssh("cat /proc/net/tcp").worked();
    }
    wait_until("outputs are saved again", PATIENCE, || {
        let said = house.ssh("cat /proc/net/tcp").worked();
        (!said.stderr.contains("could not be saved")).then_some(())
    });
    house.operator(&["audit", "verify"]).worked();
}

#[test]
fn the_audit_log_tells_each_request_with_its_verdict_and_verifies_until_it_is_touched() {
    let house = House::plain();
    house.ssh("cat /proc/net/tcp").worked();
    let _ = house.ssh("cat /etc/shadow").refused("not_in_policy");
    house.docker(&["ps"]).worked();
    let listed = |record: &serde_json::Value| {
        record["http"]["target"].as_str().is_some_and(|target| target.contains("/containers/json"))
    };
    // A read does not wait for its record.
    let records = wait_until("the list of containers is on record", PATIENCE, || {
        let records = house.records();
        records.iter().any(|it| it["kind"] == "intent" && listed(it)).then_some(records)
    });
    let intents: Vec<_> = records.iter().filter(|record| record["kind"] == "intent").collect();
    let verdict = |word: &str| {
        intents.iter().find(|record| record["argv"][1] == word).map(|record| record["verdict"].clone())
    };
    assert_eq!(verdict("/proc/net/tcp"), Some("allow".into()));
    assert_eq!(verdict("/etc/shadow"), Some("deny".into()));
    house.operator(&["audit", "verify"]).worked();
    let list = house.operator(&["audit", "list"]).worked();
    assert!(list.stdout.contains("/etc/shadow") && list.stdout.contains("deny"), "{list:#?}");

    let segment = std::fs::read_dir(house.dir.join("state/audit"))
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|e| e == "jsonl")).unwrap();
    let text = std::fs::read_to_string(&segment).unwrap();
    std::fs::write(&segment, text.replacen("/etc/shadow", "/etc/passwd", 1)).unwrap();
    assert_ne!(house.operator(&["audit", "verify"]).code, 0, "an edit is found");
}

/// Whole, or told to be otherwise: what a hundred runs are after the broker was killed in the middle of them.
#[test]
fn a_hundred_runs_are_whole_or_marked_after_the_brokers_death() {
    let house = House::new(
        Plan {
            more: "[worker.WORKER.limits]\nlines = { concurrent = 200, per_minute = 10000 }\n".to_owned(),
            ..Plan::default()
        }
        .with_role(
            "[role.extra]\nabout = \"Counts.\"\n[[role.extra.command]]\nrun = \"seq 1 {n:1..999999}\"\n\
             [[role.extra.command]]\nrun = \"sleep {n:1..999999}\"\n",
        ),
    );
    let (seconds, whole) = (format!("{}", 800_000 + std::process::id()), root("seq", &["1", "20000"]).stdout);
    let start = |line: &str| {
        let mut command = house.ssh_command(&[line]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let waiting = start(&format!("sleep {seconds}"));
    let sleeps = || crate::host::processes(&["sleep", &seconds, ""]).into_iter().any(crate::host::alive);
    wait_until("one runs for long", PATIENCE, || sleeps().then_some(()));
    let clients: Vec<_> = (0..100).map(|_| start("seq 1 20000")).collect();
    wait_until("many have begun and some have ended", PATIENCE, || {
        let list = house.operator(&["runs", "300"]).stdout;
        let rows: Vec<_> = list.lines().filter(|row| row.ends_with("seq 1 20000")).collect();
        let ended = rows.iter().filter(|row| row.split_whitespace().nth(3) == Some("0")).count();
        (rows.len() > 20 && ended > 0).then_some(())
    });
    kill(&house, "broker");
    for client in clients.into_iter().chain([waiting]) {
        let said = Said::from(client.wait_with_output().unwrap());
        assert!(said.code != 0 || said.stdout == whole, "an answer that is not whole says so: {said:#?}");
        assert!(said.code == 0 || said.stderr.contains("doorward: "), "{said:#?}");
    }
    wait_until("nothing outlives it", PATIENCE, || (!sleeps()).then_some(()));
    wait_until("requests are served again", PATIENCE, || {
        (house.ssh("seq 1 3").stdout == "1\n2\n3\n").then_some(())
    });

    let list = house.operator(&["runs", "300"]).worked();
    let mut ended = 0;
    for row in list.stdout.lines().filter(|row| row.contains("seq 1 20000")) {
        let id = row.split_whitespace().next().unwrap();
        let shown = house.operator(&["runs", "show", id]).worked();
        assert!(!shown.stderr.contains("running"), "no run is left open: {shown:#?}");
        if shown.stderr.contains("ended with exit 0") {
            assert_eq!(shown.stdout, whole, "{}", shown.stderr);
            ended += 1;
        } else {
            let marked = ["cut off", "refused"].iter().any(|mark| shown.stderr.contains(mark));
            assert!(marked && whole.starts_with(&shown.stdout), "{}", shown.stderr);
        }
    }
    assert!(ended > 0, "{list:#?}");
    let records = house.records();
    let outcome_of = |intent: &serde_json::Value| {
        records.iter().any(|it| it["kind"] == "outcome" && it["request"] == intent["request"])
    };
    let allowed = records.iter().filter(|it| it["kind"] == "intent" && it["argv"][0] == "seq");
    for intent in allowed.filter(|intent| !outcome_of(intent)) {
        let request = intent["request"].as_str().unwrap();
        assert!(list.stdout.contains(request), "neither outcome nor run of {intent}");
    }
    house.operator(&["audit", "verify"]).worked();
}
