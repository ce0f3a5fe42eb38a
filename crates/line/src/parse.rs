//! Tokens to a list of pipelines (POSIX.1-2017, 2.9 and 2.10.2, as far as the line language goes).

use crate::builtins::builtin;
use crate::characters::{column, refuse_hidden};
use crate::constructs::{
    ASSIGNMENT, Construct, NEGATION, REDIRECTION, RESERVED, Redirect, Separator, TO_FILE,
};
use crate::limits::{MAX_STAGES, MAX_WORD, too_large};
use crate::list::{Connector, List, Pipeline, Simple, Stage, StageErr, StageOut};
use crate::scan::{Token, Word};
use crate::{sudo, transfer};
use doorward_policy::{Reason, Refusal, is_hidden};
use std::iter::Peekable;
use std::vec::IntoIter;

/// Reads the list that `tokens` say; none when they say nothing.
pub(crate) fn parse(tokens: Vec<Token>) -> Result<Option<Parsed>, Refusal> {
    let mut parser = Parser { tokens: tokens.into_iter().peekable() };
    parser.blank_lines();
    if parser.tokens.peek().is_none() {
        return Ok(None);
    }
    parser.list().map(Some)
}

/// A list, whose commands are not yet looked at.
pub(crate) struct Parsed {
    first: Vec<Command>,
    rest: Vec<(Connector, Vec<Command>)>,
}

/// One command as it stands.
struct Command {
    words: Vec<Word>,
    out: StageOut,
    err: StageErr,
    /// Where its first redirection stands.
    redirected: Option<usize>,
}

impl Parsed {
    /// The words of the only command, when there is one and nothing is redirected.
    pub(crate) fn only(&self) -> Option<&[Word]> {
        match (self.first.as_slice(), self.rest.as_slice()) {
            ([command], []) if command.redirected.is_none() => Some(&command.words),
            _ => None,
        }
    }

    /// The list, when every command may stand as it does.
    pub(crate) fn list(self) -> Result<List, Refusal> {
        let rest = self.rest.into_iter();
        Ok(List {
            first: pipeline(self.first)?,
            rest: rest
                .map(|(connector, commands)| Ok((connector, pipeline(commands)?)))
                .collect::<Result<_, Refusal>>()?,
        })
    }
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
}

impl Parser {
    fn list(&mut self) -> Result<Parsed, Refusal> {
        let mut parsed = Parsed { first: self.pipeline()?, rest: Vec::new() };
        while let Some((separator, at)) = self.separator() {
            let connector = match separator {
                Separator::And => Connector::And,
                Separator::Or => Connector::Or,
                _ => Connector::Then,
            };
            self.blank_lines();
            if self.tokens.peek().is_none() {
                match connector {
                    Connector::Then => break,
                    _ => return Err(no_command("after", separator, at)),
                }
            }
            parsed.rest.push((connector, self.pipeline()?));
        }
        Ok(parsed)
    }

    fn pipeline(&mut self) -> Result<Vec<Command>, Refusal> {
        let mut commands = vec![self.command()?];
        while let Some(Token::Between(Separator::Pipe, at)) = self.tokens.peek() {
            let at = *at;
            self.tokens.next();
            self.blank_lines();
            if self.tokens.peek().is_none() {
                return Err(no_command("after", Separator::Pipe, at));
            }
            if commands.len() >= MAX_STAGES {
                return Err(too_large(format!("a pipeline has more than {MAX_STAGES} commands"), at));
            }
            commands.push(self.command()?);
        }
        Ok(commands)
    }

    /// Words and redirections up to what is neither; at least one word.
    fn command(&mut self) -> Result<Command, Refusal> {
        let mut command =
            Command { words: Vec::new(), out: StageOut::Next, err: StageErr::Line, redirected: None };
        loop {
            match self.tokens.peek() {
                Some(Token::Word(_)) => command.words.extend(self.word()),
                Some(Token::Redirect(redirect, descriptor, at)) => {
                    let (redirect, descriptor, at) = (*redirect, descriptor.clone(), *at);
                    self.tokens.next();
                    let target = self.word();
                    command.redirect(redirect, &descriptor, target, at)?;
                }
                Some(Token::Between(separator, at)) if command.words.is_empty() => {
                    return Err(no_command("before", *separator, *at));
                }
                None if command.words.is_empty() => {
                    return Err(only_redirected(command.redirected.unwrap_or_default()));
                }
                Some(Token::Between(..)) | None => return Ok(command),
            }
        }
    }

