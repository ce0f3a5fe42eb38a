//! What `help` says about a filter.

use super::{Filter, FilterOption, Operands, Takes};
use std::fmt::Write;

impl Filter {
    /// What `help` says: the usage line, then the options, one to a line.
    pub fn help(&self) -> String {
        let mut text = format!("{}\n    {}\n", self.usage, self.about);
        if self.operands != Operands::Words {
            text.push_str("    It reads stdin only: no word may name a file.\n");
        }
        if !self.always.is_empty() {
            let _ = writeln!(text, "    It is always given {}.", self.always.join(" "));
        }
        let _ = writeln!(text, "    Example: {}", self.example);
        for option in self.options.iter().filter(|option| option.allowed) {
            let _ = writeln!(text, "  {:<34} {}", option.usage(), option.about);
        }
        if self.options.iter().any(|option| !option.allowed) {
            text.push_str("Not allowed:\n");
        }
        for option in self.options.iter().filter(|option| !option.allowed) {
            let _ = writeln!(text, "  {:<34} {}", option.usage(), option.about);
        }
        text
    }
}

impl FilterOption {
    /// Its spellings and what follows it, like `-m, --max-count NUM`.
    pub fn usage(&self) -> String {
        let digits = self.spellings().all(|name| name.trim_start_matches('-').parse::<u8>().is_ok());
        let names = match digits {
            true => "-NUM".to_owned(),
            false => self.spellings().collect::<Vec<_>>().join(", "),
        };
        match &self.takes {
            Takes::Nothing => names,
            Takes::Value(value, _) => format!("{names} {value}"),
            Takes::Maybe(value, _) => format!("{names}[={value}]"),
            Takes::Two => format!("{names} NAME VALUE"),
        }
    }
}
