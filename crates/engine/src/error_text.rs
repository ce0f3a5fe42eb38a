//! The engine's error texts, without what they tell about the host.

use serde_json::Value;

/// Replaces host paths and foreign ids. Paths of one component and those in `said` stay: the first are also
/// how the engine writes a container's name, the second the worker or its container said itself.
pub(crate) fn clean(message: &str, said: &[String]) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let word_len = rest.find(ends_word).unwrap_or(rest.len()).max(next.len_utf8());
        let Some((word, after)) = rest.split_at_checked(word_len) else { break };
        if starts_path(before, word) && !is_said(word, said) {
            out.push_str("[path]");
        } else if before_allows_id(before) && is_id(word) {
            out.push_str("[id]");
        } else if let Some((head, tail)) = split_inner_path(word) {
            // Two in one word, as in `src=/a/b` or `unix:/a/b`.
            out.push_str(head);
            out.push_str(&if is_said(tail, said) { tail.to_owned() } else { "[path]".to_owned() });
        } else {
            out.push_str(word);
        }
        before = word.chars().next_back().unwrap_or(' ');
        rest = after;
    }
    out
}

/// Parts of a container's configuration whose paths are its own.
const SAYS_PATHS: [&str; 3] = ["Config", "Path", "Args"];

/// The paths that a container's own configuration says, by the parts of its inspect.
pub(crate) fn paths_of<'v>(part: impl Fn(&'static str) -> Option<&'v Value>) -> Vec<String> {
    SAYS_PATHS.into_iter().filter_map(part).flat_map(paths).collect()
}

/// The paths that a value says.
pub(crate) fn paths(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) if text.starts_with('/') => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(paths).collect(),
        Value::Object(map) => map.values().flat_map(paths).collect(),
        _ => Vec::new(),
    }
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || "\"'`,;()[]{}<>".contains(c)
}

/// A full id, or the short form in which the engine names who uses something.
fn is_id(word: &str) -> bool {
    let word = word.trim_end_matches([':', '.']);
    [12, 64].contains(&word.len()) && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn before_allows_id(before: char) -> bool {
    ends_word(before)
}

fn starts_path(before: char, word: &str) -> bool {
    ends_word(before) && word.starts_with('/') && depth(word) > 1
}

/// `name=/a/b` and `a:/b/c` into what stands before the path, and the path.
fn split_inner_path(word: &str) -> Option<(&str, &str)> {
    let at = word.find("=/").or_else(|| word.find(":/"))?.checked_add(1)?;
    let (head, tail) = word.split_at_checked(at)?;
    (!tail.starts_with("//") && depth(tail) > 1).then_some((head, tail))
}

fn depth(path: &str) -> usize {
    path.split('/').filter(|part| !part.trim_end_matches([':', '.']).is_empty()).count()
}

fn is_said(word: &str, said: &[String]) -> bool {
    let word = word.trim_end_matches([':', '.']);
    said.iter().any(|said| said == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_paths_and_foreign_ids_are_taken_out_of_errors() {
        let id = "a".repeat(64);
        for (message, want) in [
            (
                "error mounting \"/srv/models/x\" to rootfs at \"/m\"",
                "error mounting \"[path]\" to rootfs at \"/m\"",
            ),
            ("open /var/lib/docker/x: no such file", "open [path] no such file"),
            ("a=/var/lib/docker/x", "a=[path]"),
            ("exec: \"/bin/nosuch\": not found", "exec: \"/bin/nosuch\": not found"),
            ("Get \"https://r.example/v2/x\": no such host", "Get \"https://r.example/v2/x\": no such host"),
            ("pull access denied for a/b", "pull access denied for a/b"),
            ("name \"/web\" is in use", "name \"/web\" is in use"),
            (&format!("in use by container \"{id}\"."), "in use by container \"[id]\"."),
        ] {
            assert_eq!(clean(message, &["/bin/nosuch".into()]), want);
        }
    }
}
