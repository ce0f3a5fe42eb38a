//! `.dockerignore`, as far as one path's sake: whether it is excluded.

/// The rules, in their order.
pub(super) struct Excludes(Vec<(bool, String)>);

impl Excludes {
    pub(super) fn read(bytes: &[u8]) -> Excludes {
        let text = String::from_utf8_lossy(bytes);
        let rules = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rules = rules.map(|line| {
            let (again, line) = line.strip_prefix('!').map_or((false, line), |line| (true, line.trim()));
            (!again, line.trim_start_matches("./").trim_matches('/').to_owned())
        });
        Excludes(rules.collect())
    }

    /// Whether a path, or a folder that it is in, is excluded: the last rule that names it decides.
    pub(super) fn contain(&self, path: &str) -> bool {
        let names = |rule: &str| {
            let folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
            folders.chain([path]).any(|path| fits(rule, path))
        };
        self.0.iter().rev().find(|(_, rule)| names(rule)).is_some_and(|(excludes, _)| *excludes)
    }
}

/// A part of a rule.
enum Part {
    /// This character.
    Letter(char),
    /// `?`: a character, but no slash.
    One,
    /// `*`: any characters, but no slash.
    Any,
    /// `**`: any characters; with a slash after it, only whole components, or none.
    Deep(bool),
}

fn parts(rule: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = rule.chars();
    while let Some(letter) = rest.next() {
        parts.push(match (letter, rest.as_str()) {
            ('*', after) if after.starts_with('*') => {
                let whole = after.starts_with("*/");
                rest.nth(usize::from(whole));
                Part::Deep(whole)
            }
            ('*', _) => Part::Any,
            ('?', _) => Part::One,
            _ => Part::Letter(letter),
        });
    }
    parts
}

/// Whether a rule fits the whole of a path. After each part it is known which beginnings of the path fit so far, so
/// that no rule takes long. (A set in brackets stands for itself here.)
fn fits(rule: &str, path: &str) -> bool {
    // Each beginning's last character; the empty one has none.
    let ends: Vec<Option<char>> = [None].into_iter().chain(path.chars().map(Some)).collect();
    let mut fitting: Vec<bool> = ends.iter().map(Option::is_none).collect();
    for part in parts(rule) {
        let (mut shorter, mut reached, mut carried) = (false, false, false);
        for (fit, end) in fitting.iter_mut().zip(&ends) {
            let was = *fit;
            *fit = match part {
                Part::Letter(letter) => shorter && *end == Some(letter),
                Part::One => shorter && *end != Some('/'),
                Part::Any => was || (carried && *end != Some('/')),
                Part::Deep(whole) => was || (reached && (!whole || *end == Some('/'))),
            };
            (shorter, carried, reached) = (was, *fit, reached || was);
        }
    }
    fitting.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_names_a_path_decides() {
        for (rules, path, excluded) in [
            ("", "Dockerfile", false),
            ("Dockerfile", "Dockerfile", true),
            ("*\n!Dockerfile", "Dockerfile", false),
            ("!Dockerfile\n*", "Dockerfile", true),
            ("# Dockerfile\n  /Dockerfile/ ", "Dockerfile", true),
            ("Dock*", "Dockerfile", true),
            ("D?ckerfile", "Dockerfile", true),
            ("*file", "a/Dockerfile", false),
            ("a", "a/Dockerfile", true),
            ("*/Dockerfile", "a/Dockerfile", true),
            ("**/Dockerfile", "a/b/Dockerfile", true),
            ("**/Dockerfile", "Dockerfile", true),
            ("**/Dockerfile", "aDockerfile", false),
            ("**", "a/b", true),
            ("a/**", "a/b/c", true),
            ("*.md", "Dockerfile", false),
        ] {
            assert_eq!(Excludes::read(rules.as_bytes()).contain(path), excluded, "{rules:?} {path}");
        }
    }
}
