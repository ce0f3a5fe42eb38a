//! The words of `docker compose …`: those that need no compose file. A file says what compose, and not only
//! the engine, is to open and start: it is read on the worker's side.

use super::command::shown;
use crate::nearest::nearest;
use crate::{DockerRole, Policy, Reason, Refusal};

/// What a subcommand comes to.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    /// It works on what there is of a project, by its labels.
    OnProject,
    /// It needs no project.
    Alone,
    /// Refused whatever the policy says, with why.
    Refused(&'static str),
}

use Meaning::{Alone, OnProject, Refused};

const FILE: &str = "it needs the compose file, and there are no files of yours on this host";
const FILES: &str = "it takes files out of containers or puts them in";
const EXEC: &str = "what runs in a container is decided by the exec table";
const REGISTRY: &str = "it sends to a registry what nobody has judged";
const PLUGIN: &str = "it starts other programs on this host";
const OWN_SIDE: &str = "docker compose on your side, with DOCKER_HOST=ssh://USER@HOST";

/// The table: every subcommand of compose 2.40.
#[rustfmt::skip]
const SUBCOMMANDS: &[(&str, Meaning)] = &[
    ("ls", Alone), ("version", Alone),
    ("ps", OnProject), ("logs", OnProject), ("top", OnProject), ("images", OnProject), ("port", OnProject),
    ("stats", OnProject), ("volumes", OnProject), ("events", OnProject), ("wait", OnProject), ("start", OnProject),
    ("stop", OnProject), ("restart", OnProject), ("kill", OnProject), ("pause", OnProject), ("unpause", OnProject),
    ("down", OnProject), ("rm", OnProject),
    ("up", Refused(FILE)), ("create", Refused(FILE)), ("run", Refused(FILE)), ("build", Refused(FILE)),
    ("config", Refused(FILE)), ("convert", Refused(FILE)), ("pull", Refused(FILE)), ("scale", Refused(FILE)),
    ("watch", Refused(FILE)), ("attach", Refused(EXEC)), ("exec", Refused(EXEC)), ("cp", Refused(FILES)),
    ("export", Refused(FILES)), ("commit", Refused("images are not made from containers")),
    ("push", Refused(REGISTRY)), ("publish", Refused(REGISTRY)), ("bridge", Refused(PLUGIN)),
    ("alpha", Refused(PLUGIN)),
];

/// An option before the subcommand.
struct GlobalOption {
    long: &'static str,
    short: Option<char>,
    takes: Takes,
}

/// What an option takes and does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// A value that changes how the answer looks.
    Value,
    Project,
    /// A path on this host.
    Path,
}

const fn option(long: &'static str, short: Option<char>, takes: Takes) -> GlobalOption {
    GlobalOption { long, short, takes }
}

/// The table: every option that stands before the subcommand.
const OPTIONS: &[GlobalOption] = &[
    option("project-name", Some('p'), Takes::Project),
    option("ansi", None, Takes::Value),
    option("progress", None, Takes::Value),
    option("parallel", None, Takes::Value),
    option("profile", None, Takes::Value),
    option("all-resources", None, Takes::Nothing),
    option("compatibility", None, Takes::Nothing),
    option("dry-run", None, Takes::Nothing),
    option("verbose", None, Takes::Nothing),
    option("help", Some('h'), Takes::Nothing),
    option("version", Some('v'), Takes::Nothing),
    option("file", Some('f'), Takes::Path),
    option("env-file", None, Takes::Path),
    option("project-directory", None, Takes::Path),
    option("workdir", None, Takes::Path),
];

/// What stands before the subcommand, and that with all after it.
struct Read<'w> {
    project: Option<&'w str>,
    /// Its place among the words, from 0; absent when there is none.
    subcommand: Option<(usize, &'w str)>,
    only_help: bool,
}

