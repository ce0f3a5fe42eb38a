//! Secrets are taken out before anything is stored.

use crate::Runs;
use regex::{Regex, RegexSet, RegexSetBuilder};
use std::borrow::Cow;

/// Names of what is secret, however they are written. Not a bare `token`, which benchmarks count. Only ASCII: the
/// other letters that fold to these (`ſ`, the Kelvin sign) name no key, and tables of them are slow to compile.
macro_rules! key {
    () => {
        concat!(
            "(?:(?i-u:password|passwd|passphrase|secret(?:[_-]?key)?|(?:private|api|access)[_-]?key|credentials?",
            "|(?:auth|access)token|[a-z0-9][_-]token|mysql_pwd)",
            r"|(?-u:\bTOKEN|[A-Z0-9_]PASS))"
        )
    };
}

/// A value: in quotes, which may be escaped, to their end; otherwise up to what ends a word or an entry.
macro_rules! value {
    () => {
        r#"\\*(?:"[^"]*"|'[^']*'|["']?[^\s"',;]+)"#
    };
}

/// Shapes of secrets that are taken out whatever the policy says.
const BUILT_IN: &[&str] = &[
    // `"PASSWORD=one two"` in quotes as a whole, and `password=…`, `"api_key": "…"`, `--password …`.
    concat!(r#""[^\s"'=:]*"#, key!(), r#"=[^"]*""#),
    concat!(r#"'[^\s"'=:]*"#, key!(), r#"=[^']*'"#),
    concat!(key!(), r#"\\*["']?\s*(?:=>|:=|[=:])\s*"#, value!()),
    concat!(r"--(?:[A-Za-z0-9_-]*", key!(), r"|(?i-u:[a-z0-9-]*token))(?:\s+|=)", value!()),
    // By other options of common programs.
    concat!(r"(?-u:\b)curl\s(?:[^|;&\n]*\s)?(?:-u|--user)[\s=]*", value!()),
    concat!(r"(?-u:\b)login\s(?:[^|;&\n]*\s)?-p[\s=]*", value!()),
    concat!(r"(?-u:\b)mysql[a-z]*\s(?:[^|;&\n]*\s)?-p", value!()),
    concat!(r"--arg\s+\S*", key!(), r"\S*\s+", value!()),
    concat!(
        r#"(?i-u:authorization)\\*["']?\s*[=:]\s*\\*["']?"#,
        r#"(?:(?i-u:bearer|basic|digest|negotiate|token|apikey)\s+[^\s"',;]+|[^\s"',;]{16,})"#
    ),
    r"(?-u:\b)(?i-u:bearer|basic)\s+[A-Za-z0-9._~+/=-]{12,}",
    // Without its end, all that follows.
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|.*)",
    // User and password of a URL.
    r#"(?-u:\b)[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@"']*:[^\s/"']+@"#,
    // GitHub, GitLab, Slack, Hugging Face, Docker, npm, Google, Stripe, OpenAI and Anthropic, AWS, JWT.
    r"(?-u:\b)gh[pousr]_[A-Za-z0-9]{30,}",
    r"(?-u:\b)github_pat_[A-Za-z0-9_]{30,}",
    r"(?-u:\b)glpat-[A-Za-z0-9_-]{20,}",
    r"(?-u:\b)xox[abeprs]-[A-Za-z0-9-]{10,}",
    r"(?-u:\b)hf_[A-Za-z0-9]{30,}",
    r"(?-u:\b)dckr_pat_[A-Za-z0-9_-]{20,}",
    r"(?-u:\b)npm_[A-Za-z0-9]{36}",
    r"(?-u:\b)AIza[A-Za-z0-9_-]{35}",
    r"(?-u:\b)[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    // A key holds one long run of letters and digits; `sk-ssh-ed25519-cert-v01` does not.
    r"(?-u:\b)sk-(?:[A-Za-z0-9_]+-)*[A-Za-z0-9_]{20,}[A-Za-z0-9_-]*",
    r"(?-u:\b)(?:AKIA|ASIA)[0-9A-Z]{16}(?-u:\b)",
    r"(?-u:\b)eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
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

    /// The same for a line, whose quoting may hide a secret (`pass'word'=…`). What is found only without its
    /// quoting leaves the line without it, and so also without that of a line within the line.
    pub fn redact_line<'t>(&self, line: &'t str) -> Cow<'t, str> {
        self.redact_behind_quoting(self.redact(line))
    }

    fn redact_behind_quoting<'t>(&self, line: Cow<'t, str>) -> Cow<'t, str> {
        if !line.contains(QUOTING) {
            return line;
        }
        match self.redact(&without_quoting(&line)) {
            Cow::Owned(found) => Cow::Owned(found),
            Cow::Borrowed(_) => line,
        }
    }
}

