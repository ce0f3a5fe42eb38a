//! Secrets are taken out before anything is stored.

use crate::Runs;
use regex::{Regex, RegexSet, RegexSetBuilder};
use std::borrow::Cow;

/// Shapes of secrets that are taken out whatever the policy says.
const BUILT_IN: &[&str] = &[
    // `password=…`, `"api_key": "…"`; not a bare `token`, which benchmarks count.
    r#"(?i)(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|auth[_-]?token|access[_-]?token)["']?\s*[=:]\s*["']?[^\s"',;]+"#,
    r"(?i)\b(?:bearer|basic)\s+[a-z0-9._~+/=-]{12,}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?",
    // User and password of a URL.
    r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@]*:[^\s/@]+@",
    // GitHub, GitLab, Slack, Hugging Face, OpenAI and Anthropic, AWS, JWT.
    r"\bgh[pousr]_[A-Za-z0-9]{30,}",
    r"\bgithub_pat_[A-Za-z0-9_]{30,}",
    r"\bglpat-[A-Za-z0-9_-]{20,}",
    r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    r"\bhf_[A-Za-z0-9]{30,}",
    // A key holds one long run of letters and digits; `sk-ssh-ed25519-cert-v01` does not.
    r"\bsk-(?:[A-Za-z0-9_]+-)*[A-Za-z0-9_]{20,}[A-Za-z0-9_-]*",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
];

/// The built-in patterns, compiled.
pub(crate) fn built_in() -> Vec<Regex> {
    BUILT_IN.iter().filter_map(|pattern| Regex::new(pattern).ok()).collect()
}

impl Runs {
    /// `text` with every match of the built-in and the policy's patterns replaced by `[redacted]`.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        replace(&self.redact, text)
    }
}

fn replace<'t>(patterns: &[Regex], text: &'t str) -> Cow<'t, str> {
    let mut out = Cow::Borrowed(text);
    for pattern in patterns {
        if let Cow::Owned(changed) = pattern.replace_all(&out, "[redacted]") {
            out = Cow::Owned(changed);
        }
    }
    out
}

/// The patterns of [`Runs`] for who looks through much text on one thread: with copies of its own, which no
/// other thread waits for, and a look at many lines at once.
#[derive(Debug)]
pub struct Redactor {
    patterns: Vec<Regex>,
    /// `None`: there is a pattern that can match in a line and not among others.
    anywhere: Option<RegexSet>,
}

impl Redactor {
    /// With the patterns of `runs`.
    pub fn new(runs: &Runs) -> Self {
        let patterns = runs.redact.clone();
        let anywhere = patterns.iter().all(|pattern| finds_lines_among_others(pattern.as_str())).then(|| {
            let texts = patterns.iter().map(Regex::as_str);
            // A line's begin and end are to be found among lines as they are in the line alone.
            RegexSetBuilder::new(texts).multi_line(true).size_limit(1 << 26).dfa_size_limit(1 << 24).build()
        });
        Redactor { patterns, anywhere: anywhere.and_then(Result::ok) }
    }

    /// As [`Runs::redact`].
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        replace(&self.patterns, text)
    }

    /// Whether it is sure that no pattern matches in any of these lines.
    pub fn is_clean(&self, lines: &str) -> bool {
        self.anywhere.as_ref().is_some_and(|anywhere| !anywhere.is_match(lines))
    }
}

/// Whether what the pattern matches in a line alone it also finds with lines before and after it, when `^` and `$`
/// mean those of a line: `\A`, `\z`, and flags that are taken away, say otherwise.
fn finds_lines_among_others(pattern: &str) -> bool {
    let takes_flags = pattern.split("(?").skip(1).any(|group| {
        let flags = group.split([')', ':']).next().unwrap_or_default();
        flags.contains('-') || flags.contains('R')
    });
    !takes_flags && !pattern.contains(r"\A") && !pattern.contains(r"\z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs() -> Runs {
        Runs { keep_days: 30, keep_size: 1, redact: built_in() }
    }

    #[test]
    fn every_built_in_pattern_compiles() {
        assert_eq!(built_in().len(), BUILT_IN.len());
    }

    #[test]
    fn usual_secrets_are_taken_out() {
        for (text, wanted) in [
            ("DB_PASSWORD=hunter2 x", "DB_[redacted] x"),
            (r#"{"api_key": "abc"}"#, r#"{"[redacted]"}"#),
            ("Authorization: Bearer abcdef0123456789", "Authorization: [redacted]"),
            ("key sk-proj-Ab3_dE5fGh7iJk9lMn0pQr-s1 end", "key [redacted] end"),
            ("key sk-ant-api03-Ab3dE5fGh7iJk9lMn0pQ-s_1 end", "key [redacted] end"),
            ("clone https://me:pw@host/x", "clone [redacted]host/x"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "[redacted]"),
        ] {
            assert_eq!(runs().redact(text), wanted);
        }
    }

    #[test]
    fn a_look_at_many_lines_misses_nothing_that_a_line_alone_has() {
        let lines = ["one", "key=1", "end: key", " x "];
        let text = lines.join("\n");
        for pattern in
            ["^key", "key$", r"\bkey\b", r"^ x\s$", r"\Aone", r"key\z", "(?-m)^key", "(?-m:^key)", "(?i)KEY$"]
        {
            let runs = Runs { redact: vec![Regex::new(pattern).unwrap()], ..runs() };
            let redactor = Redactor::new(&runs);
            assert!(lines.iter().any(|line| runs.redact(line) != *line), "{pattern}");
            assert!(!redactor.is_clean(&text), "{pattern}");
        }
        let redactor = Redactor::new(&runs());
        assert!(redactor.is_clean(&text) && !redactor.is_clean("a\nsecret=b\nc"));
    }

    #[test]
    fn a_benchmark_table_stays_as_it_is() {
        let text =
            "eval rate: 54.2 tokens/s, prompt tokens: 120, sha256:0123abcd\nhttp://127.0.0.1:11434/api";
        assert!(matches!(runs().redact(text), Cow::Borrowed(_)));
    }

    #[test]
    fn the_names_of_sshds_algorithms_stay() {
        let text = "hostkeyalgorithms sk-ssh-ed25519-cert-v01@openssh.com,sk-ecdsa-sha2-nistp256-cert-v01@openssh.com";
        assert!(matches!(runs().redact(text), Cow::Borrowed(_)));
    }
}
