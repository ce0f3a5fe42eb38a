//! What the verb `compose` grants: what compose asks for, on own objects of the role's projects, and no more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod support;

use doorward_engine::{Approved, Decision, Facts, Lookup, refusal_body};
use doorward_policy::{Policy, Reason, Refusal};
use serde_json::{Value, json};
use support::{Http, answer, body_of, decide_with, policy_of};

/// The worker `hermes` with these verbs beside `projects`, and `other` with nothing of compose.
fn policy(verbs: &str) -> Policy {
    policy_of(&format!(
        "version = 1\n[worker.hermes]\nuser = \"a\"\nroles = [\"lab\"]\n[worker.other]\nuser = \"b\"\nroles = [\"lab\"]\n\
         [role.lab]\nabout = \"Compose.\"\n[role.lab.docker]\nverbs = [{verbs}]\nprojects = [\"lab-*\"]\n\
         images = [\"busybox:*\"]\n[role.lab.docker.run]\nmemory = \"1GiB\"\ncpus = 1.5\npids = 256\nshm = \"128MiB\"\n\
         [role.lab.docker.run.always]\nno_new_privileges = true\ncap_drop = [\"NET_RAW\", \"MKNOD\"]\n"
    ))
}

/// The usual world, in which the worker's things carry these labels too.
fn world(labels: Value) -> impl Fn(&Lookup) -> Option<Value> {
    move |lookup| {
        let mut found = answer(lookup)?;
        let place = match lookup {
            Lookup::Container(_) => "/Config/Labels",
            _ => "/Labels",
        };
        if let Some(into) = found.pointer_mut(place).and_then(Value::as_object_mut)
            && into.get("doorward.worker") == Some(&json!("hermes"))
        {
            into.extend(labels.as_object().unwrap().clone());
        }
        Some(found)
    }
}

fn asked(http: &Http, verbs: &str, labels: &Value) -> Result<Box<Approved>, Refusal> {
    match decide_with(http, &policy(verbs), "hermes", Facts::default(), world(labels.clone())) {
        Ok(Decision::Forward(approved)) => Ok(approved),
        Ok(Decision::Refuse(refusal)) | Err(refusal) => Err(refusal),
        other => panic!("{} {}: {other:?}", http.method, http.target),
    }
}

const COMPOSE: &str = "\"compose\"";

fn of(project: &str) -> Value {
    json!({"com.docker.compose.project": project})
}

fn labelled(labels: &Value) -> Http {
    Http::create(&json!({"Image": "busybox", "Labels": labels}))
}

/// Every call that compose makes on an object, in this world's names.
fn calls() -> Vec<Http> {
    let on = |method: &str, path: &str| Http::new(method, &format!("/v1.41{path}"));
    let mut calls: Vec<Http> =
        ["start", "stop", "restart", "kill", "pause", "unpause", "attach", "wait", "rename?name=lab-1-x"]
            .iter()
            .map(|way| on("POST", &format!("/containers/bench-1/{way}")))
            .collect();
    calls
        .extend(["json", "logs", "top", "stats"].map(|way| on("GET", &format!("/containers/bench-1/{way}"))));
    calls
        .extend(["/containers/bench-1", "/networks/minenet", "/volumes/mine"].map(|path| on("DELETE", path)));
    calls.extend(["/networks/minenet", "/volumes/mine"].map(|path| on("GET", path)));
    let body = json!({"Container": "bench-1"});
    calls.extend(
        ["connect", "disconnect"]
            .map(|way| Http::json("POST", &format!("/v1.41/networks/minenet/{way}"), &body)),
    );
    calls
}

#[test]
fn compose_by_itself_grants_its_calls_on_what_is_of_a_project_of_the_role() {
    for http in calls() {
        let approved = asked(&http, COMPOSE, &of("lab-1")).unwrap_or_else(|refusal| {
            panic!("{} {}: {refusal}", http.method, http.target);
        });
        assert_eq!(approved.rule, "lab.docker.compose", "{} {}", http.method, http.target);
    }
    for path in ["/containers/json?all=1", "/images/json", "/networks", "/volumes", "/events", "/info"] {
        asked(&Http::new("GET", &format!("/v1.41{path}")), COMPOSE, &json!({})).unwrap();
    }
}

