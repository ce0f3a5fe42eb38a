//! A command line on the host.

use super::SEARCH_PATH;
use crate::nearest::{distance, nearest};
use crate::{CommandGrant, CommandRule, Pattern, Policy, Reason, Refusal};

/// How many rules with the same first words are compared for a refusal's hint.
const COMPARED: usize = 64;

impl Policy {
    /// Whether a worker may run this command line on the host: the first rule, in the order of its roles,
    /// that accounts for every word.
    ///
    /// A rule that begins with a bare name allows that name, and the same program spelt with one of the
    /// folders of [`SEARCH_PATH`] (whoever runs it checks that the path is what the name resolves to). A rule
    /// that begins with a path allows that path alone. `docker …` belongs to
    /// [`Policy::judge_docker_words`]: no command rule can begin with it.
    pub fn judge_argv(&self, worker: &str, argv: &[String]) -> Result<CommandGrant<'_>, Refusal> {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        self.clean_words(worker, &words)?;
        let bare = bare_program(&words);
        for role in self.roles_of(worker) {
            let found = role.index.find(&role.commands, &words);
            let found = found.or_else(|| role.index.find(&role.commands, bare.as_ref()?));
            if let Some(rule) = found {
                return Ok(CommandGrant { rule });
            }
        }
        Err(self.refuse_argv(worker, bare.as_deref().unwrap_or(&words)))
    }

    /// Known worker, at least one word, nothing that a reader of the log would not see as it is.
    pub(super) fn clean_words(&self, worker: &str, words: &[&str]) -> Result<(), Refusal> {
        if !self.workers.contains_key(worker) {
            return Err(Refusal::new(Reason::UnknownWorker, "you are not a worker of this host's policy"));
        }
        if words.first().is_none_or(|word| word.is_empty()) {
            return Err(Refusal::new(Reason::BadRequest, "there is no command").nearest("help"));
        }
        match words.iter().position(|word| !crate::is_clean(word)) {
            None => Ok(()),
            Some(position) => Err(Refusal::new(Reason::BadEncoding, "a word holds control characters")
                .path(format!("word {}", position.saturating_add(1)))),
        }
    }

    fn refuse_argv(&self, worker: &str, words: &[&str]) -> Refusal {
        let mut best: Option<(Closeness, &CommandRule)> = None;
        for role in self.roles_of(worker) {
            for rule in role.index.close(&role.commands, words, COMPARED).1 {
                let closeness = closeness(&rule.pattern, words);
                if best.as_ref().is_none_or(|(known, _)| closeness < *known) {
                    best = Some((closeness, rule));
                }
            }
        }
        match best {
            Some((_, rule)) => {
                missed(&rule.pattern, words).nearest(rule.pattern.usage()).rule(rule.id.clone())
            }
            None => self.unknown_program(worker, words.first().copied().unwrap_or_default()),
        }
    }

    fn unknown_program(&self, worker: &str, program: &str) -> Refusal {
        let refusal = Refusal::new(
            Reason::NotInPolicy,
            format!("no rule of yours allows `{}`; `help` lists what is allowed", shown(program)),
        )
        .path("word 1");
        let known: Vec<&str> = self.roles_of(worker).flat_map(|role| role.index.first_words()).collect();
        let Some(meant) = nearest(program, known.into_iter()) else { return refusal };
        let rule = self
            .roles_of(worker)
            .find_map(|role| role.index.close(&role.commands, &[meant], COMPARED).1.first().copied());
        match rule {
            Some(rule) => refusal.nearest(rule.pattern.usage()).rule(rule.id.clone()),
            None => refusal,
        }
    }
}

/// Smaller is closer: fewer words that no part of the rule accounts for, then fewer edits, then the usage
/// line, so that the choice is the same every time.
type Closeness = (std::cmp::Reverse<usize>, usize, String);

pub(super) fn closeness(pattern: &Pattern, words: &[&str]) -> Closeness {
    let matched = pattern.miss(words).map_or(words.len(), |miss| miss.matched);
    (std::cmp::Reverse(matched), distance(&words.join(" "), pattern.usage()), pattern.usage().to_owned())
}

/// Says where `words` leave the rule.
pub(super) fn missed(pattern: &Pattern, words: &[&str]) -> Refusal {
    let Some(miss) = pattern.miss(words) else {
        return Refusal::new(Reason::NotInPolicy, "no rule of yours allows this");
    };
    let expected: Vec<String> = miss.expected.iter().take(6).map(|word| format!("`{word}`")).collect();
    let message = match (words.get(miss.matched), expected.is_empty()) {
        (Some(word), true) => format!("`{}` is one word too many", shown(word)),
        (Some(word), false) => {
            format!("`{}` is not allowed here, where {} is", shown(word), expected.join(" or "))
        }
        (None, _) => format!("a word is missing: {}", expected.join(" or ")),
    };
    Refusal::new(Reason::NotInPolicy, message).path(format!("word {}", miss.matched.saturating_add(1)))
}

/// A word as it stands in a message: bounded.
pub(crate) fn shown(word: &str) -> String {
    const MOST: usize = 60;
    if word.chars().count() <= MOST {
        return word.to_owned();
    }
    word.chars().take(MOST).chain(std::iter::once('…')).collect()
}

/// The same words with a program in a folder of the search path as its bare name.
pub(super) fn bare_program<'w>(words: &[&'w str]) -> Option<Vec<&'w str>> {
    let (program, rest) = words.split_first()?;
    let (folder, name) = program.rsplit_once('/')?;
    (SEARCH_PATH.contains(&folder) && !name.is_empty())
        .then(|| std::iter::once(name).chain(rest.iter().copied()).collect())
}
