//! A Dockerfile's bytes as logical lines: comments gone, continued lines joined, nothing in it but plain text.

use doorward_policy::{Reason, Refusal};

/// Directives that choose who reads the file, or how; in the comments that a file begins with.
const DIRECTIVES: &[(&str, &str)] = &[
    (
        "syntax",
        "the file is read by doorward and the classic builder, and by no frontend: leave `# syntax` out",
    ),
    ("escape", "lines are continued with a backslash: leave `# escape` out"),
    ("check", "checks are BuildKit's: leave `# check` out"),
];

/// One instruction as it stands, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Number of its first line.
    pub(super) at: usize,
    /// Joined and without blanks around it, as engines repeat it.
    pub(super) text: String,
}

/// Splits a file.
///
/// # Errors
/// What is not plain text, a directive, and an instruction without an end.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Line>, Refusal> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Refusal::new(Reason::BadEncoding, "the Dockerfile is not UTF-8"))?;
    let mut lines = Vec::new();
    let mut open: Option<Line> = None;
    let mut directives = true;
    for (index, line) in text.split('\n').enumerate() {
        let at = index.saturating_add(1);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if !line.chars().all(is_plain) {
            let message = "only plain text can be read: no control character, no blank but space and tab";
            return Err(refusal(Reason::BadEncoding, at, message));
        }
        let bare = line.trim_start_matches(BLANK);
        if let Some(comment) = bare.strip_prefix('#') {
            directives = directives && open.is_none() && directive(comment, at)?;
            continue;
        }
        directives = false;
        if bare.is_empty() {
            continue;
        }
        let mut whole = open.take().unwrap_or(Line { at, text: String::new() });
        let part = if whole.text.is_empty() { bare } else { line };
        match continued(part).map_err(|why| refusal(Reason::BadRequest, at, why))? {
            Some(part) => {
                whole.text.push_str(part);
                open = Some(whole);
            }
            None => {
                whole.text.push_str(part);
                lines.push(Line { at: whole.at, text: whole.text.trim_matches(BLANK).to_owned() });
            }
        }
    }
    match open {
        None => Ok(lines),
        Some(line) => {
            Err(refusal(Reason::BadRequest, line.at, "the instruction is continued, and does not end"))
        }
    }
}

/// The blanks that all readers take for blanks.
pub(super) const BLANK: [char; 2] = [' ', '\t'];

/// A refusal that says where in the file.
pub(super) fn refusal(reason: Reason, at: usize, message: impl Into<String>) -> Refusal {
    Refusal::new(reason, message).path(format!("Dockerfile line {at}"))
}

/// What stands before the sign that a line goes on; `None` when it does not. Readers differ on two of them.
fn continued(line: &str) -> Result<Option<&str>, &'static str> {
    match line.trim_end_matches(BLANK).strip_suffix('\\') {
        None => Ok(None),
        Some(before) if before.ends_with('\\') => {
            Err("a line that ends with two backslashes can be read in two ways")
        }
        Some(before) => Ok(Some(before)),
    }
}

/// Whether directives may still follow a comment. One that means something is refused.
fn directive(comment: &str, at: usize) -> Result<bool, Refusal> {
    let Some((name, _)) = comment.split_once('=') else { return Ok(false) };
    let name = name.trim_matches(BLANK).to_ascii_lowercase();
    match DIRECTIVES.iter().find(|(known, _)| *known == name) {
        Some((_, why)) => Err(refusal(Reason::FieldNotAllowed, at, *why)),
        None => Ok(false),
    }
}

/// Text that all readers see the same in: no control character but tab, and nothing that is a blank to some, or
/// not to be seen.
pub(crate) fn is_plain(letter: char) -> bool {
    match letter {
        '\t' | ' '..='~' => true,
        '\u{0}'..='\u{9f}' => false,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' => false,
        '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' => false,
        '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{10ffff}' => false,
        other => !other.is_whitespace(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(file: &str) -> Result<Vec<(usize, String)>, Reason> {
        read(file.as_bytes())
            .map(|lines| lines.into_iter().map(|line| (line.at, line.text)).collect())
            .map_err(|refusal| refusal.reason)
    }

    #[test]
    fn lines_are_joined_and_comments_left_out() {
        let file = "# about\n\n  FROM x  \nRUN a \\\n  # between\n\n  && b\\  \nc\r\n#end";
        assert_eq!(texts(file), Ok(vec![(3, "FROM x".into()), (4, "RUN a   && bc".into())]));
        assert_eq!(texts(""), Ok(vec![]));
        assert_eq!(texts("FROM x\r\nRUN a \\\r\nb\r\n").map(|lines| lines.len()), Ok(2));
    }

    #[test]
    fn directives_are_refused_where_they_would_count() {
        for file in ["# syntax=a/b\n", "#SYNTAX = a\nFROM x", " # escape=`\n", "#check=skip=all\n"] {
            assert_eq!(texts(file), Err(Reason::FieldNotAllowed), "{file}");
        }
        for file in ["FROM x\n# syntax=a/b\n", "# a comment\n# syntax=a\nFROM x", "\n# syntax=a\nFROM x"] {
            assert!(texts(file).is_ok(), "{file}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for file in ["RUN a \\\\\n  b", "RUN a \\\\", "RUN a \\", "RUN a \\\n# x\n\n"] {
            assert_eq!(texts(file), Err(Reason::BadRequest), "{file:?}");
        }
        let odd = [
            '\0',
            '\u{1}',
            '\u{b}',
            '\u{c}',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{a0}',
            '\u{1680}',
            '\u{2003}',
            '\u{200b}',
            '\u{2028}',
            '\u{202e}',
            '\u{3000}',
            '\u{feff}',
            '\u{e0020}',
            '\u{fffd}',
        ];
        for letter in odd {
            for file in
                [format!("{letter}FROM x"), format!("RUN a \\{letter} \nFROM b"), format!("RUN a{letter}b")]
            {
                assert_eq!(texts(&file), Err(Reason::BadEncoding), "{file:?}");
            }
        }
        assert_eq!(read(b"RUN \xff").map_err(|refusal| refusal.reason), Err(Reason::BadEncoding));
        assert!(texts("RUN echo über 日本").is_ok());
    }
}