#[test]
fn what_is_own_but_of_no_project_of_the_role_is_not_composes() {
    for labels in [json!({}), of("prod"), of("Lab-1"), json!({"com.docker.compose.project": 1})] {
        for http in calls() {
            let refusal = asked(&http, COMPOSE, &labels).expect_err(&http.target);
            assert_eq!(refusal.reason, Reason::VerbNotAllowed, "{}: {labels}: {refusal}", http.target);
        }
    }
}

#[test]
fn compose_by_itself_grants_no_call_beside_those() {
    for (method, path, body) in [
        ("POST", "/containers/bench-1/update", Some(json!({"Memory": 1}))),
        ("POST", "/containers/bench-1/exec", Some(json!({"Cmd": ["sh"]}))),
        ("POST", "/containers/prune", None),
        ("POST", "/volumes/prune", None),
        ("POST", "/images/create?fromImage=busybox&tag=1", None),
        ("DELETE", "/images/busybox", None),
        ("POST", "/images/busybox/tag?repo=x", None),
        ("GET", "/images/busybox/history", None),
        ("GET", "/system/df", None),
    ] {
        let target = format!("/v1.41{path}");
        let http = body.map_or_else(|| Http::new(method, &target), |body| Http::json(method, &target, &body));
        let refusal = asked(&http, COMPOSE, &of("lab-1")).expect_err(path);
        assert_eq!(refusal.reason, Reason::VerbNotAllowed, "{method} {path}: {refusal}");
    }
}

#[test]
fn what_compose_makes_belongs_to_a_project_of_the_role() {
    let create = asked(&labelled(&of("lab-1")), COMPOSE, &json!({})).unwrap();
    assert_eq!(create.rule, "lab.docker.compose");
    let labels = &body_of(&create)["Labels"];
    assert_eq!(labels["com.docker.compose.project"], "lab-1");
    assert_eq!(labels["doorward.worker"], "hermes");
    for (verbs, labels, reason) in [
        (COMPOSE, json!({}), Reason::VerbNotAllowed),
        (COMPOSE, of("prod"), Reason::VerbNotAllowed),
        ("\"run\", \"compose\"", of("prod"), Reason::FieldNotAllowed),
        ("\"run\"", of("lab-1"), Reason::FieldNotAllowed),
        ("\"run\", \"compose\"", json!({"com.docker.compose.service": "web"}), Reason::FieldNotAllowed),
    ] {
        for http in [
            labelled(&labels),
            Http::json("POST", "/v1.41/networks/create", &json!({"Name": "n", "Labels": labels})),
            Http::json("POST", "/v1.41/volumes/create", &json!({"Name": "v", "Labels": labels})),
        ] {
            let refusal = asked(&http, verbs, &json!({})).expect_err(&http.target);
            let at = (refusal.reason, refusal.path.as_deref());
            assert_eq!(at, (reason, Some("Labels")), "{verbs} {labels} {}: {refusal}", http.target);
            assert_eq!(refusal.rule.as_deref(), Some("lab.docker"));
        }
    }
    asked(&labelled(&json!({})), "\"run\", \"compose\"", &json!({})).unwrap();
}

#[test]
fn labels_that_compose_does_not_have_are_refused_whatever_the_project() {
    for (name, value) in [
        ("com.docker.compose.unheard-of", "x"),
        ("com.docker.compose.", "x"),
        ("com.docker.compose.project.x", "x"),
        ("com.docker.desktop.address", "x"),
        ("com.docker.stack.namespace", "x"),
        ("Com.Docker.Compose.project", "lab-1"),
        ("com.docker.\u{212a}ompose", "x"),
        ("com.docker.compose.container-number", "1; rm"),
        ("com.docker.compose.oneoff", "maybe"),
        ("com.docker.compose.project.working_dir", "a\u{1b}[2J"),
        ("doorward.worker", "other"),
        ("traefik.enable", "true"),
    ] {
        let mut labels = of("lab-1");
        labels[name] = json!(value);
        let refusal = asked(&labelled(&labels), COMPOSE, &json!({})).map(|_| ()).expect_err(name);
        assert_eq!(refusal.path.as_deref(), Some("Labels"), "{name}: {refusal}");
    }
}

