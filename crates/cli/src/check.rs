//! `doorward check`: a policy's errors, notices and what this host lacks for it.

use crate::exit::BROKEN;
use crate::policy::render;
use doorward_broker::accounts;
use doorward_policy::{Identity, Policy, PolicyError};
use std::path::Path;

/// Prints everything that is to be said about the policy at `path`; 0 when it loads.
pub(crate) fn run(path: &Path, json: bool) -> u8 {
    let bundle = match doorward_broker::policy_files::read(path) {
        Ok(bundle) => bundle,
        Err(error) => return refuse(json, &error.to_string()),
    };
    match Policy::load(&bundle) {
        Ok(policy) => accept(&policy, json),
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

fn accept(policy: &Policy, json: bool) -> u8 {
    let missing = missing_programs(policy);
    let missing_accounts = missing_accounts(policy);
    if json {
        let notices: Vec<_> = policy
            .notices
            .iter()
            .map(|notice| serde_json::json!({ "at": notice.at.to_string(), "message": notice.message }))
            .collect();
        let answer = serde_json::json!({
            "ok": true, "hash": policy.hash.0, "notices": notices, "unavailable": missing,
            "no_account": missing_accounts,
        });
        print_json(&answer);
        return 0;
    }
    for notice in &policy.notices {
        println!("{}: {}", notice.at, notice.message);
    }
    for (rule, program) in &missing {
        println!("{rule}: `{program}` is not on this host; the rule answers `unavailable`");
    }
    for (who, what) in &missing_accounts {
        println!("{who}: there is no {what} on this host");
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
