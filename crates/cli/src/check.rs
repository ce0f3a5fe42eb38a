//! `doorward check`: a policy's errors, notices and what this host lacks for it.

use crate::exit::BROKEN;
use crate::policy::render;
use crate::sshd;
use doorward_broker::accounts;
use doorward_gateway::Room;
use doorward_policy::{Identity, Notice, Policy, PolicyError};
use std::path::Path;

/// Prints everything that is to be said about the policy at `path`; 0 when it loads.
pub(crate) fn run(path: &Path, state_dir: &Path, json: bool) -> u8 {
    let bundle = match doorward_broker::policy_files::read(path) {
        Ok(bundle) => bundle,
        Err(error) => return refuse(json, &error.to_string()),
    };
    match Policy::load(&bundle) {
        Ok(policy) => accept(&policy, state_dir, json),
        Err(errors) if json => {
            print_json(
                &serde_json::json!({ "ok": false, "errors": errors.iter().map(as_data).collect::<Vec<_>>() }),
            );
            BROKEN
        }
        Err(errors) => {
            eprint!("{}", render(&bundle, &errors));
            eprintln!("doorward: {} in the policy", counted(errors.len(), "error"));
            BROKEN
        }
    }
}

fn accept(policy: &Policy, state_dir: &Path, json: bool) -> u8 {
    let missing = missing_programs(policy);
    let missing_accounts = missing_accounts(policy);
    let ways_round = ways_round(policy);
    let binds = unsafe_binds(policy);
    let runs_room = runs_room(policy, state_dir);
    if json {
        let notices: Vec<_> = policy
            .notices
            .iter()
            .map(|notice| serde_json::json!({ "at": notice.at.to_string(), "message": notice.message }))
            .collect();
        let answer = serde_json::json!({
            "ok": true, "hash": policy.hash.0, "notices": notices, "unavailable": missing,
            "no_account": missing_accounts, "ways_round": ways_round, "unsafe_binds": binds,
            "runs_room": runs_room,
        });
        print_json(&answer);
        return 0;
    }
    for notice in &policy.notices {
        println!("{}", labelled(notice));
    }
    let place = |who: &str| place(policy, who);
    for (rule, program) in &missing {
        println!(
            "{}notice: {rule}: `{program}` is not on this host; the rule answers `unavailable`",
            place(rule)
        );
    }
    for (who, what) in &missing_accounts {
        println!("{}notice: {who}: there is no {what} on this host", place(who));
    }
    for (role, fault) in &binds {
        println!("{}notice: {role}: a bind will be refused: {fault}", place(role));
    }
    for (worker, way) in &ways_round {
        println!("{}danger: {worker}: {way}", place(worker));
    }
    if let Some(notice) = runs_room {
        println!("runs: {notice}");
    }
    let rules: usize = policy.roles.values().map(|role| role.commands.len()).sum();
    println!(
        "ok: {}, {}, {}; hash {}",
        counted(policy.workers.len(), "worker"),
        counted(policy.roles.len(), "role"),
        counted(rules, "command rule"),
        policy.hash.0.get(..12).unwrap_or_default()
    );
    0
}

/// A notice of the policy, with how much it weighs.
fn labelled(notice: &Notice) -> String {
    let label = if notice.message.starts_with("danger:") { "" } else { "notice: " };
    format!("{}: {label}{}", notice.at, notice.message)
}

/// `FILE:LINE:COLUMN: ` of a rule, or of a role with docker; nothing for others.
fn place(policy: &Policy, who: &str) -> String {
    let mut rules = policy.roles.values().flat_map(|role| &role.commands);
    let rule = rules.find(|rule| rule.id == who).map(|rule| &rule.at);
    let docker = || policy.roles.get(who)?.docker.as_ref().map(|docker| &docker.at);
    let worker = || policy.workers.get(who).map(|worker| &worker.at);
    rule.or_else(docker).or_else(worker).map(|at| format!("{at}: ")).unwrap_or_default()
}

/// Binds that would be refused as the host is now, as (role, why).
fn unsafe_binds(policy: &Policy) -> Vec<(String, String)> {
    let roles = policy.roles.values().filter_map(|role| role.docker.as_ref());
    let binds = roles.flat_map(|docker| docker.run.binds.iter().map(move |bind| (docker, bind)));
    binds
        .filter_map(|(docker, bind)| {
            let fault = doorward_broker::binds::fault(&bind.host)?;
            Some((docker.role.clone(), format!("`{}`: {fault}", bind.host)))
        })
        .collect()
}

/// `1 worker`, `2 workers`.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Rules whose program this host lacks, as (rule, program).
fn missing_programs(policy: &Policy) -> Vec<(String, String)> {
    policy
        .roles
        .values()
        .flat_map(|role| &role.commands)
        .filter_map(|rule| Some((rule, rule.usage.split_whitespace().next()?)))
        .filter(|(_, program)| doorward_broker::program::resolve(program).is_err())
        .map(|(rule, program)| (rule.id.clone(), program.to_owned()))
        .collect()
}

