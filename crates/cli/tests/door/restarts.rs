//! What is left of runs when the gateway is killed in the middle of them, or has no room to save them.

use crate::host::{alive, processes, root, wait_until};
use crate::house::{House, Plan};
use crate::said::Said;
use std::process::{Child, Stdio};
use std::time::Duration;

const COUNTING: &str = "[role.extra]\nabout = \"Counts and waits.\"\n\
                        [[role.extra.command]]\nrun = \"seq 1 {n:1..9999999}\"\n\
                        [[role.extra.command]]\nrun = \"sleep {n:1..999999}\"\n";
const MANY: &str = "[worker.WORKER.limits]\nlines = { concurrent = 300, per_minute = 10000 }\n";

fn start(house: &House, line: &str) -> Child {
    house.ssh_command(&[line]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kill_gateway(house: &House) {
    let pid = house.service("gateway");
    root("kill", &["-KILL", &pid.to_string()]).worked();
    wait_until("the gateway is gone", Duration::from_secs(5), || (!alive(pid)).then_some(()));
}

fn served_again(house: &House) {
    wait_until("requests are served again", Duration::from_secs(20), || {
        (house.ssh("seq 1 3").stdout == "1\n2\n3\n").then_some(())
    });
}

/// SQLite's own word on the database.
fn database_is_whole(house: &House) {
    let path = house.dir.join("state/runs/runs.db");
    let database = rusqlite::Connection::open(path).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

/// Ids of the runs of a line, newest first.
fn ids_of(house: &House, line: &str) -> Vec<String> {
    let list = house.operator(&["runs", "400"]).worked().stdout;
    let rows = list.lines().filter(|row| row.ends_with(line));
    rows.map(|row| row.split_whitespace().next().unwrap().to_owned()).collect()
}

/// What the list says of a run's end.
fn exit_of(row: &str) -> Option<&str> {
    row.ends_with("seq 1 20000").then(|| row.split_whitespace().nth(3))?
}

#[test]
fn a_hundred_runs_are_whole_or_marked_after_the_gateways_death() {
    let house = House::new(Plan { more: MANY.to_owned(), ..Plan::default() }.with_role(COUNTING));
    let (seconds, whole) = ((700_000 + std::process::id()).to_string(), root("seq", &["1", "20000"]).stdout);
    let job = house.ssh(&format!("submit -- sleep {seconds}")).worked().stdout.trim().to_owned();
    let sleeps = || processes(&["sleep", &seconds, ""]).into_iter().any(alive);
    wait_until("the job runs", Duration::from_secs(10), || sleeps().then_some(()));
    let submitted: Vec<_> = (0..20).map(|_| start(&house, "submit -- seq 1 20000")).collect();
    let clients: Vec<_> = (0..80).map(|_| start(&house, "seq 1 20000")).collect();
    wait_until("some have ended", Duration::from_secs(60), || {
        let list = house.operator(&["runs", "400"]).stdout;
        let ended = list.lines().filter(|row| exit_of(row) == Some("0"));
        (ended.count() > 10).then_some(())
    });
    kill_gateway(&house);
    for client in clients {
        let said = Said::from(client.wait_with_output().unwrap());
        assert!(said.code != 0 || said.stdout == whole, "an answer that is not whole says so: {said:#?}");
        assert!(said.code == 0 || said.stderr.contains("doorward: "), "{said:#?}");
    }
    let ids: Vec<_> =
        submitted.into_iter().map(|client| Said::from(client.wait_with_output().unwrap()).stdout).collect();
    wait_until("nothing outlives it", Duration::from_secs(5), || (!sleeps()).then_some(()));
    served_again(&house);
    database_is_whole(&house);

    let waited = house.ssh(&format!("runs wait {job}"));
    assert!(waited.code == 125 && waited.stderr.contains("was cut off: the gateway stopped"), "{waited:#?}");
    assert_eq!(house.operator(&["runs", "wait", &job, "--timeout", "1s"]).code, 125);
    let rows = ids_of(&house, "seq 1 20000");
    let exported = house.operator(&["runs", "export", &job, &rows[0], "--format", "tar"]).worked().stdout;
    assert!(
        exported.starts_with(&format!("{job}/run.json\0"))
            && exported.contains(&format!("{}/stdout", rows[0]))
    );
    assert_eq!(exported.len() % 512, 0);
    let mut ended = 0;
    for id in &rows {
        let shown = house.operator(&["runs", "show", id]).worked();
        assert!(!shown.stderr.contains("running"), "no run is left open: {shown:#?}");
        if shown.stderr.contains("ended with exit 0") {
            assert!(shown.stdout == whole, "{}", shown.stderr);
            ended += 1;
        } else {
            assert!(shown.stderr.contains("cut off"), "{}", shown.stderr);
            assert!(whole.starts_with(&shown.stdout), "{}", shown.stderr);
        }
    }
    assert!(ended > 0, "{rows:?}");
    for id in ids.iter().filter(|id| id.ends_with('\n')) {
        assert!(rows.iter().any(|row| row == id.trim()), "a job that was told of is among the runs: {id}");
    }
    let records = house.records();
    let outcome_of = |intent: &serde_json::Value| {
        records.iter().any(|it| it["kind"] == "outcome" && it["request"] == intent["request"])
    };
    let allowed = records.iter().filter(|it| it["kind"] == "intent" && it["argv"][0] == "seq");
    for intent in allowed.filter(|intent| !outcome_of(intent)) {
        assert!(
            rows.iter().any(|row| intent["request"] == row.as_str()),
            "neither outcome nor run of {intent}"
        );
    }
    house.operator(&["audit", "verify"]).worked();
}

#[test]
fn without_room_for_runs_lines_fail_cleanly_and_nothing_saved_is_lost() {
    let house = House::new(Plan { runs_size: Some(6 << 20), ..Plan::default() }.with_role(COUNTING));
    let first = house.ssh("seq 1 1000").worked();
    let first_id = ids_of(&house, "seq 1 1000").remove(0);
    let filler = house.dir.join("state/runs/filler");
    let fill = |left: &str| {
        let script = format!("cat /dev/zero > {0} 2>/dev/null; truncate -s -{left} {0}", filler.display());
        root("/bin/sh", &["-c", &script]);
    };

    fill("256K");
    let live = house.ssh("seq 1 900000");
    assert_eq!((live.code, live.stdout.lines().count()), (0, 900_000), "{}", live.stderr);
    assert!(live.stderr.contains("could not be saved whole"), "{}", live.stderr);

    fill("0");
    let refused = wait_until("there is no room for a row", Duration::from_secs(60), || {
        let said = house.ssh("seq 1 5");
        (said.code != 0).then_some(said)
    });
    assert_eq!((refused.code, refused.stdout.as_str()), (125, ""), "{refused:#?}");
    assert!(refused.stderr.contains("refused (internal)"), "{refused:#?}");
    assert!(refused.stderr.contains("could not be saved, so it was not run"), "{refused:#?}");
    house.ssh("help").worked();

    std::fs::remove_file(&filler).unwrap();
    served_again(&house);
    for restarted in [false, true] {
        assert_eq!(house.ssh(&format!("runs show {first_id}")).stdout, first.stdout, "{restarted}");
        let cut = ids_of(&house, "seq 1 900000").remove(0);
        let shown = house.ssh(&format!("runs show {cut}"));
        assert!(shown.stderr.contains("the saved output is not whole"), "{}", shown.stderr);
        assert!(live.stdout.starts_with(&shown.stdout), "what was saved of it is right");
        if !restarted {
            kill_gateway(&house);
            served_again(&house);
        }
    }
    database_is_whole(&house);
    let denied = house.records().into_iter().filter(|record| record["reason"] == "internal");
    assert!(denied.count() > 0, "the log tells what was not run");
    house.operator(&["audit", "verify"]).worked();
}
