//! Characters that a reader of the log would not see as they are.

/// Whether `c` acts on a terminal, ends a line, or hides or reorders text: C0, DEL, C1, line and paragraph
/// separators, bidirectional controls, zero-width space and joiner-like controls, byte order mark, tags
/// (Unicode 16). Tab and newline are among them; whoever allows those says so.
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}'
        | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether a word holds no [hidden](is_hidden) character.
pub fn is_clean(word: &str) -> bool {
    !word.chars().any(is_hidden)
}
