//! The early look at a `docker …` line. It is there for a good message, and is never the boundary: what
//! it does not understand is left to the socket.

use super::DockerWords;
use super::command::shown;
use super::local_files::refuse_local_files;
use super::words::{GLOBAL_OPTIONS, GROUPS, Meaning, WORDS};
use crate::nearest::nearest;
use crate::{Policy, Reason, Refusal, Verb};

impl Policy {
    /// The early look at a `docker …` line; `argv` has the word `docker` first. Refuses global options,
    /// commands that no policy grants, verbs that are in none of the worker's roles, and executions that the
    /// exec tables do not allow.
    pub fn judge_docker_words(&self, worker: &str, argv: &[String]) -> Result<DockerWords, Refusal> {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        self.clean_words(worker, &words)?;
        let words = words.get(1..).unwrap_or_default();
        let Some(first) = words.first() else { return Ok(DockerWords::Help) };
        let (meaning, length) = match meaning(words) {
            Some(found) => found,
            None if GROUPS.contains(first) && asks_for_help(words.get(1..).unwrap_or_default()) => {
                return Ok(DockerWords::Help);
            }
            None => return Err(self.unknown_words(worker, words)),
        };
        let rest = words.get(length..).unwrap_or_default();
        let words_shown = words.get(..length).unwrap_or_default().join(" ");
        match meaning {
            Meaning::Help if is_topic(first, rest) => Ok(DockerWords::Help),
            Meaning::Help => {
                let message = format!("`docker {}` stands alone", shown(first));
                Err(Refusal::new(Reason::VerbNotAllowed, message)
                    .path("word 3")
                    .nearest("docker COMMAND --help"))
            }
            Meaning::Dial => Ok(DockerWords::Dial),
            Meaning::Refused(reason, why, instead) => {
                let refusal = Refusal::new(reason, format!("`docker {words_shown}` is not allowed: {why}"))
                    .path("word 2");
                Err(match instead {
                    // What a refusal calls allowed must be.
                    Some((verb, instead)) if self.grants(worker, verb) => refusal.nearest(instead),
                    _ => refusal.nearest(self.verbs_shown(worker)),
                })
            }
            // Its help is the plugin's, which the docker client's room does not have.
            Meaning::Verb(verbs) if rest == ["--help"] && verbs != [Verb::Compose] => Ok(DockerWords::Help),
            Meaning::Verb(verbs) => {
                let verb = verbs.first().copied().unwrap_or(Verb::Version);
                let rule = self.judge_verb(worker, verbs, &words_shown, rest)?;
                // `docker` itself is the first word.
                let place = length.saturating_add(2);
                match verb {
                    Verb::Compose => self.judge_compose_words(worker, rest, place)?,
                    _ => refuse_local_files(verb, &words_shown, rest, place)?,
                }
                Ok(DockerWords::Verb { verb, rule })
            }
        }
    }

    /// The rule that allows words which need any of these verbs.
    fn judge_verb(
        &self,
        worker: &str,
        verbs: &[Verb],
        shown: &str,
        rest: &[&str],
    ) -> Result<String, Refusal> {
        let has = |wanted: fn(Verb) -> bool| {
            self.docker_roles(worker)
                .find(|role| verbs.iter().any(|verb| wanted(*verb) && role.verbs.contains(verb)))
        };
        if let Some(role) = has(Verb::in_force) {
            let exec = if verbs == [Verb::Exec] { self.exec_rule(worker, rest)? } else { None };
            return Ok(exec.unwrap_or_else(|| role.rule()));
        }
        if verbs == [Verb::Version] {
            // A client's own version is asked for by every client; the socket always answers it.
            return Ok("always".into());
        }
        Err(match has(|_| true) {
            Some(_) => Refusal::new(
                Reason::NotYet,
                format!("`docker {shown}` is in your roles, but this version of doorward cannot do it yet"),
            ),
            None => {
                let message = format!("`docker {shown}` is in none of your roles");
                Refusal::new(Reason::VerbNotAllowed, message).nearest(self.verbs_shown(worker))
            }
        }
        .path("word 2"))
    }

    /// The rule of the worker's first role with docker: what allows its words that ask for no verb.
    pub fn docker_rule(&self, worker: &str) -> String {
        self.docker_roles(worker).next().map_or_else(|| "docker".into(), crate::DockerRole::rule)
    }

