//! A filter's words, read as its program reads them: options with their values, and the other words.
//!
//! GNU programs read with glibc's `getopt_long` (getopt(3)): a word that begins with `-` and is longer is a
//! cluster of letters, or a long name after `--`; the first letter that takes a value takes the rest of its
//! word, or else the next word, whatever that is; `--` ends the options; options may stand after other words,
//! unless the program asked for an order. `getopt_long` also takes a long name's unique beginning: here it is
//! refused, so that what a name means does not hang on which names another version of the program has.

use super::judge::{bad_value, no_value, refused, stray_value, unknown, valueless};
use super::value::is_number;
use super::{Filter, FilterOption, Reading, Takes, Value};
use crate::Refusal;

/// One thing that the words say.
#[derive(Debug)]
pub(super) enum Item<'w> {
    /// An option that may be used, with values that it may have.
    Option(&'static FilterOption),
    /// Another word, and its position among the words.
    Operand(usize, &'w str),
}

/// What the words say, in their order.
pub(super) fn read<'w>(filter: &'static Filter, words: &'w [String]) -> Result<Vec<Item<'w>>, Refusal> {
    let mut reader = Reader { filter, words, next: 0, items: Vec::new() };
    match filter.reading {
        Reading::Nothing => reader.operands(),
        Reading::Jq => reader.jq()?,
        Reading::Gnu | Reading::GnuInOrder => reader.gnu()?,
        Reading::GnuHead => {
            // `head -5 …`: only the first word, which head takes away before it reads the others.
            if words.first().is_some_and(|word| is_old_count(word, '-')) {
                reader.next = 1;
            }
            reader.gnu()?;
        }
        Reading::GnuTail if is_old_tail(words) => {
            reader.next = 1;
            reader.operands();
        }
        Reading::GnuTail => reader.gnu()?,
    }
    Ok(reader.items)
}

fn is_old_count(word: &str, sign: char) -> bool {
    word.strip_prefix(sign).is_some_and(is_number)
}

/// `tail -5` and `tail +5`, which tail knows only when at most a `-` follows.
fn is_old_tail(words: &[String]) -> bool {
    let count = |word: &str| is_old_count(word, '-') || is_old_count(word, '+');
    match words {
        [only] => count(only),
        [first, last] => count(first) && last == "-",
        _ => false,
    }
}

struct Reader<'w> {
    filter: &'static Filter,
    words: &'w [String],
    /// Position of the word that is read next.
    next: usize,
    items: Vec<Item<'w>>,
}

impl<'w> Reader<'w> {
    fn take(&mut self) -> Option<(usize, &'w str)> {
        let at = self.next;
        let word = self.words.get(at)?;
        self.next = at.saturating_add(1);
        Some((at, word.as_str()))
    }

    /// All that is left are no options.
    fn operands(&mut self) {
        while let Some((at, word)) = self.take() {
            self.items.push(Item::Operand(at, word));
        }
    }

    fn gnu(&mut self) -> Result<(), Refusal> {
        while let Some((at, word)) = self.take() {
            if word == "--" {
                self.operands();
            } else if let Some(long) = word.strip_prefix("--") {
                self.gnu_long(at, long)?;
            } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
                self.gnu_letters(at, letters)?;
            } else {
                self.items.push(Item::Operand(at, word));
                if self.filter.reading == Reading::GnuInOrder {
                    self.operands();
                }
            }
        }
        Ok(())
    }

    fn gnu_long(&mut self, at: usize, long: &str) -> Result<(), Refusal> {
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (format!("--{name}"), Some(value)),
            None => (format!("--{long}"), None),
        };
        let option = self.option(at, &name)?;
        match (&option.takes, attached) {
            (Takes::Nothing | Takes::Two, Some(_)) => Err(valueless(self.filter, at, &name)),
            (Takes::Nothing | Takes::Two, None) | (Takes::Maybe(..), None) => Ok(()),
            (Takes::Value(_, kind) | Takes::Maybe(_, kind), Some(value)) => {
                self.check(at, &name, kind, value)
            }
            (Takes::Value(_, kind), None) => self.separate(at, &name, kind),
        }?;
        self.items.push(Item::Option(option));
        Ok(())
    }

    fn gnu_letters(&mut self, at: usize, letters: &str) -> Result<(), Refusal> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let name = format!("-{letter}");
            let option = self.option(at, &name)?;
            self.items.push(Item::Option(option));
            if let Takes::Value(_, kind) = &option.takes {
                return match rest.as_str() {
                    "" => self.separate(at, &name, kind),
                    attached => self.check(at, &name, kind, attached),
                };
            }
        }
        Ok(())
    }

    /// jq's `main`: a word is an option when a letter or a second dash follows its dash; a long name stands
    /// alone; letters are flags; values are the next words, whatever those are.
    fn jq(&mut self) -> Result<(), Refusal> {
        while let Some((at, word)) = self.take() {
            let is_option = word
                .strip_prefix('-')
                .and_then(|rest| rest.chars().next())
                .is_some_and(|c| c == '-' || c.is_alphabetic());
            match word {
                "--" => self.operands(),
                _ if !is_option => self.items.push(Item::Operand(at, word)),
                _ if word.starts_with("--") => self.jq_long(at, word)?,
                _ => {
                    for letter in word.chars().skip(1) {
                        let option = self.option(at, &format!("-{letter}"))?;
                        self.items.push(Item::Option(option));
                    }
                }
            }
        }
        Ok(())
    }

    fn jq_long(&mut self, at: usize, word: &str) -> Result<(), Refusal> {
        if let Some((name, _)) = word.split_once('=') {
            self.option(at, name)?;
            return Err(stray_value(self.filter, at, name));
        }
        let option = self.option(at, word)?;
        match &option.takes {
            Takes::Nothing | Takes::Maybe(..) => {}
            Takes::Value(_, kind) => self.separate(at, word, kind)?,
            Takes::Two => {
                if self.take().and_then(|_| self.take()).is_none() {
                    return Err(no_value(self.filter, at, word));
                }
            }
        }
        self.items.push(Item::Option(option));
        Ok(())
    }

    /// The option of a spelling, when it may be used.
    fn option(&self, at: usize, name: &str) -> Result<&'static FilterOption, Refusal> {
        let known = self.filter.options.iter().find(|option| option.spellings().any(|known| known == name));
        match known {
            Some(option) if option.allowed => Ok(option),
            Some(option) => Err(refused(self.filter, at, name, option)),
            None => Err(unknown(self.filter, at, name)),
        }
    }

    fn separate(&mut self, at: usize, name: &str, kind: &Value) -> Result<(), Refusal> {
        match self.take() {
            Some((value_at, value)) => self.check(value_at, name, kind, value),
            None => Err(no_value(self.filter, at, name)),
        }
    }

    fn check(&self, at: usize, name: &str, kind: &Value, value: &str) -> Result<(), Refusal> {
        match kind.allows(value) {
            true => Ok(()),
            false => Err(bad_value(self.filter, at, name, kind, value)),
        }
    }
}
