//! What is said of the rules for commands on the host.

use doorward_policy::{CommandRule, How, Identity, Limits, Network, Policy, Role};
use std::fmt::Write;

/// Usage lines of one role that are shown at once; `help WORD` shows the others.
const SHOWN: usize = 60;

/// The usage lines of a role.
pub(super) fn usages(role: &Role, text: &mut String) {
    for command in role.commands.iter().take(SHOWN) {
        let _ = writeln!(text, "  {}", command.usage);
    }
    if let Some(more) = role.commands.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "  … and {more} more: help WORD");
    }
}

/// The rules that begin with these words, each with how it runs.
pub(super) fn help(policy: &Policy, worker: &str, words: &[String]) -> String {
    let limits = policy.workers.get(worker).map(|worker| worker.limits.clone()).unwrap_or_default();
    let mut text = String::new();
    for role in policy.roles_of(worker) {
        let mut rules = role.commands.iter().filter(|rule| begins(rule, words)).peekable();
        if rules.peek().is_some() {
            let _ = writeln!(text, "{}: {}", role.name, role.about);
        }
        for rule in rules {
            let _ = writeln!(text, "  {}\n      {}", rule.usage, how(&rule.how, &limits));
        }
    }
    text
}

/// Whether a rule begins with these words, as it is written or as it is used.
fn begins(rule: &CommandRule, words: &[String]) -> bool {
    let wanted = words.join(" ");
    let written =
        rule.usage.strip_prefix(&wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    written || rule.pattern.miss(&words).is_none_or(|miss| miss.matched == words.len())
}

/// As whom, with what, and within which limits.
fn how(how: &How, limits: &Limits) -> String {
    let mut text = match &how.identity {
        Identity::Worker => "Runs under an account of your own that owns nothing".to_owned(),
        Identity::Root => "Runs as root".to_owned(),
        Identity::User(name) => format!("Runs as {name}"),
    };
    text.push_str(", with no capabilities");
    if !how.caps.is_empty() {
        let caps: Vec<_> = how.caps.iter().map(String::as_str).collect();
        let _ = write!(text, " but {}", caps.join(", "));
    }
    if !how.groups.is_empty() {
        let several = if how.groups.len() == 1 { "" } else { "s" };
        let _ = write!(text, ", in the group{several} {}", how.groups.join(", "));
    }
    text.push_str(match how.network {
        Network::Audit => "; it sees the host's network and cannot use it",
        Network::None => "; it has no network",
        Network::Host => "; it may use the host's network",
    });
    let seconds = how.seconds.unwrap_or(limits.lines_seconds);
    let output = crate::clock::size(how.output.unwrap_or(limits.lines_output));
    let _ = write!(text, ". At most {seconds} s and {output} of output.");
    text
}
