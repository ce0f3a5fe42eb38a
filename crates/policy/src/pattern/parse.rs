//! A usage line as a tree, and back.

use super::PatternError;
use super::value::Type;
use std::fmt;

/// Longest usage line in bytes.
const LONGEST: usize = 4096;
/// Deepest nesting of groups.
const DEEPEST: usize = 16;
/// Most repetitions: the line language has no more words than this.
const MOST: u32 = 64;

/// What one word of argv is compared with.
#[derive(Debug, Clone)]
pub(super) enum Atom {
    /// Exactly this word.
    Literal(String),
    /// `prefix` and then a value; mostly the prefix is empty.
    Value { prefix: String, name: String, kind: Type },
}

/// A piece of a line.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Atom(Atom),
    /// One of the lines; with `optional`, or nothing.
    Group {
        lines: Vec<Vec<Node>>,
        optional: bool,
    },
    /// One to `most` times.
    Repeat {
        node: Box<Node>,
        most: u32,
    },
}

impl Atom {
    pub(super) fn matches(&self, word: &str) -> bool {
        match self {
            Atom::Literal(literal) => literal == word,
            Atom::Value { prefix, kind, .. } => {
                word.strip_prefix(prefix.as_str()).is_some_and(|value| kind.matches(value))
            }
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self, Atom::Value { kind: Type::Regex(_) | Type::Path(_), .. })
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Atom::Literal(word) => write_literal(f, word),
            Atom::Value { prefix, name, kind } => {
                if !prefix.is_empty() {
                    write_literal(f, prefix)?;
                }
                write!(f, "{{{name}:{kind}}}")
            }
        }
    }
}

fn write_literal(f: &mut fmt::Formatter<'_>, word: &str) -> fmt::Result {
    let plain = !word.is_empty()
        && !word.chars().any(|c| c.is_whitespace() || "[](){}|'…".contains(c))
        && !word.contains("...");
    if plain { f.write_str(word) } else { write!(f, "'{word}'") }
}

pub(super) fn write_line(f: &mut fmt::Formatter<'_>, line: &[Node]) -> fmt::Result {
    for (index, node) in line.iter().enumerate() {
        if index > 0 {
            f.write_str(" ")?;
        }
        write_node(f, node)?;
    }
    Ok(())
}

fn write_node(f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
    match node {
        Node::Atom(atom) => write!(f, "{atom}"),
        Node::Group { lines, optional } => {
            f.write_str(if *optional { "[" } else { "(" })?;
            for (index, line) in lines.iter().enumerate() {
                if index > 0 {
                    f.write_str("|")?;
                }
                write_line(f, line)?;
            }
            f.write_str(if *optional { "]" } else { ")" })
        }
        Node::Repeat { node, most } => {
            write_node(f, node)?;
            write!(f, "…{most}")
        }
    }
}

/// Reads a whole usage line.
pub(super) fn parse(usage: &str) -> Result<Vec<Node>, PatternError> {
    if usage.len() > LONGEST {
        return Err(PatternError { offset: 0, message: format!("a usage line has at most {LONGEST} bytes") });
    }
    if let Some((offset, _)) = usage.char_indices().find(|(_, c)| crate::is_hidden(*c)) {
        return Err(PatternError { offset, message: "a usage line has no control characters".into() });
    }
    let mut reader = Reader { usage, at: 0 };
    let line = reader.line(0)?;
    if let Some(extra) = reader.peek() {
        return Err(reader.error(format!("`{extra}` closes a group that was not opened")));
    }
    match line.first() {
        Some(Node::Atom(Atom::Literal(word))) if !word.is_empty() => Ok(line),
        Some(_) => Err(PatternError {
            offset: usage.len().saturating_sub(usage.trim_start().len()),
            message: "the first word must be a literal: the name of the program".into(),
        }),
        None => Err(PatternError { offset: 0, message: "a usage line has at least one word".into() }),
    }
}

struct Reader<'u> {
    usage: &'u str,
    /// Byte offset of what is read next, always at a character border.
    at: usize,
}

