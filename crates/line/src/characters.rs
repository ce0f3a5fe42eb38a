//! How a refusal tells of a character and of its place.

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
