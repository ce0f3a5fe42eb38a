//! What is wrong with a policy file, said so that it can be mended at once.

use crate::Location;
use std::fmt::Write;

/// One mistake in a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// Where.
    pub at: Location,
    /// What is wrong, in one line.
    pub message: String,
    /// What would be right, in one line.
    pub help: Option<String>,
}

impl PolicyError {
    /// A mistake without help.
    pub fn new(at: Location, message: impl Into<String>) -> Self {
        PolicyError { at, message: message.into(), help: None }
    }

    /// Adds what would be right.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The message, the line of `text` (the file at [`Location::file`]) with a caret under the column, and
    /// the help; several lines, the last one without a newline.
    pub fn render(&self, text: &str) -> String {
        let mut out = format!("error: {}\n  --> {}\n", self.message, self.at);
        if let Some(line) = self.at.line.checked_sub(1).and_then(|above| text.lines().nth(above)) {
            let number = self.at.line.to_string();
            let margin = " ".repeat(number.len());
            // Tabs and control characters are one column each, so that the caret stays under its character.
            let shown: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let indent = " ".repeat(self.at.column.saturating_sub(1).min(shown.chars().count()));
            let _ = write!(out, "{margin} |\n{number} | {shown}\n{margin} | {indent}^\n");
        }
        match &self.help {
            Some(help) => {
                let _ = write!(out, "  help: {help}");
            }
            None => out.truncate(out.trim_end().len()),
        }
        out
    }
}

impl std::fmt::Display for PolicyError {
    /// `file:line:column: message; help`, on one line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PolicyError {}