    fn word(&mut self) -> Option<Word> {
        match self.tokens.next_if(|token| matches!(token, Token::Word(_))) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn separator(&mut self) -> Option<(Separator, usize)> {
        match self.tokens.next_if(|token| matches!(token, Token::Between(..))) {
            Some(Token::Between(separator, at)) => Some((separator, at)),
            _ => None,
        }
    }

    fn blank_lines(&mut self) {
        while self.tokens.next_if(|token| matches!(token, Token::Between(Separator::Newline, _))).is_some() {}
    }
}

impl Command {
    /// Applies one redirection, after those to its left. `descriptor` is what stands before the operator.
    fn redirect(
        &mut self,
        redirect: Redirect,
        descriptor: &str,
        target: Option<Word>,
        at: usize,
    ) -> Result<(), Refusal> {
        let Some(target) = target else {
            return Err(Refusal::new(Reason::BadRequest, "a redirection does not say to where")
                .nearest("`>/dev/null`, `2>/dev/null` or `2>&1`")
                .path(column(at)));
        };
        self.redirected.get_or_insert(at);
        match (descriptor, redirect, target.text.as_str()) {
            ("" | "1", Redirect::ToFile, "/dev/null") => self.out = StageOut::Null,
            ("2", Redirect::ToFile, "/dev/null") => self.err = StageErr::Null,
            ("2", Redirect::ToDescriptor, "1") if target.bare() == "1" => {
                self.err = match self.out {
                    StageOut::Next => StageErr::Next,
                    StageOut::Null => StageErr::Null,
                };
            }
            (_, Redirect::ToFile, "/dev/null") => {
                return Err(REDIRECTION.refuse(&format!("{descriptor}>"), at));
            }
            (_, Redirect::ToFile, _) => return Err(TO_FILE.refuse(&format!("{descriptor}>"), at)),
            (_, Redirect::ToDescriptor, _) => return Err(REDIRECTION.refuse(&format!("{descriptor}>&"), at)),
        }
        Ok(())
    }

    fn stage(self) -> Result<Stage, Refusal> {
        self.words.iter().try_for_each(whole_and_clean)?;
        begins_a_command(&self.words)?;
        let sudo = sudo::leading(&self.words)?;
        if let Some(word) = self.words.get(sudo)
            && let Some(construct) = builtin(&word.text)
        {
            return Err(construct.refuse(&word.text, word.at));
        }
        let command = Simple { words: self.words.into_iter().map(|word| word.text).collect(), sudo };
        if let Some(transfer) = transfer::of_words(command.argv()) {
            return Err(transfer.refuse());
        }
        Ok(Stage { command, out: self.out, err: self.err })
    }
}

fn pipeline(commands: Vec<Command>) -> Result<Pipeline, Refusal> {
    Ok(Pipeline { stages: commands.into_iter().map(Command::stage).collect::<Result<_, _>>()? })
}

fn whole_and_clean(word: &Word) -> Result<(), Refusal> {
    if word.text.len() > MAX_WORD {
        return Err(too_large(format!("a word has more than {MAX_WORD} bytes"), word.at));
    }
    match word.hidden_at {
        Some(at) => {
            let c = word.text.chars().find(|c| is_hidden(*c)).unwrap_or_default();
            Err(refuse_hidden("a word", c, at))
        }
        None => Ok(()),
    }
}

/// Refuses what makes a shell see something else than a command in the first word.
fn begins_a_command(words: &[Word]) -> Result<(), Refusal> {
    let Some(first) = words.first() else { return Ok(()) };
    let bare = first.bare();
    let refuse = |construct: &Construct| Err(construct.refuse(bare, first.at));
    if first.is_assignment() {
        return refuse(&ASSIGNMENT);
    }
    if bare.starts_with('!') {
        return refuse(&NEGATION);
    }
    match RESERVED.words.contains(&bare) && bare == first.text {
        true => refuse(&RESERVED.construct),
        false => Ok(()),
    }
}

fn no_command(side: &str, separator: Separator, before: usize) -> Refusal {
    let shown = match separator {
        Separator::Pipe => "`|`",
        Separator::And => "`&&`",
        Separator::Or => "`||`",
        Separator::Semicolon => "`;`",
        Separator::Newline => "the end of a line",
    };
    Refusal::new(Reason::BadRequest, format!("there is no command {side} {shown}"))
        .nearest("a command on both sides of `|`, `&&` and `||`, and before `;`")
        .path(column(before))
}

fn only_redirected(before: usize) -> Refusal {
    Refusal::new(Reason::BadRequest, "a redirection without a command")
        .nearest("the command before it")
        .path(column(before))
}
