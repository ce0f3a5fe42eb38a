//! Every row of the tables has a case: each endpoint is asked for, and each field of a body is named.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use doorward_attacks::{Case, Http, Message, attacks, legitimate};
use doorward_engine::{ENDPOINTS, reference};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn all() -> Vec<Case> {
    let files = attacks().unwrap().into_iter().chain(legitimate().unwrap());
    files.flat_map(|(_, cases)| cases).collect()
}

fn requests(message: &Message) -> Vec<&Http> {
    match message {
        Message::Http(http) => vec![http],
        Message::Pipelined(messages) => messages.iter().flat_map(requests).collect(),
        Message::Raw(_) | Message::Docker(_) => Vec::new(),
    }
}

/// The path without its version and query.
fn path(target: &str) -> &str {
    let path = target.split('?').next().unwrap_or_default();
    let versioned = path.strip_prefix("/v1.").and_then(|rest| rest.split_once('/'));
    versioned.map_or(path, |(version, _)| path.get(version.len() + 4..).unwrap_or_default())
}

/// Whether a template like `/containers/{id}/json` has this path. Names of images hold slashes.
fn matches(template: &str, path: &str) -> bool {
    if ["/images/{", "/distribution/{", "/plugins/{"].iter().any(|start| template.starts_with(start)) {
        let (before, after) = (template.split('{').next(), template.split('}').nth(1));
        let value = path.strip_prefix(before.unwrap_or_default());
        return value.and_then(|value| value.strip_suffix(after?)).is_some_and(|value| !value.is_empty());
    }
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    let mut parts = template.iter().zip(&path);
    template.len() == path.len()
        && parts.all(|(own, part)| own == part || (own.starts_with('{') && !part.is_empty()))
}

/// Fixed paths before those with parameters, as the table has them.
fn row(http: &Http) -> Option<(&'static str, &'static str)> {
    let path = path(&http.target);
    let found = ENDPOINTS.iter().find(|row| row.method == http.method && matches(row.path, path))?;
    Some((found.method, found.path))
}

#[test]
fn every_endpoint_has_a_case() {
    let cases = all();
    let steps = cases.iter().flat_map(|case| &case.steps).flat_map(|step| requests(&step.message));
    let asked: BTreeSet<_> = steps.filter_map(row).collect();
    let missing: Vec<_> =
        ENDPOINTS.iter().map(|row| (row.method, row.path)).filter(|row| !asked.contains(row)).collect();
    assert!(missing.is_empty(), "no case asks for {missing:?}");
}

/// Every place in a value, as the reference names it: `HostConfig.Mounts[].Target`.
fn places(value: &Value, place: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                for place in [format!("{place}.{key}"), format!("{place}{{}}")] {
                    found.insert(place.clone());
                    places(value, &place, found);
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| places(value, &format!("{place}[]"), found)),
        _ => {}
    }
}

/// The reference's sections, and where the fields of each stand in which body.
const SECTIONS: [(&str, &str, &str, &str); 10] = [
    ("A new container", "POST", "/containers/create", ""),
    ("HostConfig", "POST", "/containers/create", ".HostConfig"),
    ("A mount", "POST", "/containers/create", ".HostConfig.Mounts[]"),
    ("A new network", "POST", "/networks/create", ""),
    ("A connection", "POST", "/networks/{id}/connect", ""),
    ("Its end", "POST", "/networks/{id}/disconnect", ""),
    ("A new volume", "POST", "/volumes/create", ""),
    ("An update", "POST", "/containers/{id}/update", ""),
    ("A command in a container", "POST", "/containers/{id}/exec", ""),
    ("Its start", "POST", "/exec/{id}/start", ""),
];

#[test]
fn every_field_has_a_case() {
    let cases = all();
    let mut named: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for http in cases.iter().flat_map(|case| &case.steps).flat_map(|step| requests(&step.message)) {
        if let (Some(row), Some(json)) = (row(http), &http.json) {
            places(json, "", named.entry(row).or_default());
        }
    }
    let page = reference();
    let mut missing = Vec::new();
    for section in page.split("\n## ").skip(1) {
        if !section.contains("\n| field | type | rule |\n") {
            continue;
        }
        let title = section.lines().next().unwrap_or_default();
        let known = SECTIONS.iter().find(|(known, ..)| *known == title);
        let Some((_, method, path, before)) = known else { panic!("{title}: whose fields are these?") };
        let named = named.get(&(*method, *path)).unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        for (field, _) in rows {
            if !named.contains(&format!("{before}.{field}")) {
                missing.push(format!("{path} {field}"));
            }
        }
    }
    assert!(missing.is_empty(), "no case names {missing:#?}");
}

#[test]
fn the_corpora_are_as_large_as_they_should_be() {
    let count = |files: Vec<(String, Vec<Case>)>| files.iter().map(|(_, cases)| cases.len()).sum::<usize>();
    let (attacks, legitimate) = (count(attacks().unwrap()), count(legitimate().unwrap()));
    assert!(attacks >= 400, "{attacks}");
    assert!(legitimate >= 120, "{legitimate}");
}
