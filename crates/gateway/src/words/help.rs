//! `help`, `whoami` and the greeting: what the worker is and may do, from the policy and the table of words.

use super::{WORDS, named};
use crate::conversation::Gone;
use crate::record::Request;
use crate::session::{Answer, Session};
use doorward_policy::{DockerRole, Policy, Role, RunGrant, Selector, Verb};
use std::fmt::Write;

/// Usage lines of one role that are shown at once; `help WORD` shows the others.
const SHOWN: usize = 60;

impl Session {
    /// The answer to an empty line.
    pub(crate) async fn greet(&mut self, mut request: Request) -> Result<Answer, Gone> {
        request.operation = serde_json::json!({ "op": "greeting" });
        let text = greeting(&self.known.policy, &self.asker.worker);
        self.show(request, &text).await
    }

    pub(super) async fn help(&mut self, request: Request, words: &[String]) -> Result<Answer, Gone> {
        let (policy, worker) = (&self.known.policy, &self.asker.worker);
        let text = if words.is_empty() { all(policy, worker) } else { some(policy, worker, words) };
        self.show(request, &text).await
    }

    pub(super) async fn whoami(&mut self, request: Request, words: &[String]) -> Result<Answer, Gone> {
        if !words.is_empty() {
            return self.refuse_usage(request, "whoami").await;
        }
        let limits = self.limits();
        let roles: Vec<_> =
            self.known.policy.roles_of(&self.asker.worker).map(|role| role.name.as_str()).collect();
        let text = format!(
            "worker   {}\nuid      {}\nroles    {}\nsession  {}\nkey      {}\nsource   {}\n\
             limits   {} of {} lines run now; {} lines a minute; {} s and {} of output a line\npolicy   {}\n",
            self.asker.worker,
            self.asker.uid,
            roles.join(", "),
            self.asker.session,
            self.asker.key.as_deref().unwrap_or("unknown"),
            self.asker.source.as_deref().unwrap_or("unknown"),
            self.gateway.counts.running(&self.asker.worker),
            limits.lines_concurrent,
            limits.lines_per_minute,
            limits.lines_seconds,
            crate::clock::size(limits.lines_output),
            self.known.policy.hash.0,
        );
        self.show(request, &text).await
    }
}

fn greeting(policy: &Policy, worker: &str) -> String {
    format!(
        "You are worker '{worker}' on this host. There is no shell: each line is judged by the host's policy, \
         run alone, and recorded.\n\n{}",
        all(policy, worker)
    )
}

fn all(policy: &Policy, worker: &str) -> String {
    let mut text = String::from("You may:\n");
    for role in policy.roles_of(worker) {
        let _ = writeln!(text, "\n{}: {}", role.name, role.about);
        role_lines(role, &mut text);
    }
    text.push_str("\nAbout your own things:\n");
    for word in WORDS {
        for usage in word.usage {
            let _ = writeln!(text, "  {usage}");
        }
        let _ = writeln!(text, "      {}", word.about);
    }
    text.push_str("\nhelp WORDS tells more, like: help docker\n");
    text
}

fn role_lines(role: &Role, text: &mut String) {
    for command in role.commands.iter().take(SHOWN) {
        let _ = writeln!(text, "  {}", command.usage);
    }
    if let Some(more) = role.commands.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "  … and {more} more: help WORD");
    }
    if let Some(docker) = &role.docker {
        let verbs: Vec<_> = verbs_in_force(docker).map(Verb::words).collect();
        let _ = writeln!(text, "  docker {}", verbs.join("|"));
        exec_lines(docker, text);
    }
}

/// What the role grants and this version can do: the rest would be refused.
fn verbs_in_force(docker: &DockerRole) -> impl Iterator<Item = Verb> {
    docker.verbs.iter().copied().filter(|verb| verb.in_force())
}

fn exec_lines(docker: &DockerRole, text: &mut String) {
    for (container, rules) in &docker.exec {
        for rule in rules {
            let _ = writeln!(text, "  docker exec {container} {}", rule.usage);
        }
    }
}

/// What begins with these words.
fn some(policy: &Policy, worker: &str, words: &[String]) -> String {
    let mut text = String::new();
    let first = words.first().map_or("", String::as_str);
    if let Some(word) = named(first) {
        let _ = writeln!(text, "{}\n    {}", word.usage.join("\n"), word.about);
    }
    let wanted = words.join(" ");
    for role in policy.roles_of(worker) {
        let begin = |usage: &str| {
            usage == wanted || usage.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with(' '))
        };
        let mut rules = role.commands.iter().filter(|command| begin(&command.usage)).peekable();
        if rules.peek().is_some() {
            let _ = writeln!(text, "{}: {}", role.name, role.about);
        }
        for command in rules {
            let _ = writeln!(text, "  {}", command.usage);
        }
        if let (Some(docker), "docker") = (&role.docker, first) {
            docker_lines(docker, &mut text);
        }
    }
    if text.is_empty() {
        let _ = writeln!(
            text,
            "Nothing that you may do begins with '{}'. 'help' shows all.",
            crate::refuse::one_line(&wanted)
        );
    }
    text
}

fn docker_lines(docker: &DockerRole, text: &mut String) {
    let _ = writeln!(text, "{}: docker, with the engine's socket judging each call", docker.role);
    for verb in verbs_in_force(docker) {
        let _ = writeln!(text, "  docker {}", verb.words());
    }
    if docker.verbs.contains(&Verb::Exec) || !docker.exec.is_empty() {
        exec_lines(docker, text);
    }
    let selectors = |list: &[Selector]| list.iter().map(selector).collect::<Vec<_>>().join(", ");
    let images: Vec<_> = docker.images.iter().map(|glob| glob.0.as_str()).collect();
    let _ = writeln!(text, "  containers  {}", selectors(&docker.containers));
    let _ = writeln!(text, "  images      {}", images.join(", "));
    let _ = writeln!(text, "  networks    {}", selectors(&docker.networks));
    let _ = writeln!(text, "  volumes     {}", selectors(&docker.volumes));
    if docker.verbs.contains(&Verb::Run) {
        run_lines(&docker.run, text);
    }
    let _ = writeln!(text, "For your own docker client: DOCKER_HOST=ssh://USER@HOST");
}

/// What a new container may ask for.
fn run_lines(run: &RunGrant, text: &mut String) {
    let ports = run.ports.iter().map(|range| match range.first == range.last {
        true => format!("{}:{}", range.address, range.first),
        false => format!("{}:{}-{}", range.address, range.first, range.last),
    });
    let binds = run
        .binds
        .iter()
        .map(|bind| format!("{}:{}:{}", bind.host, bind.at, if bind.writable { "rw" } else { "ro" }));
    let listed = |list: Vec<String>| if list.is_empty() { "none".into() } else { list.join(", ") };
    let _ = writeln!(text, "  ports       {}", listed(ports.collect()));
    let _ = writeln!(text, "  binds       {}", listed(binds.collect()));
    if let Some(memory) = run.memory {
        let _ = writeln!(text, "  memory      {}", crate::clock::size(memory));
    }
    if let Some(count) = run.count {
        let _ = writeln!(text, "  at a time   {count} containers");
    }
}

fn selector(selector: &Selector) -> &str {
    match selector {
        Selector::Own => "your own",
        Selector::Named(glob) => &glob.0,
    }
}
