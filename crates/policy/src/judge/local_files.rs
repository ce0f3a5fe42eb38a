//! Options of the docker client that open a path where the client runs. That is doorward's host, where a
//! worker has no files: such an option is refused at the line. (Behind it the client's room holds nothing
//! worth reading.)

use super::command::shown;
use crate::{Reason, Refusal, Verb};

/// An option whose value is a path of the client's, or can be one.
struct LocalOption {
    verb: Verb,
    long: &'static str,
    short: Option<char>,
    opens: Opens,
    nearest: &'static str,
}

/// When it opens a path.
#[derive(Clone, Copy)]
enum Opens {
    Always,
    /// Not for `-`, which is the line's own input.
    UnlessDash,
    /// For `seccomp=FILE`, in which the client also takes a colon.
    SeccompProfile,
}

use Opens::{Always, SeccompProfile, UnlessDash};

const fn option(
    verb: Verb,
    long: &'static str,
    short: Option<char>,
    opens: Opens,
    nearest: &'static str,
) -> LocalOption {
    LocalOption { verb, long, short, opens, nearest }
}

const STDIN_BUILD: &str = "docker build -, with the Dockerfile or a tar archive as input";

/// The table, from the help of the docker client 20.10 to 28.
#[rustfmt::skip]
const OPTIONS: &[LocalOption] = &[
    option(Verb::Run, "env-file", None, Always, "-e NAME=VALUE, once for each"),
    option(Verb::Run, "label-file", None, Always, "--label NAME=VALUE, once for each"),
    option(Verb::Run, "cidfile", None, Always, "docker run -d, which prints the id"),
    option(Verb::Run, "security-opt", None, SeccompProfile, "no such option: the engine's own profile is used"),
    option(Verb::Exec, "env-file", None, Always, "docker exec CONTAINER COMMAND"),
    option(Verb::Build, "file", Some('f'), UnlessDash, STDIN_BUILD),
    option(Verb::Build, "iidfile", None, Always, "docker build -q -, which prints the id"),
    option(Verb::Build, "metadata-file", None, Always, STDIN_BUILD),
    option(Verb::Build, "output", Some('o'), Always, STDIN_BUILD),
    option(Verb::Build, "secret", None, Always, STDIN_BUILD),
    option(Verb::Build, "ssh", None, Always, STDIN_BUILD),
    option(Verb::Build, "build-context", None, Always, STDIN_BUILD),
    option(Verb::Build, "cache-from", None, Always, STDIN_BUILD),
    option(Verb::Build, "cache-to", None, Always, STDIN_BUILD),
];

/// Which words are options of a command that has rows above.
struct Grammar {
    verb: Verb,
    /// Whether options end at the first word that is none: what follows is the container's, or a subcommand's.
    ends_at_word: bool,
    /// Options without a value. All others have one: an unknown one too, so that no path passes for a word.
    flags: &'static [&'static str],
    /// The same in one letter.
    letters: &'static str,
}

/// A grammar for each verb of [`OPTIONS`].
#[rustfmt::skip]
const GRAMMARS: &[Grammar] = &[
    Grammar { verb: Verb::Run, ends_at_word: true, letters: "diPqt", flags: &[
        "detach", "disable-content-trust", "help", "init", "interactive", "no-healthcheck", "oom-kill-disable",
        "privileged", "publish-all", "quiet", "read-only", "rm", "sig-proxy", "tty", "use-api-socket",
    ] },
    Grammar { verb: Verb::Exec, ends_at_word: true, letters: "dit", flags: &[
        "detach", "help", "interactive", "privileged", "tty",
    ] },
    Grammar { verb: Verb::Build, ends_at_word: false, letters: "qD", flags: &[
        "check", "compress", "debug", "disable-content-trust", "force-rm", "help", "load", "no-cache", "pull",
        "push", "quiet", "rm", "squash", "stream",
    ] },
];

/// Refuses a word after the command's own that makes the client open a path; `shown_as` is the command, and
/// `first` the place of the first word, counted from 1.
pub(super) fn refuse_local_files(
    verb: Verb,
    shown_as: &str,
    words: &[&str],
    first: usize,
) -> Result<(), Refusal> {
    let Some(grammar) = GRAMMARS.iter().find(|grammar| grammar.verb == verb) else { return Ok(()) };
    let mut places = words.iter().copied().enumerate();
    let mut only_words = false;
    while let Some((at, word)) = places.next() {
        let refusal = |named: &str, nearest: &'static str| {
            let message = format!(
                "`docker {shown_as} {named}` is not allowed: it would open a path on this host, where you have no files"
            );
            Refusal::new(Reason::FieldNotAllowed, message)
                .nearest(nearest)
                .path(format!("word {}", first.saturating_add(at)))
        };
        if word == "--" && !only_words {
            only_words = true;
            continue;
        }
        if only_words || !word.starts_with('-') || word == "-" {
            if verb == Verb::Build && word != "-" {
                return Err(refusal(&shown(word), STDIN_BUILD));
            }
            if grammar.ends_at_word {
                return Ok(());
            }
            continue;
        }
        let Given { long, letter, value } = grammar.read(word);
        let Value::Taken(value) = value.or_next(&mut places) else { continue };
        let row = OPTIONS.iter().find(|row| {
            row.verb == verb && (long == Some(row.long) || (letter.is_some() && letter == row.short))
        });
        let Some(row) = row else { continue };
        let opens = match row.opens {
            Always => true,
            UnlessDash => value != "-",
            SeccompProfile => names_profile(value),
        };
        if opens {
            return Err(refusal(&format!("--{}", row.long), row.nearest));
        }
    }
    Ok(())
}

