//! Splitting into tokens, with the quoting of POSIX.1-2017, 2.2.

use crate::characters::column;
use crate::constructs::{
    BRACE, COMMENT, Construct, EXPANSIONS, GLOBS, OPERATORS, Operator, REDIRECTION, Redirect, Separator,
    TILDE, lookup,
};
use crate::limits::{MAX_WORDS, too_large};
use doorward_policy::{Reason, Refusal, is_hidden};

/// What a line is made of. Each has the number of characters before it.
#[derive(Debug)]
pub(crate) enum Token {
    Word(Word),
    Between(Separator, usize),
    /// The digits right before the operator, which say what is redirected, are its own.
    Redirect(Redirect, String, usize),
}

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
    /// Where the first hidden character stands. Only a script for a shell may have one.
    pub(crate) hidden_at: Option<usize>,
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

/// Splits a line of clean text into tokens.
pub(crate) fn scan(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut scanner = Scanner { rest: text, at: 0, word: None, tokens: Vec::new(), words: 0 };
    while scanner.step()? {}
    scanner.end_word()?;
    Ok(scanner.tokens)
}

struct Scanner<'a> {
    /// What is not yet read, and how many characters were.
    rest: &'a str,
    at: usize,
    word: Option<Word>,
    tokens: Vec<Token>,
    /// How many of the tokens are words of a command.
    words: usize,
}

impl Scanner<'_> {
    /// Reads one unquoted character or one quoted part; `false` at the end.
    fn step(&mut self) -> Result<bool, Refusal> {
        let Some(c) = self.rest.chars().next() else { return Ok(false) };
        match c {
            ' ' | '\t' => self.end_word()?,
            '\'' => return self.single(),
            '"' => return self.double(),
            '\\' => return self.backslash(),
            _ => {
                if let Some((spelling, operator)) = lookup(OPERATORS, self.rest) {
                    return self.operator(spelling, *operator);
                }
                self.refuse_construct(c)?;
                self.push(c, false);
            }
        }
        self.advance()
    }

    fn operator(&mut self, spelling: &str, operator: Operator) -> Result<bool, Refusal> {
        let token = match operator {
            Operator::Not(construct) => return Err(construct.refuse(spelling, self.at)),
            Operator::Between(separator) => Token::Between(separator, self.at),
            Operator::Redirect(redirect) => {
                let (descriptor, at) = self.descriptor()?;
                Token::Redirect(redirect, descriptor, at)
            }
        };
        self.end_word()?;
        self.tokens.push(token);
        for _ in spelling.chars() {
            self.take();
        }
        Ok(true)
    }

    /// The unquoted digits right before the operator, taken from the words, and where they stand. Shells
    /// differ over what `{word}` means there.
    fn descriptor(&mut self) -> Result<(String, usize), Refusal> {
        let Some(word) = &self.word else { return Ok((String::new(), self.at)) };
        if word.bare().starts_with('{') && word.bare().ends_with('}') {
            return Err(REDIRECTION.refuse(word.bare(), word.at));
        }
        if word.quoted || !word.text.chars().all(|c| c.is_ascii_digit()) {
            return Ok((String::new(), self.at));
        }
        Ok(self.word.take().map(|word| (word.text, word.at)).unwrap_or_default())
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

    fn single(&mut self) -> Result<bool, Refusal> {
        let opened = self.at;
        self.take();
        self.open_quoted();
        loop {
            match self.rest.chars().next() {
                None => return Err(unfinished("single quote", opened)),
                Some('\'') => return self.advance(),
                Some(c) => self.push(c, true),
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
                    self.push(c, true);
                }
                (Some(c), _) => {
                    self.refuse_of(EXPANSIONS)?;
                    self.push(c, true);
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
                self.push(c, true);
                self.advance()
            }
        }
    }

    fn refuse_construct(&self, c: char) -> Result<(), Refusal> {
        self.refuse_of(EXPANSIONS)?;
        self.refuse_of(GLOBS)?;
        let refuse = |construct: &Construct, spelling| Err(construct.refuse(spelling, self.at));
        match (&self.word, c) {
            (None, '~') => refuse(&TILDE, "~"),
            // bash takes `NAME=~` and `NAME=x:~` for one anywhere in a line.
            (Some(word), '~') if word.is_assignment() && word.text.ends_with(['=', ':']) => {
                refuse(&TILDE, "~")
            }
            (None, '#') => refuse(&COMMENT, "#"),
            (Some(word), ',') if word.braces > 0 => refuse(&BRACE, "{…,"),
            (Some(word), '.') if word.braces > 0 && self.rest.starts_with("..") => refuse(&BRACE, "{….."),
            // The two may be parted by a line that goes on.
            (Some(word), '.') if word.braces > 0 && word.text.ends_with('.') => refuse(&BRACE, "{….."),
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

    fn push(&mut self, c: char, quoted: bool) {
        let at = self.at;
        let word = self.word.get_or_insert_with(|| Word { at, ..Word::default() });
        word.text.push(c);
        if is_hidden(c) {
            word.hidden_at.get_or_insert(at);
        }
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
    }

    fn end_word(&mut self) -> Result<(), Refusal> {
        let Some(word) = self.word.take() else { return Ok(()) };
        if !matches!(self.tokens.last(), Some(Token::Redirect(..))) {
            self.words = self.words.saturating_add(1);
        }
        if self.words > MAX_WORDS {
            return Err(too_large(format!("the line has more than {MAX_WORDS} words"), word.at));
        }
        self.tokens.push(Token::Word(word));
        Ok(())
    }
}

fn unfinished(what: &str, before: usize) -> Refusal {
    Refusal::new(Reason::BadRequest, format!("the {what} is never finished"))
        .nearest("the closing quote, or a backslash before a quote that is text")
        .path(column(before))
}
