//! Leading `sudo`: what needs privilege is said by the rule, so the word is dropped.

use crate::characters::column;
use crate::constructs::ASSIGNMENT;
use crate::scan::{Word, names_a_variable};
use doorward_policy::{Reason, Refusal};

/// Options that change nothing about what runs (sudo(8)), and whether a value follows.
const HARMLESS: &[(&str, bool)] = &[
    ("n", false),
    ("S", false),
    ("p", true),
    ("non-interactive", false),
    ("stdin", false),
    ("prompt", true),
];

const INSTEAD: &str = "the command without it: the policy says as whom it runs";

/// How many leading words are `sudo` and its harmless options.
pub(crate) fn leading(words: &[Word]) -> Result<usize, Refusal> {
    let mut words = Words { words, next: 0 };
    while words.peek().is_some_and(|word| word.text == "sudo") {
        let at = words.take().map(|word| word.at).unwrap_or_default();
        options(&mut words)?;
        match words.peek() {
            None => {
                return Err(Refusal::new(Reason::BadRequest, "`sudo` without a command")
                    .nearest("the command itself; `help` lists what you may run")
                    .path(column(at)));
            }
            Some(word) if names_a_variable(&word.text) => return Err(ASSIGNMENT.refuse(&word.text, word.at)),
            Some(_) => {}
        }
    }
    Ok(words.next)
}

struct Words<'a> {
    words: &'a [Word],
    next: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a Word> {
        self.words.get(self.next)
    }

    fn take(&mut self) -> Option<&'a Word> {
        let word = self.peek()?;
        self.next = self.next.saturating_add(1);
        Some(word)
    }
}

fn options(words: &mut Words<'_>) -> Result<(), Refusal> {
    while let Some(word) = words.peek().filter(|word| word.text.starts_with('-') && word.text != "-") {
        words.take();
        match word.text.strip_prefix("--") {
            Some("") => return Ok(()),
            Some(long) => {
                let (name, value) = match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                };
                match (takes_value(name), value) {
                    (Some(true), Some(_)) | (Some(false), None) => {}
                    (Some(true), None) => drop(words.take()),
                    _ => return Err(refuse(&format!("--{name}"), word)),
                }
            }
            None => cluster(word, words)?,
        }
    }
    Ok(())
}

/// `-nS`, `-Sp ''`, `-pPROMPT`.
fn cluster(word: &Word, words: &mut Words<'_>) -> Result<(), Refusal> {
    let mut letters = word.text.chars();
    letters.next();
    while let Some(letter) = letters.next() {
        match takes_value(letter.encode_utf8(&mut [0; 4])) {
            Some(false) => {}
            Some(true) => {
                if letters.as_str().is_empty() {
                    words.take();
                }
                return Ok(());
            }
            None => return Err(refuse(&format!("-{letter}"), word)),
        }
    }
    Ok(())
}

fn takes_value(name: &str) -> Option<bool> {
    HARMLESS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

fn refuse(option: &str, word: &Word) -> Refusal {
    Refusal::new(Reason::Construct, format!("`sudo {option}` is not available"))
        .nearest(INSTEAD)
        .path(column(word.at))
}
