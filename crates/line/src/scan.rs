//! Splitting into words, with the quoting of POSIX.1-2017, 2.2.

use crate::characters::{column, name};
use crate::constructs::{BRACE, COMMENT, Construct, EXPANSIONS, GLOBS, OPERATORS, TILDE, lookup};
use crate::line::{MAX_WORD, MAX_WORDS, bad_encoding};
use doorward_policy::{Reason, Refusal, is_hidden};

/// A word without its quoting.
#[derive(Debug, Default)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// Characters of the line before it.
    pub(crate) at: usize,
    /// Bytes of `text` before the first quoted character.
    unquoted: usize,
    /// Whether anything of it was quoted, also nothing (`''`).
    quoted: bool,
    /// Unquoted `{` that are open.
    braces: usize,
}

impl Word {
    /// The part before the first quoted character.
    pub(crate) fn bare(&self) -> &str {
        self.text.get(..self.unquoted).unwrap_or_default()
    }

    /// Whether a shell would take it for `NAME=value`.
    pub(crate) fn is_assignment(&self) -> bool {
        names_a_variable(self.bare())
    }
}

/// Whether `text` begins with `NAME=`.
pub(crate) fn names_a_variable(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.trim_end_matches('+').chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Splits a line of clean text into words.
pub(crate) fn scan(text: &str) -> Result<Vec<Word>, Refusal> {
    let mut scanner = Scanner { rest: text, at: 0, word: None, words: Vec::new() };
    while scanner.step()? {}
    scanner.end_word()?;
    Ok(scanner.words)
}

struct Scanner<'a> {
    /// What is not yet read, and how many characters were.
    rest: &'a str,
    at: usize,
    word: Option<Word>,
    words: Vec<Word>,
}

impl Scanner<'_> {
    /// Reads one unquoted character or one quoted part; `false` at the end.
    fn step(&mut self) -> Result<bool, Refusal> {
        let Some(c) = self.rest.chars().next() else { return Ok(false) };
        match c {
            ' ' | '\t' => self.end_word()?,
            '\n' => return self.newline(),
            '\'' => return self.single(),
            '"' => return self.double(),
            '\\' => return self.backslash(),
            _ => {
                self.refuse_construct(c)?;
                self.push(c, false)?;
                return self.advance();
            }
        }
        self.advance()
    }

    fn advance(&mut self) -> Result<bool, Refusal> {
        self.take();
        Ok(true)
    }

    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.at = self.at.saturating_add(1);
        Some(c)
    }

    /// A newline separates commands; where there is none before or none after it, it is a blank.
    fn newline(&mut self) -> Result<bool, Refusal> {
        self.end_word()?;
        let blank = |c: char| matches!(c, ' ' | '\t' | '\n');
        if self.words.is_empty() || self.rest.chars().all(blank) {
            return self.advance();
        }
        self.refuse_of(OPERATORS)?;
        self.advance()
    }

    fn single(&mut self) -> Result<bool, Refusal> {
        let opened = self.at;
        self.take();
        self.open_quoted();
        loop {
            match self.rest.chars().next() {
                None => return Err(unfinished("single quote", opened)),
                Some('\'') => return self.advance(),
                Some(c) => self.push(c, true)?,
            }
            self.take();
        }
    }

    fn double(&mut self) -> Result<bool, Refusal> {
        let opened = self.at;
        self.take();
        self.open_quoted();
        loop {
            let mut rest = self.rest.chars();
            match (rest.next(), rest.next()) {
                (None, _) => return Err(unfinished("double quote", opened)),
                (Some('"'), _) => return self.advance(),
                (Some('\\'), Some('\n')) => {
                    self.take();
                }
                (Some('\\'), Some(c @ ('\\' | '"' | '$' | '`'))) => {
                    self.take();
                    self.push(c, true)?;
                }
                (Some(c), _) => {
                    self.refuse_of(EXPANSIONS)?;
                    self.push(c, true)?;
                }
            }
            self.take();
        }
    }

    fn backslash(&mut self) -> Result<bool, Refusal> {
        let at = self.at;
        self.take();
        match self.rest.chars().next() {
            None => Err(unfinished("backslash", at)),
            Some('\n') => self.advance(),
            Some(c) => {
                self.open_quoted();
                self.push(c, true)?;
                self.advance()
            }
        }
    }

    fn refuse_construct(&self, c: char) -> Result<(), Refusal> {
        for table in [OPERATORS, EXPANSIONS, GLOBS] {
            self.refuse_of(table)?;
        }
        let refuse = |construct: &Construct, spelling| Err(construct.refuse(spelling, self.at));
        match (&self.word, c) {
            (None, '~') => refuse(&TILDE, "~"),
            (None, '#') => refuse(&COMMENT, "#"),
            (Some(word), ',') if word.braces > 0 => refuse(&BRACE, "{…,"),
            (Some(word), '.') if word.braces > 0 && self.rest.starts_with("..") => refuse(&BRACE, "{….."),
            _ => Ok(()),
        }
    }

    fn refuse_of(&self, table: &[(&'static str, Construct)]) -> Result<(), Refusal> {
        match lookup(table, self.rest) {
            Some((spelling, construct)) => Err(construct.refuse(spelling, self.at)),
            None => Ok(()),
        }
    }

    fn open_quoted(&mut self) {
        let at = self.at.saturating_sub(1);
        let word = self.word.get_or_insert_with(|| Word { at, ..Word::default() });
        word.quoted = true;
    }

    fn push(&mut self, c: char, quoted: bool) -> Result<(), Refusal> {
        if is_hidden(c) {
            return Err(bad_encoding(format!("a word holds {}", name(c)), self.at));
        }
        let at = self.at;
        let word = self.word.get_or_insert_with(|| Word { at, ..Word::default() });
        word.text.push(c);
        if !quoted {
            word.braces = match c {
                '{' => word.braces.saturating_add(1),
                '}' => word.braces.saturating_sub(1),
                _ => word.braces,
            };
        }
        if !word.quoted {
            word.unquoted = word.text.len();
        }
        if word.text.len() > MAX_WORD {
            return Err(too_large(format!("a word has more than {MAX_WORD} bytes"), word.at));
        }
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), Refusal> {
        if let Some(word) = self.word.take() {
            if self.words.len() >= MAX_WORDS {
                return Err(too_large(format!("the line has more than {MAX_WORDS} words"), word.at));
            }
            self.words.push(word);
        }
        Ok(())
    }
}

fn unfinished(what: &str, before: usize) -> Refusal {
    Refusal::new(Reason::BadRequest, format!("the {what} is never finished"))
        .nearest("the closing quote, or a backslash before a quote that is text")
        .path(column(before))
}

fn too_large(what: String, before: usize) -> Refusal {
    Refusal::new(Reason::TooLarge, what).nearest("a shorter line; send data on stdin").path(column(before))
}
