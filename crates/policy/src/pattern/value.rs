//! The types of a value: what one word may be.

use crate::nearest::nearest;
use std::fmt;

/// The type of a `{name:type}`. No value is empty, and none begins with `-` unless its `/regex/` does.
#[derive(Debug, Clone)]
pub(super) enum Type {
    /// `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`.
    Name,
    /// A container's name or hex id.
    Container,
    /// An image reference, as in the distribution project's grammar.
    Image,
    /// Like `90s` or `1h30m`.
    Duration,
    /// A whole number in decimal without leading zeros, borders included.
    Range(u64, u64),
    /// One of these words.
    OneOf(Vec<String>),
    /// A clean absolute path: this folder or beneath.
    Path(String),
    /// The whole word.
    Regex(regex::Regex),
}

const NAMED: &[&str] =
    &["name", "container", "image", "duration", "path:/under/this", "/regex/", "1..9", "a|b"];

impl Type {
    /// Reads the text after the colon of a value.
    pub(super) fn parse(text: &str) -> Result<Type, String> {
        match text {
            "name" => return Ok(Type::Name),
            "container" => return Ok(Type::Container),
            "image" => return Ok(Type::Image),
            "duration" => return Ok(Type::Duration),
            _ => {}
        }
        if let Some(folder) = text.strip_prefix("path:") {
            return if is_clean_path(folder) {
                Ok(Type::Path(folder.to_owned()))
            } else {
                Err("`path:` is followed by an absolute folder without `.`, `..`, `//` or a last `/`".into())
            };
        }
        if let Some(inner) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            return regex(inner).map(Type::Regex);
        }
        if let Some((first, last)) = text.split_once("..") {
            return match (whole(first), whole(last)) {
                (Some(first), Some(last)) if first <= last => Ok(Type::Range(first, last)),
                _ => Err("a range is written A..B with whole numbers from 0, A not above B".into()),
            };
        }
        if text.contains('|') {
            return words(text).map(Type::OneOf);
        }
        let named = text.split(':').next().unwrap_or(text);
        let instead = match nearest(named, NAMED.iter().copied()) {
            Some("path") => "path:/under/this",
            found => found.unwrap_or("name"),
        };
        Err(format!(
            "there is no type `{text}`; did you mean `{instead}`? (one fixed word is written without braces)"
        ))
    }

    pub(super) fn matches(&self, word: &str) -> bool {
        if word.is_empty() {
            return false;
        }
        match self {
            Type::Regex(regex) => {
                regex.is_match(word) && (!word.starts_with('-') || regex.as_str().starts_with(r"\A(?:-"))
            }
            _ if word.starts_with('-') => false,
            Type::Name => is_name(word, 64),
            Type::Container => is_name(word, 128),
            Type::Image => is_image(word),
            Type::Duration => is_duration(word),
            Type::Range(first, last) => whole(word).is_some_and(|n| (*first..=*last).contains(&n)),
            Type::OneOf(words) => words.iter().any(|known| known == word),
            Type::Path(folder) => is_clean_path(word) && is_beneath(word, folder),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Name => f.write_str("name"),
            Type::Container => f.write_str("container"),
            Type::Image => f.write_str("image"),
            Type::Duration => f.write_str("duration"),
            Type::Range(first, last) => write!(f, "{first}..{last}"),
            Type::OneOf(words) => f.write_str(&words.join("|")),
            Type::Path(folder) => write!(f, "path:{folder}"),
            Type::Regex(regex) => {
                let inner = regex.as_str().strip_prefix(r"\A(?:").and_then(|rest| rest.strip_suffix(r")\z"));
                write!(f, "/{}/", inner.unwrap_or_default())
            }
        }
    }
}

/// `(?:…)` around the text, so that a `|` in it cannot escape the anchors; compiled alone first, so that an
/// unbalanced `)` cannot either.
fn regex(inner: &str) -> Result<regex::Regex, String> {
    let build = |text: &str| regex::RegexBuilder::new(text).nest_limit(50).build();
    let fault = |error: regex::Error| {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("the regex does not compile: {last}")
    };
    build(inner).map_err(fault)?;
    build(&format!(r"\A(?:{inner})\z")).map_err(fault)
}

fn words(text: &str) -> Result<Vec<String>, String> {
    let words: Vec<String> = text.split('|').map(str::to_owned).collect();
    let plain = |word: &String| {
        !word.is_empty()
            && !word.starts_with('-')
            && !word.chars().any(|c| c.is_whitespace() || "[](){}'".contains(c))
    };
    if words.iter().all(plain) {
        return Ok(words);
    }
    Err("the words of a value are not empty, hold no brackets or spaces and do not begin with `-`; \
         flags are written as a group: (-a|-b)"
        .into())
}

fn whole(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    (canonical && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn is_name(word: &str, longest: usize) -> bool {
    word.len() <= longest
        && word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// Absolute, without `.`, `..`, empty components or a last `/`; `/` itself is clean.
pub(crate) fn is_clean_path(path: &str) -> bool {
    path == "/"
        || path
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(|part| !part.is_empty() && part != "." && part != ".."))
            && crate::is_clean(path)
}

/// Whether a clean path is this clean folder or beneath it, at a component border.
pub(crate) fn is_beneath(path: &str, folder: &str) -> bool {
    let Some(rest) = path.strip_prefix(folder.trim_end_matches('/')) else { return false };
    rest.is_empty() || rest.starts_with('/')
}

/// Number and unit, repeated, in Go's and Docker's spelling.
fn is_duration(word: &str) -> bool {
    let mut rest = word;
    let mut parts = 0_u32;
    while !rest.is_empty() && word.len() <= 32 {
        let digits = rest.len().saturating_sub(rest.trim_start_matches(|c: char| c.is_ascii_digit()).len());
        let Some((number, unit)) = rest.split_at_checked(digits) else { return false };
        let after = ["ms", "s", "m", "h", "d"].iter().find_map(|known| unit.strip_prefix(known));
        let (false, Some(after)) = (number.is_empty(), after) else { return false };
        rest = after;
        parts = parts.saturating_add(1);
    }
    parts > 0 && rest.is_empty()
}

/// `[host[:port]/]path[:tag][@sha256:digest]`, at most 255 bytes.
/// Source: github.com/distribution/reference, `reference.go`.
fn is_image(word: &str) -> bool {
    if word.len() > 255 {
        return false;
    }
    let (named, digest) = match word.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (word, None),
    };
    let (path, tag) = match named.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (named, None),
    };
    digest.is_none_or(is_digest) && tag.is_none_or(is_tag) && is_repository(path)
}

fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn is_repository(path: &str) -> bool {
    let (host, rest) = match path.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), rest),
        _ => (None, path),
    };
    host.is_none_or(is_host) && rest.split('/').all(is_component)
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let label = |label: &str| {
        let edge = |c: char| c.is_ascii_alphanumeric();
        label.starts_with(edge)
            && label.ends_with(edge)
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    port.is_none_or(|port| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit()))
        && name.split('.').all(label)
}

fn is_component(part: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    part.starts_with(edge)
        && part.ends_with(edge)
        && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
}