    /// The exec rule for the words after `docker exec`; `None` when they cannot be told apart early.
    fn exec_rule(&self, worker: &str, rest: &[&str]) -> Result<Option<String>, Refusal> {
        let mut words = rest.iter().copied().skip_while(|word| *word == "-i" || *word == "--interactive");
        let Some(container) = words.next() else { return Ok(None) };
        let options = |word: &str| word.starts_with('-') && word != "--";
        if options(container) {
            return Err(Refusal::new(
                Reason::FieldNotAllowed,
                format!("`docker exec {}` is not allowed: there is no terminal, user, environment or folder to choose", shown(container)),
            )
            .nearest("docker exec CONTAINER COMMAND")
            .path("word 3"));
        }
        let container = if container == "--" { words.next() } else { Some(container) };
        let argv: Vec<&str> = words.collect();
        let Some(container) = container.filter(|_| !argv.is_empty()) else { return Ok(None) };
        // Who owns a container is the engine's to say, so `own` counts here for every name.
        let names = |key: &str| key == "own" || crate::Glob(key.to_owned()).matches(container);
        let named = self.docker_roles(worker).any(|role| role.exec.keys().any(|key| names(key)));
        if !named && is_hex_id(container) {
            return Ok(None);
        }
        self.find_exec(worker, names, &argv).map(|rule| Some(rule.id.clone()))
    }

    fn unknown_words(&self, worker: &str, words: &[&str]) -> Refusal {
        let first = words.first().copied().unwrap_or_default();
        let name = first.split_once('=').map_or(first, |(name, _)| name);
        let global = GLOBAL_OPTIONS.iter().find(|option| {
            name == **option || (option.len() == 2 && name.starts_with(**option) && !name.starts_with("--"))
        });
        if let Some(option) = global {
            return Refusal::new(
                Reason::FieldNotAllowed,
                format!("the docker option `{option}` is not allowed: doorward sets the engine and the configuration"),
            )
            .nearest("the same line without it")
            .path("word 2");
        }
        let given: Vec<&str> =
            words.iter().copied().take(if GROUPS.contains(&first) { 2 } else { 1 }).collect();
        let given = shown(&given.join(" "));
        let refusal = Refusal::new(
            Reason::VerbNotAllowed,
            format!("`docker {given}` is not a docker command that is known here"),
        )
        .path("word 2");
        let known = WORDS.iter().map(|(words, _)| *words).filter(|words| !words.starts_with('-'));
        let meant = nearest(&given, known).and_then(|meant| WORDS.iter().find(|(words, _)| *words == meant));
        match meant {
            // What a refusal calls allowed must be.
            Some((meant, Meaning::Verb(verbs))) if verbs.iter().any(|verb| self.grants(worker, *verb)) => {
                refusal.nearest(format!("docker {meant}"))
            }
            _ => refusal.nearest(self.verbs_shown(worker)),
        }
    }

    /// Whether a role of the worker has the verb, and this version can do it.
    fn grants(&self, worker: &str, verb: Verb) -> bool {
        verb.in_force() && self.docker_roles(worker).any(|role| role.verbs.contains(&verb))
    }

    /// What the worker's roles grant, as words on one line.
    fn verbs_shown(&self, worker: &str) -> String {
        let verbs: std::collections::BTreeSet<Verb> = self
            .docker_roles(worker)
            .flat_map(|role| role.verbs.iter().copied())
            .filter(|verb| verb.in_force())
            .collect();
        if verbs.is_empty() {
            return "no docker command; see `help`".into();
        }
        let words: Vec<&str> = verbs.into_iter().map(Verb::command).collect();
        format!("docker {}", words.join("|"))
    }
}

/// The row of the longest words that `words` begin with, and how many those are.
fn meaning(words: &[&str]) -> Option<(Meaning, usize)> {
    // A word with a blank in it is one word to docker, and not a row's two.
    let words: Vec<&str> = words.iter().copied().take_while(|word| !word.contains(' ')).take(2).collect();
    let two = words.get(..2).map(|two| two.join(" "));
    let row = |wanted: &str| WORDS.iter().find(|(known, _)| *known == wanted).map(|(_, meaning)| *meaning);
    let pair = two.and_then(|two| row(&two)).map(|meaning| (meaning, 2));
    pair.or_else(|| words.first().and_then(|one| row(one)).map(|meaning| (meaning, 1)))
}

/// Nothing more, or `--help` and nothing more: what follows could take it back (`--help=false`).
fn asks_for_help(rest: &[&str]) -> bool {
    matches!(rest, [] | ["--help"])
}

/// `docker help COMMAND …` names commands; the options that print help or a version stand alone.
fn is_topic(first: &str, rest: &[&str]) -> bool {
    let is_command = |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    rest.is_empty() || (first == "help" && rest.iter().all(|word| is_command(word) && !word.starts_with('-')))
}

/// An id or the usual short form of one.
fn is_hex_id(name: &str) -> bool {
    (12..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
