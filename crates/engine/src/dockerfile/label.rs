//! `LABEL`, in the one form that has no second reading.

use super::lines::{BLANK, is_plain, refusal};
use doorward_policy::{Reason, Refusal};

/// A label: its name, and its value as it is quoted in a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    /// Plain: nothing is put into it.
    pub(crate) name: String,
    /// With its quotes.
    pub(crate) quoted: String,
}

/// A label of plain text, into which nothing is put; `None` when it cannot be written in a Dockerfile.
pub(crate) fn label(name: &str, value: &str) -> Option<Label> {
    if !is_label_name(name) || !value.chars().all(is_plain) {
        return None;
    }
    let mut quoted = String::from('"');
    for letter in value.chars() {
        if matches!(letter, '"' | '\\' | '$') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    Some(Label { name: name.to_owned(), quoted })
}

/// Reads `name=value …`; values are bare words, or in double or single quotes.
pub(super) fn read(at: usize, text: &str) -> Result<Vec<Label>, Refusal> {
    let bad = || {
        refusal(
            Reason::BadRequest,
            at,
            "a label is name=value, with plain names, and quotes around a whole value",
        )
        .nearest("LABEL purpose=\"my bench\"")
    };
    let mut labels = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(bad)?;
        let length = value_length(after).ok_or_else(bad)?;
        let (value, after) = after.split_at_checked(length).ok_or_else(bad)?;
        if !is_label_name(name) || !(after.is_empty() || after.starts_with(BLANK)) {
            return Err(bad());
        }
        labels.push(Label { name: name.to_owned(), quoted: value.to_owned() });
        rest = after.trim_start_matches(BLANK);
    }
    Ok(labels)
}

/// Bytes of the value that a text begins with.
fn value_length(text: &str) -> Option<usize> {
    match text.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        Some(quote) => {
            let mut escaped = false;
            let closes = |(_, letter): &(usize, char)| {
                let closes = *letter == quote && !escaped;
                escaped = *letter == '\\' && quote == '"' && !escaped;
                closes
            };
            let (place, _) = text.char_indices().skip(1).find(closes)?;
            // In single quotes, readers differ on what a backslash does.
            let inside = text.get(1..place)?;
            (quote == '"' || !inside.contains('\\')).then(|| place.saturating_add(1))
        }
        None => {
            let length = text.find(BLANK).unwrap_or(text.len());
            let bare = text.get(..length)?;
            (!bare.contains(['"', '\'', '\\'])).then_some(length)
        }
    }
}

fn is_label_name(name: &str) -> bool {
    (1..=256).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
}