#[test]
fn a_project_that_an_image_names_counts_unless_the_request_names_another() {
    let built_by = |project: &str| {
        let project = project.to_owned();
        move |lookup: &Lookup| {
            let mut found = answer(lookup)?;
            if matches!(lookup, Lookup::Image(_)) {
                found["Config"] = json!({"Labels": of(&project)});
            }
            Some(found)
        }
    };
    let judge = |project: &str, labels: &Value| {
        let policy = policy("\"run\", \"compose\"");
        match decide_with(&labelled(labels), &policy, "hermes", Facts::default(), built_by(project)) {
            Ok(Decision::Forward(_)) => Ok(()),
            Ok(Decision::Refuse(refusal)) => Err(refusal),
            other => panic!("{other:?}"),
        }
    };
    judge("lab-1", &json!({})).unwrap();
    judge("prod", &of("lab-2")).unwrap();
    assert_eq!(judge("prod", &json!({})).unwrap_err().path.as_deref(), Some("Labels"));
}

#[test]
fn an_absent_volume_becomes_the_projects() {
    let body = json!({"Image": "busybox", "Labels": of("lab-1"), "HostConfig": {"Binds": ["absent:/data"]}});
    let approved = asked(&Http::create(&body), COMPOSE, &json!({})).unwrap();
    let volume = body_of(&approved.beforehand[0]);
    let expected = json!({"doorward.worker": "hermes", "com.docker.compose.project": "lab-1"});
    assert_eq!(volume, json!({"Name": "absent", "Driver": "local", "Labels": expected}));
}

#[test]
fn a_refusal_names_the_field_the_rule_and_what_is_allowed_in_what_clients_print() {
    let body = json!({"Image": "busybox", "Labels": of("lab-1"), "HostConfig": {"Binds": ["/:/host"]}});
    let refusal = asked(&Http::create(&body), COMPOSE, &json!({})).map(|_| ()).unwrap_err();
    let message = refusal_body(&refusal)["message"].as_str().unwrap().to_owned();
    for part in ["field_not_allowed", "[HostConfig.Binds[0]]", "; allowed: ", "; rule: lab.docker"] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

/// Compose 1.29 makes a network anew when it finds an option that its file does not name.
#[test]
fn what_doorward_adds_to_a_network_is_not_shown_as_its_option() {
    let approved = asked(&Http::new("GET", "/v1.41/networks/minenet"), COMPOSE, &of("lab-1")).unwrap();
    let made = json!({"Name": "minenet", "Labels": {"doorward.worker": "hermes"},
        "Options": {"com.docker.network.bridge.inhibit_ipv4": "true"}});
    let seen = approved.answer.apply(200, made.to_string().as_bytes(), &policy(COMPOSE), "hermes").unwrap();
    let seen: Value = serde_json::from_slice(&seen).unwrap();
    assert_eq!(seen["Options"], json!({}));
}

/// Compose 1.29 looks in there for the image's volumes when it makes a service anew.
#[test]
fn of_what_an_images_build_ran_in_its_volumes_alone_are_shown() {
    let approved = asked(&Http::new("GET", "/v1.41/images/busybox/json"), COMPOSE, &json!({})).unwrap();
    let shown = |image: Value| {
        let seen =
            approved.answer.apply(200, image.to_string().as_bytes(), &policy(COMPOSE), "hermes").unwrap();
        serde_json::from_slice::<Value>(&seen).unwrap()["ContainerConfig"].clone()
    };
    let config = json!({"Env": ["SECRET=s3"], "Volumes": {"/data": {}}});
    assert_eq!(shown(json!({"ContainerConfig": config})), json!({"Volumes": {"/data": {}}}));
    assert_eq!(shown(json!({})), Value::Null);
}
