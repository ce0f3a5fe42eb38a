//! Image references, normalised as the engine does (`github.com/distribution/reference`).

use doorward_policy::{DockerRole, Glob};

/// A reference that names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageName {
    /// With host: `docker.io/library/busybox`.
    repository: String,
    /// `:latest` when nothing was said.
    tag: Option<String>,
    /// `sha256:…`.
    digest: Option<String>,
}

impl ImageName {
    /// Reads a reference; `None` when it is none, or is an image id.
    pub(crate) fn read(text: &str) -> Option<ImageName> {
        if text.len() > 512 || is_id(text) {
            return None;
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return None;
        }
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return None;
        }
        let tag = match (tag, digest) {
            (None, None) => Some("latest"),
            (tag, _) => tag,
        };
        Some(ImageName {
            repository: repository(name)?,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }

    /// The canonical form, like `docker.io/library/busybox:latest`.
    pub(crate) fn canonical(&self) -> String {
        self.with(&self.repository)
    }

    /// The form that people write, like `busybox:latest`.
    pub(crate) fn familiar(&self) -> String {
        self.with(familiar(&self.repository))
    }

    /// The repository as people write it.
    pub(crate) fn familiar_repository(&self) -> &str {
        familiar(&self.repository)
    }

    /// The tag, unless a digest alone was given.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, when one was given.
    pub(crate) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Whether a policy pattern names it. A pattern without a tag means `latest`, or any tag when it ends
    /// with `*`. A digest is named by a pattern for all tags of its repository.
    pub(crate) fn matches(&self, pattern: &Glob) -> bool {
        let (name, tag) = match pattern.0.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ if pattern.0.ends_with('*') => (pattern.0.as_str(), "*"),
            _ => (pattern.0.as_str(), "latest"),
        };
        let named = Glob(canonical_pattern(name)).matches(&self.repository);
        named
            && match (&self.tag, &self.digest) {
                (_, Some(_)) => tag == "*",
                (Some(own), None) => Glob(tag.to_owned()).matches(own),
                (None, None) => false,
            }
    }

    /// Whether a role's `images` or `tags` name it.
    pub(crate) fn allowed(&self, role: &DockerRole) -> bool {
        role.images.iter().chain(&role.tags).any(|pattern| self.matches(pattern))
    }

    fn with(&self, repository: &str) -> String {
        let mut out = repository.to_owned();
        for (mark, part) in [(':', &self.tag), ('@', &self.digest)] {
            if let Some(part) = part {
                out.push(mark);
                out.push_str(part);
            }
        }
        out
    }
}

/// Whether a text is an image id or a prefix of one as the engine takes it: `sha256:` and hex, or 64 hex.
pub(crate) fn is_id(text: &str) -> bool {
    let hex = |text: &str, least: usize| {
        (least..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    match text.strip_prefix("sha256:") {
        Some(rest) => hex(rest, 1),
        None => hex(text, 64),
    }
}

/// What an engine reads as the same repository again: no `library/` is left out before what has a slash of its own,
/// which would be somebody else's.
fn familiar(repository: &str) -> &str {
    let Some(path) = repository.strip_prefix("docker.io/") else { return repository };
    path.strip_prefix("library/").filter(|name| !name.contains('/')).unwrap_or(path)
}

fn canonical_pattern(name: &str) -> String {
    match name.split_once('/') {
        _ if name == "*" => "*".to_owned(),
        Some((host, _)) if is_host(host) => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
        None => format!("docker.io/library/{name}"),
    }
}

fn repository(name: &str) -> Option<String> {
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (host, path),
        _ => ("docker.io", name),
    };
    if !is_host_name(host) || path.is_empty() || path.len() > 255 || !path.split('/').all(is_component) {
        return None;
    }
    let host = if host == "index.docker.io" { "docker.io" } else { host };
    // Written without the host, as engines do, it would name another registry.
    if host == "docker.io" && path.split_once('/').is_some_and(|(first, _)| is_host(first)) {
        return None;
    }
    let library = if host == "docker.io" && !path.contains('/') { "library/" } else { "" };
    Some(format!("{host}/{library}{path}"))
}

/// What tells a registry from a first path component.
fn is_host(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':'])
}

