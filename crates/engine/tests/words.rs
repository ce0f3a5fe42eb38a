//! The words of a docker line and the calls that the client makes of them: what one verb of a role grants at the
//! Engine API it grants on a line.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use doorward_engine::{Access, ENDPOINTS, Grant};
use doorward_policy::{Bundle, Policy, Source, Verb};

/// A line, and the call for which it is made.
const LINES: &[(&str, &str, &str)] = &[
    ("ps", "GET", "/containers/json"),
    ("images", "GET", "/images/json"),
    ("info", "GET", "/info"),
    ("stats x", "GET", "/containers/{id}/stats"),
    ("top x", "GET", "/containers/{id}/top"),
    ("logs x", "GET", "/containers/{id}/logs"),
    ("container inspect x", "GET", "/containers/{id}/json"),
    ("port x", "GET", "/containers/{id}/json"),
    ("image inspect x", "GET", "/images/{name}/json"),
    ("network inspect x", "GET", "/networks/{id}"),
    ("volume inspect x", "GET", "/volumes/{name}"),
    ("history x", "GET", "/images/{name}/history"),
    ("wait x", "POST", "/containers/{id}/wait"),
    ("start x", "POST", "/containers/{id}/start"),
    ("stop x", "POST", "/containers/{id}/stop"),
    ("restart x", "POST", "/containers/{id}/restart"),
    ("kill x", "POST", "/containers/{id}/kill"),
    ("pause x", "POST", "/containers/{id}/pause"),
    ("unpause x", "POST", "/containers/{id}/unpause"),
    ("rename x y", "POST", "/containers/{id}/rename"),
    ("update x", "POST", "/containers/{id}/update"),
    ("rm x", "DELETE", "/containers/{id}"),
    ("rmi x", "DELETE", "/images/{name}"),
    ("pull x", "POST", "/images/create"),
    ("tag x y", "POST", "/images/{name}/tag"),
    ("push x:1", "POST", "/images/{name}/push"),
    ("run x", "POST", "/containers/create"),
    ("system df", "GET", "/system/df"),
    ("events", "GET", "/events"),
    ("container prune", "POST", "/containers/prune"),
    ("image prune", "POST", "/images/prune"),
    ("network prune", "POST", "/networks/prune"),
    ("volume prune", "POST", "/volumes/prune"),
    ("builder prune", "POST", "/build/prune"),
    ("network ls", "GET", "/networks"),
    ("volume ls", "GET", "/volumes"),
];

fn policy(verb: Verb) -> Policy {
    let text = format!(
        "version = 1\n[worker.w]\nuser = \"w\"\nroles = [\"r\"]\n[role.r]\nabout = \"A.\"\n[role.r.docker]\nverbs = [\"{}\"]\n",
        verb.words()
    );
    let bundle = Bundle { files: vec![Source { path: "/policy.toml".into(), text }] };
    Policy::load(&bundle).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

#[test]
fn each_verb_grants_on_a_line_what_it_grants_at_the_engine_api() {
    for (verb, _) in Verb::ALL.iter().filter(|(verb, _)| verb.in_force() && *verb != Verb::Exec) {
        let policy = policy(*verb);
        for (line, method, path) in LINES {
            let row = ENDPOINTS.iter().find(|row| row.method == *method && row.path == *path).unwrap();
            let Access::Granted(grants) = row.access else { panic!("{method} {path} is granted by no verb") };
            let at_the_api = grants
                .iter()
                .any(|grant| matches!(grant, Grant::Verb(known) | Grant::Own(known) if known == verb));
            let words: Vec<String> =
                std::iter::once("docker").chain(line.split(' ')).map(str::to_owned).collect();
            let on_the_line = policy.judge_docker_words("w", &words);
            assert_eq!(on_the_line.is_ok(), at_the_api, "{verb}: docker {line}: {on_the_line:?}");
        }
    }
}
