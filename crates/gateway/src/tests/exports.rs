//! `runs export`: saved runs as data.

use super::house::{Answered, House, POLICY, expect_stdout};
use doorward_wire::session::Operator;
use serde_json::Value;
use std::process::Command;

fn operator(house: &House, words: &[&str]) -> Answered {
    house.ask(Operator::Runs { words: words.iter().map(|word| (*word).to_owned()).collect() })
}

fn ids(exported: &Answered) -> Vec<String> {
    let rows: Vec<Value> = serde_json::from_slice(&exported.stdout).unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Unpacks with the host's own tar; what is in the file of a run.
fn unpacked(archive: &Answered) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.tar");
    std::fs::write(&path, &archive.stdout).unwrap();
    let tar = Command::new("tar").arg("-xf").arg(&path).arg("-C").arg(folder.path()).output().unwrap();
    assert!(tar.status.success() && tar.stderr.is_empty(), "{tar:?}");
    folder
}

#[test]
fn json_has_every_run_of_the_worker_oldest_first() {
    let house = House::new();
    assert_eq!(house.say("runs export").out(), "[\n]\n");
    for number in 0..70 {
        house.say(format!("sh -c 'echo {number}; exit 3'"));
    }
    house.say("cat /etc/shadow");
    let exported = house.say("runs export --format json");
    assert_eq!(exported.exit, Some(0));
    let rows: Vec<Value> = serde_json::from_slice(&exported.stdout).unwrap();
    assert_eq!(rows.len(), 71);
    assert_eq!(
        (rows[0]["line"].as_str(), rows[0]["exit"].as_u64()),
        (Some("sh -c 'echo 0; exit 3'"), Some(3))
    );
    assert_eq!((&rows[70]["state"], &rows[70]["reason"]), (&"refused".into(), &"not_in_policy".into()));
    let some = house.say(format!("runs export {} {}", rows[5]["id"].as_str().unwrap(), house.newest_run()));
    assert_eq!(ids(&some), [rows[5]["id"].as_str().unwrap(), rows[70]["id"].as_str().unwrap()]);
}

#[test]
fn csv_keeps_lines_whole_and_makes_no_formulas_of_them() {
    let house = House::new();
    house.say("sh -c 'echo \"a,b\"; exit 2'");
    house.say("'=cmd' x");
    let csv = house.say("runs export --format csv").out();
    let lines: Vec<_> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert!(lines[0].starts_with("id,worker,state,exit,"));
    assert!(
        lines[1].contains(",ended,2,exited,") && lines[1].ends_with(r#","sh -c 'echo ""a,b""; exit 2'""#),
        "{csv}"
    );
    assert!(lines[2].contains(",refused,126,"), "{csv}");
    let from = house.say("runs export --format=csv").out();
    assert_eq!(from, csv);
}

#[test]
fn tar_holds_each_runs_row_and_outputs_as_they_were_saved() {
    let house = House::new();
    let long = house.say("sh -c 'seq 1 100000; echo failed >&2; exit 1'");
    let long_id = house.newest_run();
    house.say("sh -c 'echo password=hunter2'");
    let secret_id = house.newest_run();
    house.say("sh -c true");
    let empty_id = house.newest_run();
    let folder = unpacked(&house.say("runs export --format tar"));
    let read = |id: &str, name: &str| std::fs::read(folder.path().join(id).join(name)).unwrap();
    assert!(read(&long_id, "stdout") == long.stdout && read(&long_id, "stderr") == b"failed\n");
    assert_eq!(read(&secret_id, "stdout"), b"[redacted]\n");
    assert_eq!((read(&empty_id, "stdout").len(), read(&empty_id, "stderr").len()), (0, 0));
    let about: Value = serde_json::from_slice(&read(&long_id, "run.json")).unwrap();
    assert_eq!((about["id"].as_str(), about["exit"].as_u64()), (Some(long_id.as_str()), Some(1)));
}

#[test]
fn a_run_that_goes_on_is_exported_as_far_as_it_is() {
    let house = House::new();
    let mut session = house.send("sh -c 'echo begun; sleep 1000'");
    expect_stdout(&mut session, b"begun\n");
    let id = house.newest_run();
    let folder = unpacked(&house.say(format!("runs export {id} --format tar")));
    assert_eq!(std::fs::read(folder.path().join(&id).join("stdout")).unwrap(), b"begun\n");
}

#[test]
fn a_worker_exports_its_own_and_the_operator_all() {
    let mut house = House::with_policy(POLICY);
    house.say("sh -c 'echo mine'");
    let mine = house.newest_run();
    house.close();
    house.broker.set_terms(|terms| terms.worker = "other".into());
    house.open();
    house.say("sh -c 'echo theirs'");
    assert!(!ids(&house.say("runs export")).contains(&mine));
    let all = operator(&house, &["export"]);
    assert_eq!((ids(&all).len(), ids(&all)[0].as_str()), (2, mine.as_str()));
    house.say(format!("runs export {mine}")).assert_refused(126, "object_not_allowed");
    for wrong in ["runs export --format xml", "runs export --to /etc/x", "runs export --format"] {
        house.say(wrong).assert_refused(2, "bad_request");
    }
}

#[test]
fn nothing_that_is_exported_acts_on_a_terminal_or_hides_text() {
    let house = House::new();
    house.say("no \u{1b}[2J \u{7f}\u{9b}\u{202e}\u{ad}hidden").assert_refused(126, "bad_encoding");
    for format in ["json", "csv", "tar"] {
        let exported = house.say(format!("runs export --format {format}")).out();
        assert!(exported.contains("hidden"), "{exported}");
        let hidden = |c: char| doorward_policy::is_hidden(c) && !matches!(c, '\0' | '\r' | '\n');
        assert!(!exported.chars().any(hidden), "{format}: {exported:?}");
    }
}