fn is_host_name(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, "0"));
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.split('.').all(part) && (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = text.as_bytes().first().is_some_and(|b| plain(*b))
        && text.as_bytes().last().is_some_and(|b| plain(*b));
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && separators
        .into_iter()
        .all(|mark| matches!(mark, "" | "." | "_" | "__") || mark.bytes().all(|b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Option<String> {
        ImageName::read(text).map(|name| name.canonical())
    }

    #[test]
    fn names_are_normalised_as_the_engine_does() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, want) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("docker.io/busybox:1", "docker.io/library/busybox:1"),
            ("index.docker.io/busybox:1", "docker.io/library/busybox:1"),
            ("ollama/ollama:0.1", "docker.io/ollama/ollama:0.1"),
            ("localhost/x", "localhost/x:latest"),
            ("r.example:5000/a/b:c", "r.example:5000/a/b:c"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(want), "{text}");
        }
        let pinned = format!("busybox@{digest}");
        assert_eq!(canonical(&pinned), Some(format!("docker.io/library/busybox@{digest}")));
    }

    #[test]
    fn what_is_no_name_is_none() {
        let id = "a".repeat(64);
        for text in [
            "docker.io/evil.example/x",
            "docker.io/evil.example/x:1",
            "docker.io/localhost/x",
            "index.docker.io/evil.example/x",
            "index.docker.io/localhost/a/b",
            "docker.io/evil.example:5000/x",
            "docker.io/index.docker.io/x",
            "docker.io/docker.io/x",
            "",
            ":",
            "x:",
            "X",
            "a//b",
            "/a",
            "a/",
            "a b",
            "a\n",
            "-a",
            "a..b",
            "a___b",
            "busybox@sha256:ab",
            "sha256:ab",
            "..",
            "../x",
            "host.:1/x",
            "a:b:c",
            "é",
            id.as_str(),
        ] {
            assert_eq!(canonical(text), None, "{text}");
        }
    }

    #[test]
    fn what_engines_are_told_is_what_was_judged() {
        for text in [
            "busybox",
            "docker.io/library/busybox",
            "library/a/b",
            "docker.io/library/evil/x",
            "docker.io/library/evil.example/x",
            "ollama/ollama:1",
            "docker.io/library/library",
            "localhost/library/x",
            "r.example:5000/library/x",
            "index.docker.io/a",
        ] {
            let name = ImageName::read(text).unwrap();
            assert_eq!(
                ImageName::read(&name.familiar()).as_ref(),
                Some(&name),
                "{text}: {}",
                name.familiar()
            );
        }
    }

    #[test]
    fn patterns_mean_whole_names() {
        let matches =
            |name: &str, pattern: &str| ImageName::read(name).unwrap().matches(&Glob(pattern.into()));
        assert!(matches("busybox", "busybox:*"));
        assert!(matches("docker.io/library/busybox:1", "busybox:1"));
        assert!(matches("hermes/x:1", "hermes/*:*"));
        assert!(matches("busybox", "busybox"));
        assert!(matches("hermes/x:1", "hermes/*"));
        assert!(!matches("busybox:1", "busybox"));
        assert!(!matches("evil.example/busybox:1", "busybox:*"));
        assert!(!matches("evil/busybox:1", "busybox:*"));
        assert!(!matches("busybox2:1", "busybox:*"));
        assert!(!matches(&format!("busybox@sha256:{}", "a".repeat(64)), "busybox:1"));
        assert!(matches(&format!("busybox@sha256:{}", "a".repeat(64)), "busybox:*"));
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_the_same_when_an_engine_reads_it(
            text in "((index\\.)?docker\\.io/)?(library/|localhost/|a\\.b/|c:1/|d/){0,3}[a-z.]{1,6}(:[a-z0-9.]{1,4})?",
        ) {
            if let Some(name) = ImageName::read(&text) {
                let again = ImageName::read(&name.familiar());
                proptest::prop_assert_eq!(again.as_ref(), Some(&name), "{}", name.familiar());
                let repository = ImageName::read(name.familiar_repository());
                proptest::prop_assert_eq!(repository.map(|again| again.repository), Some(name.repository));
            }
        }
    }
}
