//! Images: which may be removed, and what their history tells.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{Approved, Decision, Facts, Lookup};
use doorward_policy::{Reason, Refusal};
use serde_json::{Value, json};
use support::{Http, IMAGE, allowed, answer, decide_with, policy, policy_of};

const DIGEST: &str = "busybox@sha256:7777777777777777777777777777777777777777777777777777777777777777";

fn remove(asked: &str, image: &Value) -> Result<Box<Approved>, Refusal> {
    let policy = policy_of(&include_str!("data/policy.toml").replace(
        "images     = [\"busybox:*\"]\nvolumes",
        "images = [\"busybox:*\"]\ntags = [\"hermes/*\"]\nvolumes",
    ));
    let world = |lookup: &Lookup| match lookup {
        Lookup::Image(_) => Some(image.clone()),
        other => answer(other),
    };
    let http = Http::new("DELETE", &format!("/v1.41/images/{asked}"));
    match decide_with(&http, &policy, "hermes", Facts::default(), world) {
        Ok(Decision::Forward(approved)) => Ok(approved),
        Ok(Decision::Refuse(refusal)) | Err(refusal) => Err(refusal),
        Ok(Decision::Answer { status, body, .. }) => panic!("{status} {body}"),
    }
}

fn image(names: &[&str], digests: &[&str], labels: &Value) -> Value {
    json!({"Id": IMAGE, "RepoTags": names, "RepoDigests": digests, "Config": {"Labels": labels}})
}

#[test]
fn an_own_image_is_removed_and_so_is_one_that_could_be_pulled_again() {
    let own = json!({"doorward.worker": "hermes"});
    for (asked, image, target) in [
        ("hermes/x:1", image(&["hermes/x:1"], &[], &own), IMAGE),
        ("hermes/x:1", image(&["hermes/x:1", "hermes/y:1"], &[], &own), "hermes/x:1"),
        ("hermes/x:1?force=1", image(&["hermes/x:1"], &[], &own), &format!("{IMAGE}?force=1")),
        (IMAGE, image(&[], &[], &own), IMAGE),
        ("busybox", image(&["busybox:latest"], &[DIGEST], &json!({})), IMAGE),
        ("busybox", image(&["busybox:latest", "secret/prod:1"], &[DIGEST], &json!({})), "busybox:latest"),
    ] {
        let approved = remove(asked, &image).unwrap();
        assert_eq!(
            (approved.method, approved.target),
            ("DELETE", format!("/v1.41/images/{target}")),
            "{asked}"
        );
    }
}

#[test]
fn an_image_that_would_be_lost_to_others_stays() {
    let own = json!({"doorward.worker": "hermes"});
    for (asked, image, reason) in [
        // Made on this host by somebody.
        ("busybox", image(&["busybox:latest"], &[], &json!({})), Reason::ObjectNotAllowed),
        // Built by the operator upon a worker's, whose label it inherits.
        ("busybox", image(&["busybox:latest"], &[], &own), Reason::ObjectNotAllowed),
        (IMAGE, image(&["hermes/x:1", "secret/prod:1"], &[], &own), Reason::ObjectNotAllowed),
        // By its id, all of its names would go.
        (IMAGE, image(&["busybox:latest", "secret/prod:1"], &[DIGEST], &json!({})), Reason::ObjectNotAllowed),
        ("busybox?force=1", image(&["busybox:latest"], &[DIGEST], &json!({})), Reason::FieldNotAllowed),
        (
            "busybox",
            image(&["busybox:latest"], &[], &json!({"doorward.worker": "other"})),
            Reason::ObjectNotAllowed,
        ),
    ] {
        assert_eq!(remove(asked, &image).unwrap_err().reason, reason, "{asked} {image}");
    }
}

#[test]
fn a_history_tells_neither_build_arguments_nor_names_that_others_gave() {
    let approved = allowed(&Http::new("GET", "/v1.41/images/busybox/history"));
    assert_eq!(approved.target, format!("/v1.41/images/{IMAGE}/history"));
    let layers = json!([
        {"Id": IMAGE, "CreatedBy": "|2 TOKEN=hush OTHER=a b /bin/sh -c make", "Tags": ["busybox:latest", "secret/prod:1"], "Size": 1},
        {"Id": "<missing>", "CreatedBy": "RUN |1 TOKEN=hush /bin/sh -c make # buildkit", "Tags": null, "Comment": "x"},
        {"Id": "<missing>", "CreatedBy": "|1 TOKEN=hush make"},
    ]);
    let seen = approved.answer.apply(200, layers.to_string().as_bytes(), &policy(), "hermes").unwrap();
    let seen: Value = serde_json::from_slice(&seen).unwrap();
    assert!(!seen.to_string().contains("hush") && !seen.to_string().contains("prod"), "{seen}");
    assert_eq!(seen[0]["CreatedBy"], json!("[build arguments] /bin/sh -c make"));
    assert_eq!(seen[0]["Tags"], json!(["busybox:latest"]));
}

#[test]
fn images_neither_leave_nor_enter_but_by_a_pull() {
    for (method, target) in [
        ("POST", "/images/busybox/tag?repo=evil"),
        ("POST", "/images/busybox/push"),
        ("POST", "/images/load"),
        ("GET", "/images/get?names=busybox"),
        ("GET", "/images/busybox/get"),
        ("POST", "/commit?container=bench-1"),
        ("GET", "/containers/bench-1/export"),
    ] {
        assert_eq!(support::refused(&Http::new(method, target)).reason, Reason::EndpointRefused, "{target}");
    }
    let import = support::refused(&Http::new("POST", "/images/create?fromSrc=-"));
    assert_eq!(import.path.as_deref(), Some("?fromSrc"));
}
