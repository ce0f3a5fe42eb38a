//! Jobs: lines that outlive their connection.

use crate::host::{alive, processes, root, wait_until};
use crate::house::{House, Plan};
use crate::registry::{Registry, planned};
use crate::said::Said;
use std::time::{Duration, Instant};

/// Submits a line; the id of its run.
fn submit(house: &House, line: &str) -> String {
    let said = house.ssh(&format!("submit -- {line}")).worked();
    let id = said.stdout.lines().next().unwrap_or_else(|| panic!("no id: {said:#?}")).to_owned();
    assert!(id.len() >= 8 && id.chars().all(|c| c.is_ascii_alphanumeric()), "{said:#?}");
    id
}

/// What a run's page shows, header and output.
fn shown(house: &House, id: &str) -> String {
    let said = house.ssh(&format!("runs show {id}")).worked();
    format!("{}{}", said.stderr, said.stdout)
}

#[test]
fn a_pull_goes_on_without_its_connection_and_its_progress_is_seen() {
    let (port, pattern) = planned();
    let house = House::new(Plan::default().with_role(&format!(
        "[role.extra]\nabout = \"Pulls models.\"\n[role.extra.docker]\nverbs = [\"pull\", \"images\"]\nimages = [{pattern:?}]\n"
    )));
    let registry = Registry::with_image(&house.dir.join("registry"), port);
    let id = submit(&house, &format!("docker pull {}", registry.image));
    let waited = house.ssh(&format!("runs wait {id} --timeout 60s"));
    assert_eq!(waited.code, 0, "{waited:#?}");
    let shown = shown(&house, &id);
    for progress in ["Pulling from bench/model", "Pull complete", "Status: Downloaded newer image"] {
        assert!(
            shown.contains(progress) || progress == "Pull complete" && shown.contains("Already exists"),
            "{shown}"
        );
    }
    let list = house.ssh("runs").worked();
    assert!(list.stdout.lines().any(|line| line.contains(&id) && line.contains("docker pull")), "{list:#?}");
    house.operator(&["audit", "verify"]).worked();
}

#[test]
fn a_jobs_output_is_seen_while_it_runs_and_it_ends_when_it_is_cancelled() {
    let mut house = House::plain();
    let (image, name) = (house.image(), format!("slow-{}", house.worker));
    let script = "'n=0; while :; do n=$((n+1)); echo tick $n; sleep 0.2; done'";
    house.ssh(&format!("docker run -d --name {name} {image} sh -c {script}")).worked();
    let id = submit(&house, &format!("docker logs -f {name}"));
    let latest = || {
        let text = shown(&house, &id);
        text.lines().filter_map(|line| line.strip_prefix("tick ")?.parse::<u32>().ok()).next_back()
    };
    let first = wait_until("progress is seen", Duration::from_secs(5), latest);
    wait_until("and more of it", Duration::from_secs(5), || latest().filter(|tick| *tick > first + 5));
    let list = house.ssh("runs").worked();
    assert!(list.stdout.lines().any(|line| line.contains(&id) && line.contains("running")), "{list:#?}");
    let early = house.ssh(&format!("runs wait {id} --timeout 1s"));
    assert_eq!(early.code, 124, "{early:#?}");
    house.ssh(&format!("runs cancel {id}")).worked();
    let waited = house.ssh(&format!("runs wait {id} --timeout 10s"));
    assert!(waited.code != 0 && waited.code != 124, "{waited:#?}");
}

#[test]
fn what_would_be_refused_is_refused_when_it_is_submitted() {
    let house = House::plain();
    let _ = house.ssh("submit -- cat /etc/shadow").refused("not_in_policy");
    let _ = house.ssh("submit -- 'echo $(id)'").refused("construct");
    let _ = house.ssh("submit -- 'cat /proc/net/tcp | sh'").refused("not_in_policy");
    house.ssh("submit -- submit -- whoami").refused_somehow();
    assert_eq!(house.ssh("submit").code, 2);
}

#[test]
fn a_jobs_end_is_told_to_who_waits() {
    let house = House::new(Plan::default().with_sleep());
    let id = submit(&house, "'sleep 2; echo slept | cat; false'");
    let begun = Instant::now();
    let waited = house.ssh(&format!("runs wait {id} --timeout 30s"));
    assert_eq!(waited.code, 1, "the run's own: {waited:#?}");
    assert!(begun.elapsed() > Duration::from_secs(1), "it waited");
    assert!(shown(&house, &id).contains("slept"));
    assert_eq!(house.ssh(&format!("runs wait {id}")).code, 1, "an ended run is told at once");
}

#[test]
fn a_job_of_a_service_that_died_says_so_and_leaves_nothing_behind() {
    let house = House::new(Plan::default().with_sleep());
    let seconds = format!("{}", 700_000 + std::process::id());
    let id = submit(&house, &format!("sleep {seconds}"));
    let running = || processes(&["sleep", &seconds, ""]).into_iter().any(alive);
    wait_until("it runs", Duration::from_secs(30), || running().then_some(()));
    root("kill", &["-KILL", &house.service("gateway").to_string()]).worked();
    wait_until("it is gone", Duration::from_secs(30), || (!running()).then_some(()));
    let waited: Said = wait_until("runs are told again", Duration::from_secs(20), || {
        let said = house.ssh(&format!("runs wait {id} --timeout 5s"));
        (!said.stderr.contains("gateway_unavailable") && !said.stderr.contains("not running")).then_some(said)
    });
    assert_eq!(waited.code, 125, "{waited:#?}");
    assert!(shown(&house, &id).contains("cut off"), "{}", shown(&house, &id));
}
