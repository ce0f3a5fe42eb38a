//! What holds for every request: for all that the data files hold, and for what is made from it by chance.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

#[path = "support/invariants.rs"]
mod invariants;
mod support;

use proptest::prelude::*;
use serde_json::Value;

/// Targets and bodies of the attacks and of ordinary clients.
fn known() -> Vec<(String, String)> {
    let files = [include_str!("data/attacks.json"), include_str!("data/clients.json")];
    let rows = files.iter().flat_map(|file| serde_json::from_str::<Vec<Value>>(file).unwrap());
    rows.map(|row| {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let body = ["body", "config", "network", "exec"].iter().find_map(|name| row.get(*name));
        let host = row.get("host").map(|host| format!(r#"{{"Image":"busybox","HostConfig":{host}}}"#));
        let body = host.or(body.map(Value::to_string)).unwrap_or_else(|| text("raw"));
        (format!("{} {}", text("method"), text("target")), body)
    })
    .collect()
}

#[test]
fn they_hold_for_all_that_is_known() {
    let mut let_through = [0; 4];
    for (target, body) in known() {
        let query = target.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let filters = br#"{"label":["a"],"status":{"exited":true}}"#;
        let_through[0] += usize::from(invariants::of_path(target.as_bytes()));
        for choice in 0..40 {
            let_through[1] += usize::from(invariants::of_query(&[&[choice], query.as_bytes()].concat()));
        }
        for choice in 0..20 {
            let_through[2] += usize::from(invariants::of_filters(&[&[choice], filters.as_slice()].concat()));
        }
        for digit in b'0'..b'8' {
            let_through[3] += usize::from(invariants::of_body(&[&[digit], body.as_bytes()].concat()));
        }
    }
    assert!(
        let_through.iter().all(|count| *count > 10),
        "they hold where nothing is let through: {let_through:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_hold_for_what_is_cut_and_put_together_by_chance(
        digit in b'0'..b'8', choice in any::<u8>(),
        first in proptest::sample::select(known()), second in proptest::sample::select(known()),
        at in any::<proptest::sample::Index>(), to in any::<proptest::sample::Index>(), byte in any::<u8>(),
    ) {
        let spliced = |one: &str, other: &str| {
            let (head, tail) = (&one.as_bytes()[..at.index(one.len() + 1)], &other.as_bytes()[to.index(other.len() + 1)..]);
            [head, &[byte], tail].concat()
        };
        invariants::of_path(&spliced(&first.0, &second.0));
        invariants::of_query(&[&[choice], spliced(&first.0, &second.0).as_slice()].concat());
        invariants::of_filters(&[&[choice], spliced(&first.1, &second.1).as_slice()].concat());
        invariants::of_body(&[&[digit], spliced(&first.1, &second.1).as_slice()].concat());
    }
}
