//! Whether a filter may be used with its words, and what is said when not.

use super::words::{Item, read};
use super::{Filter, FilterOption, Operands, Value, jq};
use crate::judge::shown;
use crate::nearest::nearest;
use crate::{Reason, Refusal};

impl Filter {
    /// Whether the words after the program's name may be used.
    ///
    /// # Errors
    /// For an option that reads or writes files or starts programs, one that is not known, and an operand
    /// that would name a file.
    pub fn judge(&'static self, words: &[String]) -> Result<(), Refusal> {
        let items = read(self, words)?;
        if items.iter().any(|item| matches!(item, Item::Option(option) if only_prints(option))) {
            return self.judge_operands(&items).or_else(|refusal| match refusal.reason {
                // What is missing is not missed when the program only prints about itself.
                Reason::BadRequest => Ok(()),
                _ => Err(refusal),
            });
        }
        self.judge_operands(&items)
    }

    /// Whether it reads its stdin at all when it is used with these words.
    pub fn reads_stdin(&'static self, words: &[String]) -> bool {
        let prints = |item: &Item<'_>| matches!(item, Item::Option(option) if only_prints(option));
        self.operands != Operands::Words && !read(self, words).is_ok_and(|items| items.iter().any(prints))
    }

    fn judge_operands(&'static self, items: &[Item<'_>]) -> Result<(), Refusal> {
        let given = |name: &str| {
            items
                .iter()
                .any(|item| matches!(item, Item::Option(option) if option.spellings().any(|n| n == name)))
        };
        let operands = items.iter().filter_map(|item| match item {
            Item::Operand(at, word) => Some((*at, *word)),
            Item::Option(_) => None,
        });
        match self.operands {
            Operands::Words => Ok(()),
            Operands::Stdin => self.stdin_alone(operands),
            Operands::Pattern if given("-e") => self.stdin_alone(operands),
            Operands::Pattern => {
                let mut operands = operands;
                operands.next().ok_or_else(|| self.missing("a pattern"))?;
                self.stdin_alone(operands)
            }
            Operands::Sets => match operands.collect::<Vec<_>>().as_slice() {
                [] => Err(self.missing("a set of characters")),
                [_] | [_, _] => Ok(()),
                [_, _, (at, word), ..] => Err(self.at(
                    *at,
                    Reason::NotInPolicy,
                    format!("`{}` is one word too many for `{}`", shown(word), self.name),
                )),
            },
            Operands::Program => self.program(items),
        }
    }

    /// At most one `-`.
    fn stdin_alone<'w>(&self, operands: impl Iterator<Item = (usize, &'w str)>) -> Result<(), Refusal> {
        let mut stdin = false;
        for (at, word) in operands {
            if word != "-" || stdin {
                return Err(self.names_file(at, word));
            }
            stdin = true;
        }
        Ok(())
    }

    fn program(&self, items: &[Item<'_>]) -> Result<(), Refusal> {
        let (mut program, mut stdin, mut values) = (None, false, false);
        for item in items {
            match item {
                Item::Option(option) => values |= matches!(option.names, "--args" | "--jsonargs"),
                Item::Operand(at, word) if program.is_none() => {
                    if let Some(keyword) = jq::reads_modules(word) {
                        let message = format!("`{keyword}` in a jq program is not allowed: it reads a file");
                        return Err(self.at(*at, Reason::NotInPolicy, message));
                    }
                    program = Some(word);
                }
                Item::Operand(..) if values => {}
                Item::Operand(_, "-") if !stdin => stdin = true,
                Item::Operand(at, word) => return Err(self.names_file(*at, word)),
            }
        }
        program.map(|_| ()).ok_or_else(|| self.missing("a jq program"))
    }

    fn names_file(&self, at: usize, word: &str) -> Refusal {
        let message =
            format!("`{}` reads stdin only, so `{}` is not allowed as a file", self.name, shown(word));
        self.at(at, Reason::NotInPolicy, message)
    }

    fn missing(&self, what: &str) -> Refusal {
        Refusal::new(Reason::BadRequest, format!("`{}` needs {what}", self.name)).nearest(self.usage)
    }

    fn at(&self, at: usize, reason: Reason, message: String) -> Refusal {
        // Words count from 1, and the first is the program.
        Refusal::new(reason, message).nearest(self.usage).path(format!("word {}", at.saturating_add(2)))
    }
}

/// Whether the program prints about itself and ends, whatever else it is asked.
fn only_prints(option: &FilterOption) -> bool {
    option.spellings().any(|name| matches!(name, "--help" | "--version"))
}

pub(super) fn refused(filter: &Filter, at: usize, name: &str, option: &FilterOption) -> Refusal {
    let message = format!("`{} {name}` is not allowed: {}", filter.name, option.about);
    filter.at(at, Reason::NotInPolicy, message)
}

pub(super) fn unknown(filter: &Filter, at: usize, name: &str) -> Refusal {
    let allowed = || filter.options.iter().filter(|option| option.allowed).flat_map(FilterOption::spellings);
    let abbreviated =
        name.len() > 2 && filter.options.iter().any(|o| o.spellings().any(|n| n.starts_with(name)));
    let message = match abbreviated {
        true => format!("`{} {}` is cut short: options are written in full", filter.name, shown(name)),
        false => format!("`{} {}` is no option that is known here", filter.name, shown(name)),
    };
    let refusal = filter.at(at, Reason::NotInPolicy, message);
    let meant = match abbreviated {
        true => allowed().find(|known| known.starts_with(name)),
        false => nearest(name, allowed().filter(|known| known.starts_with("--"))),
    };
    match meant {
        Some(meant) => refusal.nearest(format!("{} {meant}", filter.name)),
        None => refusal,
    }
}

pub(super) fn no_value(filter: &Filter, at: usize, name: &str) -> Refusal {
    filter.at(at, Reason::BadRequest, format!("`{} {name}` needs a value", filter.name))
}

pub(super) fn valueless(filter: &Filter, at: usize, name: &str) -> Refusal {
    filter.at(at, Reason::BadRequest, format!("`{} {name}` takes no value", filter.name))
}

pub(super) fn stray_value(filter: &Filter, at: usize, name: &str) -> Refusal {
    let message = format!("`{} {name}` takes its values as words of their own", filter.name);
    filter.at(at, Reason::BadRequest, message)
}

pub(super) fn bad_value(filter: &Filter, at: usize, name: &str, kind: &Value, value: &str) -> Refusal {
    let message = format!("`{}` is not allowed after `{} {name}`", shown(value), filter.name);
    filter.at(at, Reason::NotInPolicy, message).nearest(kind.about())
}