impl Policy {
    /// Judges the words after `docker compose`; `first` is the place of the first of them, counted from 1.
    pub(super) fn judge_compose_words(
        &self,
        worker: &str,
        words: &[&str],
        first: usize,
    ) -> Result<(), Refusal> {
        let read = read(words, first)?;
        let Some((place, subcommand)) = read.subcommand else {
            return match read.only_help {
                true => Ok(()),
                false => {
                    let message = "`docker compose` needs a subcommand";
                    Err(Refusal::new(Reason::VerbNotAllowed, message).nearest(self.compose_example(worker)))
                }
            };
        };
        let at = |refusal: Refusal| refusal.path(format!("word {}", first.saturating_add(place)));
        match SUBCOMMANDS.iter().find(|(known, _)| *known == subcommand) {
            Some((_, Alone)) => Ok(()),
            Some((_, OnProject)) => match read.project {
                Some(project) => self.judge_project(worker, project),
                None => {
                    let message = format!(
                        "`docker compose {subcommand}` is not allowed without a project: there is no compose file \
                         here to take its name from"
                    );
                    let example = self.compose_example(worker).replace(" ps", &format!(" {subcommand}"));
                    Err(at(Refusal::new(Reason::FieldNotAllowed, message).nearest(example)))
                }
            },
            Some((_, Refused(why))) => {
                let message = format!("`docker compose {subcommand}` is not allowed on a line: {why}");
                Err(at(Refusal::new(Reason::VerbNotAllowed, message).nearest(OWN_SIDE)))
            }
            None => {
                let message =
                    format!("`docker compose {}` is not a command that is known here", shown(subcommand));
                let known =
                    SUBCOMMANDS.iter().filter(|(_, meaning)| !matches!(meaning, Refused(_))).map(|row| row.0);
                let example = match nearest(subcommand, known) {
                    Some(meant) => self.compose_example(worker).replace(" ps", &format!(" {meant}")),
                    None => self.compose_example(worker),
                };
                Err(at(Refusal::new(Reason::VerbNotAllowed, message).nearest(example)))
            }
        }
    }

    fn judge_project(&self, worker: &str, project: &str) -> Result<(), Refusal> {
        match self.docker_roles(worker).any(|role| role.has_project(project)) {
            true => Ok(()),
            false => {
                let message =
                    format!("the compose project `{}` is not in your roles' projects", shown(project));
                Err(Refusal::new(Reason::ObjectNotAllowed, message).nearest(self.compose_example(worker)))
            }
        }
    }

    fn compose_example(&self, worker: &str) -> String {
        let projects: Vec<&str> = self
            .docker_roles(worker)
            .filter(|role| role.verbs.contains(&crate::Verb::Compose))
            .flat_map(|role: &DockerRole| role.projects.iter().map(|glob| glob.0.as_str()))
            .collect();
        match projects.is_empty() {
            true => "nothing: your roles have no projects".to_owned(),
            false => format!("docker compose -p {} ps", projects.join("|")),
        }
    }
}

/// Reads the options before the subcommand, as `pflag` does.
fn read<'w>(words: &[&'w str], first: usize) -> Result<Read<'w>, Refusal> {
    let mut read = Read { project: None, subcommand: None, only_help: words.is_empty() };
    let mut places = words.iter().copied().enumerate();
    while let Some((place, word)) = places.next() {
        let at = |refusal: Refusal| refusal.path(format!("word {}", first.saturating_add(place)));
        if !word.starts_with('-') || word == "-" {
            read.subcommand = Some((place, word));
            break;
        }
        let Some((option, value)) = named(word) else {
            let message = format!("the option `{}` of `docker compose` is not known here", shown(word));
            return Err(at(
                Refusal::new(Reason::FieldNotAllowed, message).nearest("docker compose -p PROJECT ps")
            ));
        };
        let value = match option.takes {
            Takes::Nothing => value,
            _ => value.or_else(|| places.next().map(|(_, word)| word)),
        };
        match option.takes {
            Takes::Project if read.project.is_some() => {
                let message = "the project is named twice";
                return Err(at(Refusal::new(Reason::FieldNotAllowed, message)));
            }
            Takes::Project => read.project = value,
            Takes::Path => {
                let message = format!(
                    "`docker compose --{}` is not allowed: it would open a path on this host, where you have no files",
                    option.long
                );
                return Err(at(Refusal::new(Reason::FieldNotAllowed, message).nearest(OWN_SIDE)));
            }
            Takes::Value => {}
            Takes::Nothing if ["help", "version"].contains(&option.long) => {
                // What follows could take it back (`--help=false`).
                read.only_help = words.len() == 1 && value.is_none();
            }
            Takes::Nothing => {}
        }
    }
    Ok(read)
}

/// An option and the value that stands in the same word. Letters are not taken together: none of them is a flag
/// that a line needs.
fn named(word: &str) -> Option<(&'static GlobalOption, Option<&str>)> {
    if let Some(long) = word.strip_prefix("--") {
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        return OPTIONS.iter().find(|option| option.long == name).map(|option| (option, value));
    }
    let mut letters = word.strip_prefix('-').unwrap_or(word).chars();
    let letter = letters.next()?;
    let rest = letters.as_str();
    let option = OPTIONS.iter().find(|option| option.short == Some(letter))?;
    match (option.takes, rest) {
        (_, "") => Some((option, None)),
        (Takes::Nothing, _) => None,
        _ => Some((option, Some(rest.strip_prefix('=').unwrap_or(rest)))),
    }
}