/// Accounts and groups that the policy names and this host lacks, as (worker or rule, what is not there).
fn missing_accounts(policy: &Policy) -> Vec<(String, String)> {
    let workers = policy.workers.values().map(|worker| (worker.name.clone(), "account", worker.user.clone()));
    let rules = policy.roles.values().flat_map(|role| &role.commands).flat_map(|rule| {
        let user = match &rule.how.identity {
            Identity::User(name) => Some((rule.id.clone(), "account", name.clone())),
            Identity::Worker | Identity::Root => None,
        };
        user.into_iter().chain(rule.how.groups.iter().map(|name| (rule.id.clone(), "group", name.clone())))
    });
    workers
        .chain(rules)
        .filter(|(_, kind, name)| match *kind {
            "group" => accounts::group_by_name(name).is_none(),
            _ => accounts::uid_of(name).is_none(),
        })
        .map(|(who, kind, name)| (who, format!("{kind} `{name}`")))
        .collect()
}

/// How workers' accounts could get round doorward on this host, as (worker, how).
fn ways_round(policy: &Policy) -> Vec<(String, String)> {
    let here = policy.workers.values().filter(|worker| accounts::uid_of(&worker.user).is_some());
    here.filter_map(|worker| Some((worker.name.clone(), sshd::way_round(&worker.user)?))).collect()
}

/// What is to be known of the room for saved runs, where their folder is or would be.
fn runs_room(policy: &Policy, state_dir: &Path) -> Option<String> {
    let runs = state_dir.join("runs");
    let room = runs.ancestors().find_map(Room::of)?;
    room.notice(policy.runs.keep_size)
}

fn refuse(json: bool, message: &str) -> u8 {
    if json {
        print_json(&serde_json::json!({ "ok": false, "errors": [{ "message": message }] }));
    } else {
        eprintln!("doorward: {message}");
    }
    BROKEN
}

fn as_data(error: &PolicyError) -> serde_json::Value {
    serde_json::json!({ "at": error.at.to_string(), "message": error.message, "help": error.help })
}

fn print_json(value: &serde_json::Value) {
    println!("{value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorward_policy::{Bundle, Source};

    #[test]
    fn one_is_not_several() {
        assert_eq!([0, 1, 2].map(|n| counted(n, "worker")), ["0 workers", "1 worker", "2 workers"]);
    }

    #[test]
    fn what_the_host_lacks_is_told_with_its_place_and_every_notice_with_its_weight() {
        let open = tempfile::tempdir().unwrap();
        std::fs::set_permissions(open.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let text = format!(
            "version = 1\n[worker.w]\nuser = \"w\"\nroles = [\"r\"]\n[role.r]\n[[role.r.command]]\n\
             run = \"no-such-program\"\n[role.r.docker]\nverbs = [\"run\", \"run\"]\nimages = [\"*\"]\n\
             [role.r.docker.run]\nbinds = [{{ host = \"/no/such/folder\", at = \"/a\", mode = \"ro\" }}, \
             {{ host = \"{}\", at = \"/b\", mode = \"ro\" }}, {{ host = \"/usr\", at = \"/c\", mode = \"ro\" }}]\n",
            open.path().display()
        );
        let bundle = Bundle { files: vec![Source { path: "/p.toml".into(), text }] };
        let policy = Policy::load(&bundle).unwrap();
        let found = unsafe_binds(&policy);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].1.starts_with("`/no/such/folder`: ") && found[1].1.contains("written"), "{found:?}");
        assert!(place(&policy, "r#1").starts_with("/p.toml:7:"), "{}", place(&policy, "r#1"));
        assert!(place(&policy, "w").starts_with("/p.toml:2:"), "{}", place(&policy, "w"));
        assert!(place(&policy, "r").starts_with("/p.toml:8:"), "{}", place(&policy, "r"));
        for notice in &policy.notices {
            let told = labelled(notice);
            assert!(told.contains(": danger: ") != told.contains(": notice: "), "{told}");
        }
        assert!(policy.notices.iter().any(|notice| labelled(notice).contains(": notice: ")));
    }

    #[test]
    fn accounts_and_groups_that_are_not_here_are_named() {
        let text = "version = 1\n[worker.w]\nuser = \"no-such-account\"\nroles = [\"r\"]\n[role.r]\n\
                    [[role.r.command]]\nrun = \"true\"\nas = \"no-such-user\"\ngroups = [\"root\", \"no-such-group\"]\n";
        let bundle = Bundle { files: vec![Source { path: "/p.toml".into(), text: text.into() }] };
        let found = missing_accounts(&Policy::load(&bundle).unwrap());
        let expected = [
            ("w", "account `no-such-account`"),
            ("r#1", "account `no-such-user`"),
            ("r#1", "group `no-such-group`"),
        ];
        assert_eq!(found, expected.map(|(who, what)| (who.to_owned(), what.to_owned())));
    }
}