impl Runs {
    /// The words of a command without secrets. One that only shows when they are read together, as in
    /// `--password X`, leaves the whole of them as one text.
    pub fn redact_words(&self, words: &[String]) -> Vec<String> {
        let typed = |words: &[String]| words.iter().map(|word| typed(word)).collect::<Vec<_>>().join(" ");
        let to_the_end = |word: &String| self.redact_to_the_end(word).unwrap_or_else(|| word.clone());
        let words: &[String] = &words.iter().map(to_the_end).collect::<Vec<_>>();
        let each: Vec<String> = words.iter().map(|word| self.redact_word(word)).collect();
        let together = typed(&each);
        let kept = match self.redact(&typed(words)) == together {
            true => each,
            // Of what is redacted by now, since a pattern may know a word only by its beginning.
            false => vec![self.redact(&together).into_owned()],
        };
        // A word may be a line itself, as that after `submit --` is.
        kept.into_iter().map(|word| self.redact_behind_quoting(Cow::Owned(word)).into_owned()).collect()
    }

    fn redact_word(&self, word: &str) -> String {
        let typed = typed(word);
        match self.redact(&typed) {
            Cow::Owned(redacted) => redacted.trim_matches(['\'', '"']).to_owned(),
            Cow::Borrowed(_) => word.to_owned(),
        }
    }
}

impl Runs {
    /// A word without blanks ends where its value does, whatever marks are in that.
    fn redact_to_the_end(&self, word: &str) -> Option<String> {
        if word.contains(char::is_whitespace) || !word.contains(ENDS) {
            return None;
        }
        let unmarked = word.replace(ENDS, "_");
        let redacted = self.redact(&unmarked);
        let place = redacted.find(REDACTED).filter(|_| redacted != unmarked)?;
        Some(format!("{}{}", word.get(..place)?, redacted.get(place..)?))
    }
}

/// What ends a value in text that is not known to be one word.
const ENDS: [char; 4] = ['"', '\'', ',', ';'];
/// Stands for a secret.
const REDACTED: &str = "[redacted]";

/// A word as it could be typed: with blanks in it, in quotes, since a value ends where its quotes do.
fn typed(word: &str) -> Cow<'_, str> {
    match (word.contains(char::is_whitespace), word.contains('\'')) {
        (false, _) => Cow::Borrowed(word),
        (true, false) => Cow::Owned(format!("'{word}'")),
        (true, true) => Cow::Owned(format!("\"{word}\"")),
    }
}

/// What quotes in a line.
const QUOTING: [char; 3] = ['\'', '"', '\\'];

/// A line without its quotes, backslashes and the newlines that those take away, of whatever depth.
fn without_quoting(line: &str) -> String {
    let joined = line.replace("\\\n", "").replace("$'", "").replace("$\"", "");
    joined.replace(QUOTING, "")
}

