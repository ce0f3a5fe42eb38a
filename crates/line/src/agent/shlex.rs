//! The quoting of Python's `shlex.quote`, and of single quotes within single quotes.

/// How `shlex.quote` writes a word.
pub(super) fn quote(word: &str) -> String {
    match !word.is_empty() && word.chars().all(safe) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\"'\"'")),
    }
}

/// The word that `text` begins with and what comes after it, when it is written as [`quote`] writes it.
pub(super) fn unquote(text: &str) -> Option<(String, &str)> {
    let word = match text.strip_prefix('\'') {
        Some(quoted) => within_quotes(quoted)?,
        None => text.chars().take_while(|c| safe(*c)).collect(),
    };
    let rest = text.strip_prefix(quote(&word).as_str())?;
    Some((word, rest))
}

fn within_quotes(quoted: &str) -> Option<String> {
    let (mut word, mut rest) = (String::new(), quoted);
    loop {
        let (part, after) = rest.split_once('\'')?;
        word.push_str(part);
        match after.strip_prefix("\"'\"'") {
            Some(more) => rest = more,
            None => return Some(word),
        }
        word.push('\'');
    }
}

/// What a shell takes as it is.
fn safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c)
}