/// Whether a `--security-opt` names a profile that is no built-in one.
fn names_profile(value: &str) -> bool {
    let (name, profile) = value.split_once(['=', ':']).unwrap_or((value, ""));
    name == "seccomp" && !["unconfined", "builtin"].contains(&profile)
}

/// An option word, taken apart as `pflag` does.
struct Given<'w> {
    long: Option<&'w str>,
    letter: Option<char>,
    value: Value<'w>,
}

/// What an option has for a value.
#[derive(Clone, Copy)]
enum Value<'w> {
    None,
    Taken(&'w str),
    Next,
}

impl<'w> Value<'w> {
    /// The value itself, where it is the next word. An option without its value is the client's to refuse.
    fn or_next(self, words: &mut impl Iterator<Item = (usize, &'w str)>) -> Value<'w> {
        match self {
            Value::Next => Value::Taken(words.next().map_or("", |(_, word)| word)),
            other => other,
        }
    }
}

impl Grammar {
    /// `word` begins with a dash and is more than dashes.
    fn read<'w>(&self, word: &'w str) -> Given<'w> {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Value::Taken(value)),
                None if self.flags.contains(&long) => (long, Value::None),
                None => (long, Value::Next),
            };
            return Given { long: Some(name), letter: None, value };
        }
        let mut rest = word.strip_prefix('-').unwrap_or(word).chars();
        while let Some(letter) = rest.next() {
            let after = rest.as_str();
            // `-d=false` gives a flag its value.
            if let Some(value) = after.strip_prefix('=') {
                return Given { long: None, letter: Some(letter), value: Value::Taken(value) };
            }
            if !self.letters.contains(letter) {
                let value = if after.is_empty() { Value::Next } else { Value::Taken(after) };
                return Given { long: None, letter: Some(letter), value };
            }
        }
        Given { long: None, letter: None, value: Value::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(verb: Verb, line: &str) -> Result<(), Refusal> {
        let words: Vec<&str> = line.split(' ').collect();
        refuse_local_files(verb, "x", &words, 3)
    }

    #[test]
    fn every_spelling_of_an_option_that_opens_a_path_is_refused() {
        let lines = [
            (Verb::Run, "--env-file /proc/cmdline busybox env"),
            (Verb::Run, "--env-file=/proc/cmdline busybox env"),
            (Verb::Run, "-it --rm --name x --env-file /x busybox"),
            (Verb::Run, "-itw /x --label-file /x busybox"),
            (Verb::Run, "-itw/x --cidfile=/x busybox"),
            (Verb::Run, "-e A=1 -p 80:80 -d=true --cidfile /x busybox"),
            (Verb::Run, "--rm=false --init --security-opt seccomp=/x busybox"),
            (Verb::Run, "--security-opt seccomp:/x busybox"),
            (Verb::Run, "--security-opt=seccomp=- busybox"),
            // An unknown option's value is not taken for the image.
            (Verb::Run, "--later value --env-file /x busybox"),
            (Verb::Build, "-f /x -"),
            (Verb::Build, "-qf/x -"),
            (Verb::Build, "-f=/x -"),
            (Verb::Build, "- --iidfile /x"),
            (Verb::Build, "-t a ."),
            (Verb::Build, "-t a -- https://example.org/x.tar"),
            (Verb::Build, "--secret id=a,src=/x -"),
            (Verb::Build, "-o type=local,dest=/x -"),
        ];
        for (verb, line) in lines {
            let refusal = judged(verb, line).expect_err(line);
            assert_eq!(refusal.reason, Reason::FieldNotAllowed, "{line}");
            assert!(refusal.nearest.is_some(), "{line}");
        }
    }

    #[test]
    fn words_of_the_container_and_options_without_paths_are_left_alone() {
        let lines = [
            (Verb::Run, "busybox grep --env-file /x"),
            (Verb::Run, "--rm -it busybox sh --cidfile /x"),
            (Verb::Run, "-w /x -- busybox --env-file /x"),
            (Verb::Run, "-e --env-file busybox env"),
            (Verb::Run, "--label --env-file=x busybox env"),
            (Verb::Run, "--security-opt no-new-privileges --security-opt seccomp=unconfined busybox"),
            (Verb::Run, "--security-opt apparmor=docker-default busybox"),
            (Verb::Build, "-t a -"),
            (Verb::Build, "-f - -"),
            (Verb::Logs, "-f x --env-file"),
        ];
        for (verb, line) in lines {
            assert_eq!(judged(verb, line), Ok(()), "{line}");
        }
    }

    #[test]
    fn the_refusal_tells_which_word_and_what_instead() {
        let refusal = judged(Verb::Run, "-d --env-file=/etc/passwd busybox").unwrap_err();
        assert_eq!(refusal.path.as_deref(), Some("word 4"));
        assert!(refusal.message.contains("--env-file"), "{refusal}");
        assert!(!refusal.message.contains("passwd"), "what it would open is not repeated: {refusal}");
        assert!(refusal.nearest.is_some_and(|nearest| nearest.contains("-e NAME=VALUE")));
    }
}
