//! Characters that have no place in a command line.

/// Whether `c` acts on a terminal, ends a line, or hides or reorders text: C0, DEL, C1, line and paragraph
/// separators, bidirectional controls, zero-width space and joiner-like controls, byte order mark, tags
/// (Unicode 16). Tab and newline are among them; whoever allows those says so.
pub(crate) fn hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}'
        | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// How a refusal calls a hidden character, which must not appear in it.
pub(crate) fn name(c: char) -> String {
    let kind = match c {
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => "control character",
        '\u{2028}' | '\u{2029}' => "line separator",
        _ => "hidden or reordering character",
    };
    format!("the {kind} U+{:04X}", u32::from(c))
}

/// `column N` of the character after `before` others.
pub(crate) fn column(before: usize) -> String {
    format!("column {}", before.saturating_add(1))
}