fn replace<'t>(patterns: &[Regex], text: &'t str) -> Cow<'t, str> {
    let mut out = Cow::Borrowed(text);
    for pattern in patterns {
        if let Cow::Owned(changed) = pattern.replace_all(&out, REDACTED) {
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
/// mean those of a line: `\A`, `\z`, and an `m` that is taken away, say otherwise.
fn finds_lines_among_others(pattern: &str) -> bool {
    let takes_flags = pattern.split("(?").skip(1).any(|group| {
        let flags = group.split([')', ':']).next().unwrap_or_default();
        let taken = flags.split_once('-').is_some_and(|(_, taken)| taken.contains('m'));
        taken || flags.contains('R')
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
    fn every_built_in_pattern_compiles_and_can_be_looked_for_in_many_lines() {
        assert_eq!(built_in().len(), BUILT_IN.len());
        assert!(BUILT_IN.iter().all(|pattern| finds_lines_among_others(pattern)));
    }

    #[test]
    fn usual_secrets_are_taken_out() {
        for (text, wanted) in [
            ("DB_PASSWORD=hunter2 x", "DB_[redacted] x"),
            ("Password: hunter2 x", "[redacted] x"),
            (r#"-e "PASSWORD=one two" x"#, "-e [redacted] x"),
            ("-e 'DB_PASSWORD=one two' x", "-e [redacted] x"),
            ("password='one two' x", "[redacted] x"),
            ("password: \"never closed", "[redacted] closed"),
            ("mysql --password hunter2 -h x", "mysql [redacted] -h x"),
            ("mysql --password=hunter2 -h x", "mysql --[redacted] -h x"),
            ("x --registry-Password \"one two\" y", "x [redacted] y"),
            ("x --token abc y", "x [redacted] y"),
            ("HF_TOKEN=abcdefgh x", "H[redacted] x"),
            (r#"{"api_key": "abc", "x": 1}"#, r#"{"[redacted], "x": 1}"#),
            (r#"{\"secret\":\"abc\"}"#, r#"{\"[redacted]}"#),
            ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "aws_secret_[redacted]"),
            ("x --token=abc y", "x [redacted] y"),
            ("x --hf-token=abc y", "x --h[redacted] y"),
            ("MINIO_SECRET_KEY=abc y", "MINIO_[redacted] y"),
            ("PRIVATE_KEY=abc y", "[redacted] y"),
            ("TOKEN=abc y", "[redacted] y"),
            ("x-api-token: abc y", "x-ap[redacted] y"),
            ("CREDENTIALS=abc y", "[redacted] y"),
            ("MYPASS=abc y", "M[redacted] y"),
            ("curl -s -u me:abc http://x", "[redacted] http://x"),
            ("docker login -u me -p abc registry", "docker [redacted] registry"),
            ("mysql -h x -pabc db", "[redacted] db"),
            ("jq -n --arg password abc .", "jq -n [redacted] ."),
            ("Authorization: Bearer x; y", "[redacted]; y"),
            ("authorization: Basic dXNlcjpwYXNz y", "[redacted] y"),
            (r#"-H "Authorization: token abcdef""#, r#"-H "[redacted]""#),
            ("with bearer abcdef0123456789", "with [redacted]"),
            ("key sk-proj-Ab3_dE5fGh7iJk9lMn0pQr-s1 end", "key [redacted] end"),
            ("key sk-ant-api03-Ab3dE5fGh7iJk9lMn0pQ-s_1 end", "key [redacted] end"),
            ("key ghp_0123456789abcdefghijABCDEFGHIJ012345 end", "key [redacted] end"),
            ("key hf_0123456789abcdefghijABCDEFGHIJ0123 end", "key [redacted] end"),
            ("key AKIAIOSFODNN7EXAMPLE end", "key [redacted] end"),
            ("clone https://me:pw@host/x", "clone [redacted]host/x"),
            ("clone https://me:p@w@host/x", "clone [redacted]host/x"),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY----- x",
                "[redacted] x",
            ),
            ("-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: A-1\n\nAAAA", "[redacted]"),
            (
                "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK----- x",
                "[redacted] x",
            ),
        ] {
            assert_eq!(runs().redact(text), wanted, "{text}");
        }
    }

    #[test]
    fn quoting_hides_no_secret_of_a_line() {
        for (line, wanted) in [
            (r#"echo pass'word'=abc x"#, "echo [redacted] x"),
            (r#"docker run -e "PASS"WORD=x y"#, "docker run -e [redacted] y"),
            (r"echo pass\word=abc x", "echo [redacted] x"),
            ("echo pass\\\nword=abc x", "echo [redacted] x"),
            (r#"submit -- 'echo pass'"'"'word'"'"'=abc x'"#, "submit -- echo [redacted] x"),
            ("echo pass$'word'=abc x", "echo [redacted] x"),
            (r#"echo "--password" 'abc' x"#, "echo [redacted] x"),
        ] {
            assert_eq!(runs().redact_line(line), wanted, "{line}");
        }
        for line in ["echo 'a b' | grep \"c\"", "docker ps --format '{{.Names}}: {{.Image}}'"] {
            assert!(matches!(runs().redact_line(line), Cow::Borrowed(_)), "{line}");
        }
    }

    #[test]
    fn a_secret_of_several_words_goes_whole() {
        for (words, wanted) in [
            (&["run", "-e", "PASSWORD=one two"][..], &["run", "-e", "[redacted]"][..]),
            (&["run", "-e", "DB_PASSWORD=one,two;three\"four"], &["run", "-e", "DB_[redacted]"]),
            (&["echo", "a,password=one'two", "b"], &["echo", "a,[redacted]", "b"]),
            (&["x", "--password", "one two"], &["x [redacted]"]),
            (&["submit", "--", "echo pass'word'=x y"], &["submit", "--", "echo [redacted] y"]),
            (&["sh", "-c", "echo 'a b' \"c\""], &["sh", "-c", "echo 'a b' \"c\""]),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(runs().redact_words(&words), wanted, "{words:?}");
        }
    }

    #[test]
    fn a_look_at_many_lines_misses_nothing_that_a_line_alone_has() {
        let lines = ["one", "key=1", "end: key", " x "];
        let text = lines.join("\n");
        for pattern in [
            "^key",
            "key$",
            r"\bkey\b",
            r"^ x\s$",
            r"\Aone",
            r"key\z",
            "(?-m)^key",
            "(?i-m:^key)",
            "(?i-u)KEY$",
        ] {
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