impl<'u> Reader<'u> {
    fn rest(&self) -> &'u str {
        self.usage.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        if there {
            self.at = self.at.saturating_add(text.len());
        }
        there
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'u str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(end);
        rest.get(..end).unwrap_or_default()
    }

    fn error(&self, message: impl Into<String>) -> PatternError {
        PatternError { offset: self.at, message: message.into() }
    }

    /// Words up to the end, a `|` or a closing bracket, which is left unread.
    fn line(&mut self, depth: usize) -> Result<Vec<Node>, PatternError> {
        let mut line = Vec::new();
        loop {
            self.take_while(char::is_whitespace);
            match self.peek() {
                None | Some(')' | ']') => return Ok(line),
                Some('|') if depth > 0 => return Ok(line),
                Some('|') => {
                    return Err(
                        self.error("`|` stands in a group: write `(a|b)`, or `'|'` for the character")
                    );
                }
                Some(_) => line.push(self.word(depth)?),
            }
        }
    }

    /// One word with its repetition, up to whitespace or the border of the group that it stands in.
    fn word(&mut self, depth: usize) -> Result<Node, PatternError> {
        let start = self.at;
        let node = match self.peek() {
            Some('(') => self.group("(", ")", depth)?,
            Some('[') => self.group("[", "]", depth)?,
            Some('}') => return Err(self.error("`}` closes a value that was not opened")),
            _ => Node::Atom(self.atom()?),
        };
        let node = self.repeat(node, start)?;
        match self.peek() {
            None | Some(')' | ']' | '|') => Ok(node),
            Some(c) if c.is_whitespace() => Ok(node),
            Some(_) => Err(self.error("a word ends here: put a space, or quote the word with '…'")),
        }
    }

    fn group(&mut self, open: &str, close: &str, depth: usize) -> Result<Node, PatternError> {
        let start = self.at;
        if depth >= DEEPEST {
            return Err(self.error(format!("groups nest at most {DEEPEST} deep")));
        }
        self.skip(open);
        let mut lines = Vec::new();
        loop {
            let line = self.line(depth.saturating_add(1))?;
            if line.is_empty() {
                return Err(self.error("a word is missing here; `[…]` is what may be left out"));
            }
            lines.push(line);
            if self.skip("|") {
                continue;
            }
            if self.skip(close) {
                return Ok(Node::Group { lines, optional: open == "[" });
            }
            self.at = if self.peek().is_none() { start } else { self.at };
            return Err(self.error(format!("`{open}` is not closed by `{close}`")));
        }
    }

    fn repeat(&mut self, node: Node, start: usize) -> Result<Node, PatternError> {
        let mark = self.at;
        if !self.skip("…") && !self.skip("...") {
            return Ok(node);
        }
        if matches!(node, Node::Atom(Atom::Literal(_))) {
            self.at = start;
            return Err(self.error("only a value or a group repeats: write `(word)…N`"));
        }
        match self.take_while(|c| c.is_ascii_digit()).parse::<u32>() {
            Ok(most) if (1..=MOST).contains(&most) => Ok(Node::Repeat { node: Box::new(node), most }),
            _ => {
                self.at = mark;
                Err(self.error(format!("a repetition says how often at most: `…N` with N from 1 to {MOST}")))
            }
        }
    }

    fn atom(&mut self) -> Result<Atom, PatternError> {
        let prefix = if self.peek() == Some('\'') { self.quoted()? } else { self.bare() };
        if self.peek() != Some('{') {
            return Ok(Atom::Literal(prefix));
        }
        self.value(prefix)
    }

    fn quoted(&mut self) -> Result<String, PatternError> {
        let start = self.at;
        self.skip("'");
        let word = self.take_while(|c| c != '\'').to_owned();
        if self.skip("'") {
            return Ok(word);
        }
        self.at = start;
        Err(self.error("the quote `'` is not closed"))
    }

    /// A bare literal ends before a special character or a repetition mark.
    fn bare(&mut self) -> String {
        let whole = self.take_while(|c| !c.is_whitespace() && !"[](){}|'…".contains(c));
        match whole.find("...") {
            Some(dots) if whole.get(dots..).is_some_and(is_repetition) => {
                self.at = self.at.saturating_sub(whole.len().saturating_sub(dots));
                whole.get(..dots).unwrap_or_default().to_owned()
            }
            _ => whole.to_owned(),
        }
    }

    fn value(&mut self, prefix: String) -> Result<Atom, PatternError> {
        let start = self.at;
        self.skip("{");
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-').to_owned();
        if name.is_empty() || !self.skip(":") {
            self.at = start;
            return Err(self.error("a value is written {name:type}"));
        }
        let type_at = self.at;
        let text = self.type_text().ok_or(PatternError {
            offset: start,
            message: "`{` is not closed by `}` (a regex ends with `/}`)".into(),
        })?;
        let kind = Type::parse(text).map_err(|message| PatternError { offset: type_at, message })?;
        Ok(Atom::Value { prefix, name, kind })
    }

    /// The text of a type, past its closing brace. A regex ends at the first unescaped `/` before a `}`.
    fn type_text(&mut self) -> Option<&'u str> {
        let rest = self.rest();
        let end = if rest.starts_with('/') {
            let mut escaped = false;
            let mut end = None;
            for (index, c) in rest.char_indices().skip(1) {
                let after = index.saturating_add(1);
                if c == '/' && !escaped && rest.get(after..).is_some_and(|tail| tail.starts_with('}')) {
                    end = Some(after);
                    break;
                }
                escaped = c == '\\' && !escaped;
            }
            end?
        } else {
            rest.find('}')?
        };
        self.at = self.at.saturating_add(end).saturating_add(1);
        rest.get(..end)
    }
}

fn is_repetition(tail: &str) -> bool {
    tail.strip_prefix("...").is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()))
}
