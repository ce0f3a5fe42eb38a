//! Characters that a reader of the log would not see as they are.

/// Whether `c` acts on a terminal, ends a line, or hides or reorders text: C0, DEL, C1, line and paragraph
/// separators, interlinear annotations, and all that is shown as nothing (Unicode 16, `Default_Ignorable_Code_Point`
/// of `DerivedCoreProperties.txt`): soft hyphen, joiners, fillers, variation selectors, bidirectional controls, byte
/// order mark, tags. Tab and newline are among them; whoever allows those says so.
pub fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a word holds no [hidden](is_hidden) character.
pub fn is_clean(word: &str) -> bool {
    !word.chars().any(is_hidden)
}
