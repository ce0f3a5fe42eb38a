//! How long a worker's containers run and how much they log, on the real engine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_proxy::Timings;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::ServedProxy;
use support::bench::{Bench, engine, text};

fn inspected(name: &str) -> Value {
    let output = engine(&["container", "inspect", name]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list[0].clone()
}

fn is_up(name: &str) -> bool {
    inspected(name)["State"]["Running"] == json!(true)
}

fn wait_until_down(name: &str) {
    let end = Instant::now() + Duration::from_secs(90);
    while is_up(name) {
        assert!(Instant::now() < end, "{name} still runs");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A bench whose containers live so long and are looked at ten times a second.
fn bench(lifetime: &str) -> Bench {
    let run = format!("lifetime = \"{lifetime}\"\nrestart = [\"unless-stopped\", \"always\"]\n");
    let mut bench = Bench::unserved(&run);
    let timings = Timings { lifetimes: Duration::from_millis(100), ..Timings::default() };
    bench.proxy = Some(ServedProxy::with(&bench.broker.path(), timings));
    bench
}

#[test]
fn a_container_whose_time_is_over_is_stopped_and_stays_so() {
    let bench = bench("4s");
    let (name, always) = (bench.name("c"), bench.name("always"));
    let (theirs, operators) = (bench.name("theirs"), bench.name("operators"));
    for (victim, label) in [(&theirs, "doorward.worker=somebody-else"), (&operators, "a=b")] {
        let words = [
            "run",
            "-d",
            "--network",
            "none",
            "--name",
            victim,
            "--label",
            label,
            &bench.image,
            "sleep",
            "600",
        ];
        let made = engine(&words);
        assert!(made.status.success(), "{}", text(&made.stderr));
    }
    bench.ok(&["run", "-d", "--name", &name, "--restart", "unless-stopped", &bench.image, "sleep", "600"]);
    bench.ok(&["run", "-d", "--name", &always, "--restart", "always", &bench.image, "sleep", "600"]);
    let made = inspected(&name);
    assert_eq!(made["Config"]["Labels"]["doorward.role"], json!("bench"));
    wait_until_down(&name);
    wait_until_down(&always);
    let id = made["Id"].as_str().unwrap();
    let stop = bench.broker.intent(|intent| intent.target.ends_with(&format!("{id}/stop?t=10")));
    assert!(stop.allow && stop.durable, "{stop:?}");
    assert_eq!(
        (stop.worker, stop.rule.as_deref()),
        (bench.worker.clone(), Some("bench.docker.run.lifetime"))
    );
    assert_eq!(bench.broker.outcome(&stop.request).status, 204);
    for name in [&name, &always] {
        assert_eq!(inspected(name)["HostConfig"]["RestartPolicy"]["Name"], json!("no"));
        let always = ["update", "--restart", "always", name.as_str()];
        for words in [&["start", name.as_str()][..], &["restart", name], &always] {
            let told = bench.refused(words);
            assert!(told.contains("quota_reached") && told.contains("is over"), "{told}");
        }
        assert!(!is_up(name));
    }
    assert!(is_up(&theirs) && is_up(&operators));
}

#[test]
fn what_cannot_be_recorded_is_not_stopped() {
    let bench = bench("3s");
    let name = bench.name("c");
    bench.ok(&["run", "-d", "--name", &name, &bench.image, "sleep", "600"]);
    bench.broker.fail_audit(true);
    std::thread::sleep(Duration::from_secs(6));
    assert!(is_up(&name));
    bench.broker.fail_audit(false);
    wait_until_down(&name);
}

#[test]
fn a_container_within_its_time_goes_on() {
    let bench = bench("1h");
    let name = bench.name("c");
    bench.ok(&["run", "-d", "--name", &name, &bench.image, "sleep", "600"]);
    std::thread::sleep(Duration::from_secs(1));
    assert!(is_up(&name));
    bench.ok(&["restart", "-t", "0", &name]);
    assert!(is_up(&name));
}

#[test]
fn logs_are_bounded_and_can_be_read() {
    let bench = Bench::start();
    let name = bench.name("c");
    bench.ok(&["run", "--name", &name, &bench.image, "echo", "hello"]);
    let config = json!({"Type": "json-file", "Config": {"max-size": "32m", "max-file": "2"}});
    assert_eq!(inspected(&name)["HostConfig"]["LogConfig"], config);
    assert_eq!(bench.ok(&["logs", &name]), "hello");
    let small = bench.name("small");
    let script = "i=0; while [ $i -lt 2000 ]; do echo 0123456789 $i; i=$((i+1)); done";
    bench.ok(&["run", "--name", &small, "--log-opt", "max-size=4k", &bench.image, "sh", "-c", script]);
    let kept = bench.ok(&["logs", &small]);
    assert!(kept.ends_with("1999") && kept.len() < 8192, "{}", kept.len());
    for options in [
        &["--log-opt", "max-size=-1"][..],
        &["--log-opt", "max-size=0"],
        &["--log-opt", "max-size=1g"],
        &["--log-opt", "max-file=100"],
        &["--log-driver", "syslog"],
        &["--log-opt", "labels=x"],
    ] {
        let told = bench.refused(&[&["create"][..], options, &[&bench.image, "true"]].concat());
        assert!(told.contains("LogConfig") || told.contains("field_not_allowed"), "{options:?} {told}");
    }
}
