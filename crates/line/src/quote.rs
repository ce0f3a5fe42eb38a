//! Words back to a line.

use crate::constructs::RESERVED;
use crate::scan::names_a_variable;
use doorward_policy::is_hidden;

/// A line that [`read`](crate::read) splits into these words again, for showing. Characters that no line may
/// hold are shown as `\u{…}`.
pub fn quote(words: &[String]) -> String {
    let mut line = String::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            line.push(' ');
        }
        let first = at == 0 && (names_a_variable(word) || RESERVED.words.contains(&word.as_str()));
        if first || word.is_empty() || !word.chars().all(plain) {
            line.push('\'');
            word.chars().for_each(|c| quoted(c, &mut line));
            line.push('\'');
        } else {
            line.push_str(word);
        }
    }
    line
}

/// Whether `c` means itself wherever it stands unquoted.
fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c)
}

fn quoted(c: char, line: &mut String) {
    match c {
        '\'' => line.push_str("'\\''"),
        c if is_hidden(c) => line.extend(c.escape_unicode()),
        c => line.push(c),
    }
}
