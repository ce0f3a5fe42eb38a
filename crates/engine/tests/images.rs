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

/// What a role with `tag`, `push` and `save` makes of a request where this image bears these names, and where
/// `hermes/taken` is an operator's.
fn handed(method: &str, target: &str, names: &[&str], labels: &Value) -> Result<Box<Approved>, Refusal> {
    let policy = policy_of(&include_str!("data/policy.toml").replace(
        "images     = [\"busybox:*\"]\nvolumes",
        "images = [\"busybox:*\"]\ntags = [\"hermes/*\", \"r.example:5000/hermes/*\"]\nvolumes",
    ));
    let world = |lookup: &Lookup| match lookup {
        Lookup::Image(asked) if asked == "hermes/taken:1" => {
            Some(image(&["hermes/taken:1"], &[], &json!({})))
        }
        Lookup::Image(asked) => {
            (asked == IMAGE || names.contains(&asked.as_str())).then(|| image(names, &[], labels))
        }
        other => answer(other),
    };
    let http = Http::new(method, &format!("/v1.41{target}"));
    match decide_with(&http, &policy, "hermes", Facts::default(), world) {
        Ok(Decision::Forward(approved)) => Ok(approved),
        Ok(Decision::Refuse(refusal)) | Err(refusal) => Err(refusal),
        Ok(Decision::Answer { status, .. }) => {
            Err(Refusal::new(Reason::ObjectNotAllowed, status.to_string()))
        }
    }
}

#[test]
fn an_own_image_is_named_anew_pushed_and_saved_by_a_role_that_says_so() {
    let own = json!({"doorward.worker": "hermes"});
    let names = ["hermes/x:1", "r.example:5000/hermes/x:2"];
    for (method, target, want) in [
        (
            "POST",
            "/images/hermes/x:1/tag?repo=hermes/y",
            format!("/images/{IMAGE}/tag?repo=hermes%2Fy&tag=latest"),
        ),
        (
            "POST",
            "/images/hermes/x:1/tag?repo=hermes/y&tag=2",
            format!("/images/{IMAGE}/tag?repo=hermes%2Fy&tag=2"),
        ),
        (
            "POST",
            "/images/hermes/x:1/tag?repo=docker.io/hermes/y:2",
            format!("/images/{IMAGE}/tag?repo=hermes%2Fy&tag=2"),
        ),
        // A name that another own image, or this one, bears.
        (
            "POST",
            "/images/hermes/x:1/tag?repo=hermes/x&tag=1",
            format!("/images/{IMAGE}/tag?repo=hermes%2Fx&tag=1"),
        ),
        (
            "POST",
            "/images/r.example:5000/hermes/x/push?tag=2",
            "/images/r.example:5000/hermes/x/push?tag=2".into(),
        ),
        ("POST", "/images/hermes/x:1/push", "/images/hermes/x/push?tag=1".into()),
        ("GET", "/images/hermes/x:1/get", "/images/get?names=hermes%2Fx%3A1".into()),
        ("GET", "/images/get?names=hermes/x:1", "/images/get?names=hermes%2Fx%3A1".into()),
        (
            "GET",
            "/images/get?names=hermes/x:1&names=r.example:5000/hermes/x:2",
            "/images/get?names=hermes%2Fx%3A1&names=r.example%3A5000%2Fhermes%2Fx%3A2".into(),
        ),
    ] {
        let approved =
            handed(method, target, &names, &own).unwrap_or_else(|refusal| panic!("{target}: {refusal}"));
        assert_eq!((approved.method, approved.target), (method, format!("/v1.41{want}")), "{target}");
        let password = approved.headers.iter().find(|(name, _)| *name == "X-Registry-Auth");
        assert_eq!(
            password.map(|(_, value)| value.as_str()),
            target.contains("/push").then_some("e30="),
            "{target}"
        );
    }
}

#[test]
fn what_is_not_an_own_image_is_neither_named_anew_nor_pushed_nor_saved() {
    let (own, theirs) = (json!({"doorward.worker": "hermes"}), json!({"doorward.worker": "other"}));
    let (name, none) = (["hermes/x:1"], json!({}));
    let built_upon = ["hermes/x:1", "secret/prod:1"];
    let allowed = ["busybox:1"];
    for asked in ["hermes/x:1", "busybox:1", IMAGE] {
        for (names, labels) in [
            (&name[..], &theirs),
            (&name, &none),
            (&built_upon, &own),
            (&allowed, &own),
            (&allowed, &none),
            (&[], &own),
        ] {
            for (method, target) in [
                ("POST", format!("/images/{asked}/tag?repo=hermes/y")),
                ("POST", format!("/images/{asked}/push")),
                ("POST", format!("/images/{asked}/push?tag=1")),
                ("GET", format!("/images/{asked}/get")),
                ("GET", format!("/images/get?names={asked}")),
                ("GET", format!("/images/get?names=hermes/x:1&names={asked}")),
            ] {
                assert!(handed(method, &target, names, labels).is_err(), "{target} {names:?} {labels}");
            }
        }
    }
}

#[test]
fn a_name_that_is_not_the_workers_to_give_is_not_given() {
    let own = json!({"doorward.worker": "hermes"});
    for (target, path) in [
        ("/images/hermes/x:1/tag?repo=busybox", "?repo"),
        ("/images/hermes/x:1/tag?repo=ollama/ollama&tag=1", "?repo"),
        ("/images/hermes/x:1/tag?repo=evil.example/hermes/x", "?repo"),
        ("/images/hermes/x:1/tag?repo=hermes/x:1&tag=2", "?repo"),
        ("/images/hermes/x:1/tag?repo=hermes/x&tag=..", "?repo"),
        ("/images/hermes/x:1/tag?repo=hermes/taken:1", "?repo"),
        ("/images/hermes/x:1/tag", "?repo"),
        // Without a tag, all names of the repository would go.
        ("/images/hermes/x/push", "?tag"),
        ("/images/hermes/x/push?tag=", "?tag"),
    ] {
        let refusal = handed("POST", target, &["hermes/x:1", "hermes/x"], &own).unwrap_err();
        assert_eq!(refusal.path.as_deref(), Some(path), "{target}: {refusal}");
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
    let (none, never) = (Reason::ObjectNotAllowed, Reason::EndpointRefused);
    for (method, target, reason) in [
        ("POST", "/images/busybox/tag?repo=evil", none),
        ("POST", "/images/busybox/push?tag=latest", none),
        ("GET", "/images/get?names=busybox", none),
        ("GET", "/images/busybox/get", none),
        ("POST", "/images/load", never),
        ("POST", "/commit?container=bench-1", never),
        ("GET", "/containers/bench-1/export", never),
    ] {
        assert_eq!(support::refused(&Http::new(method, target)).reason, reason, "{target}");
    }
    let import = support::refused(&Http::new("POST", "/images/create?fromSrc=-"));
    assert_eq!(import.path.as_deref(), Some("?fromSrc"));
}
