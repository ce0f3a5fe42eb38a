//! Texts → policy, or every mistake in them.
//!
//! First each file's shape is checked against the key table, then the values are read and judged. Both go
//! on after a mistake, so that all of them are told at once.

mod command;
mod docker;
mod file;
mod host;
mod keys;
mod known;
mod role;
mod run;
mod shape;
mod worker;

pub use file::duration;

use crate::{Bundle, Location, Notice, Policy, PolicyError, Runs, Source};
use file::{Entry, File};
use std::collections::BTreeMap;

/// The mistakes and notices found so far.
#[derive(Default)]
struct Findings {
    errors: Vec<PolicyError>,
    notices: Vec<Notice>,
}

/// Lets a help be added to the error that was just told.
struct Told<'f>(Option<&'f mut PolicyError>);

impl Told<'_> {
    fn help(self, help: impl Into<String>) {
        if let Some(error) = self.0 {
            error.help = Some(help.into());
        }
    }
}

impl Findings {
    fn error(&mut self, file: &File<'_>, at: usize, message: impl Into<String>) -> Told<'_> {
        self.error_at(file.location(at), message)
    }

    fn error_at(&mut self, at: Location, message: impl Into<String>) -> Told<'_> {
        self.errors.push(PolicyError::new(at, message));
        Told(self.errors.last_mut())
    }

    fn notice(&mut self, file: &File<'_>, at: usize, message: impl Into<String>) {
        self.notices.push(Notice { at: file.location(at), message: message.into() });
    }
}

/// The paths that a main file's `include` names, in its order, so that they can be read before
/// [`Policy::load`]. On an error the main file may be loaded alone: that tells all of its mistakes, with the
/// file's path in them.
pub fn include_paths(text: &str) -> Result<Vec<String>, PolicyError> {
    let source = Source { path: String::new(), text: text.to_owned() };
    let file = File::parse(&source).map_err(first)?;
    let mut findings = Findings::default();
    let paths = includes(&file, &mut findings);
    if findings.errors.is_empty() { Ok(paths) } else { Err(first(findings.errors)) }
}

fn first(errors: Vec<PolicyError>) -> PolicyError {
    let nowhere = Location { file: String::new(), line: 1, column: 1 };
    errors.into_iter().next().unwrap_or(PolicyError::new(nowhere, "the file cannot be read"))
}

fn includes(main: &File<'_>, findings: &mut Findings) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for (path, at) in main.root().texts("include") {
        if path == "/" || !crate::pattern::is_clean_path(path) {
            findings
                .error(main, at, format!("`{path}` is not a clean absolute path"))
                .help("an include is written from `/`, without `.`, `..` or `//`");
        } else if paths.iter().any(|known| known == path) {
            findings.error(main, at, format!("`{path}` is included twice"));
        } else {
            paths.push(path.to_owned());
        }
    }
    paths
}

impl Policy {
    /// Compiles a bundle. Pure and total: any texts give a policy or the list of their mistakes, in the order
    /// of the files and lines.
    pub fn load(bundle: &Bundle) -> Result<Policy, Vec<PolicyError>> {
        let mut errors = Vec::new();
        let mut files = Vec::new();
        for source in &bundle.files {
            match File::parse(source) {
                Ok(file) => files.push(file),
                Err(mistakes) => errors.extend(mistakes),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut findings = Findings::default();
        let Some((main, included)) = files.split_first() else {
            let at = Location { file: String::new(), line: 1, column: 1 };
            return Err(vec![PolicyError::new(at, "there is no policy file")]);
        };
        let policy = compile(bundle, main, included, &mut findings);
        let order: Vec<&str> = bundle.files.iter().map(|file| file.path.as_str()).collect();
        let place = |at: &Location| (order.iter().position(|path| *path == at.file), at.line, at.column);
        findings.errors.sort_by_key(|error| place(&error.at));
        findings.errors.dedup();
        if !findings.errors.is_empty() {
            return Err(findings.errors);
        }
        findings.notices.sort_by_key(|notice| place(&notice.at));
        Ok(Policy { notices: findings.notices, ..policy })
    }
}

fn compile(bundle: &Bundle, main: &File<'_>, included: &[File<'_>], findings: &mut Findings) -> Policy {
    shape::check(main, true, findings);
    for file in included {
        shape::check(file, false, findings);
    }
    bundled(main, included, findings);
    let engine_socket = engine_socket(main.root(), findings);
    let mut roles = BTreeMap::new();
    for file in std::iter::once(main).chain(included) {
        role::read_all(file, &engine_socket, &mut roles, findings);
    }
    let workers = worker::read_all(main.root(), &roles, findings);
    let runs = runs(main.root(), findings);
    Policy { hash: bundle.hash(), engine_socket, workers, roles, runs, notices: Vec::new() }
}

/// What the main file includes is what came with it, no more and no less.
fn bundled(main: &File<'_>, included: &[File<'_>], findings: &mut Findings) {
    let wanted = includes(main, findings);
    for (path, at) in main.root().texts("include") {
        if wanted.iter().any(|known| known == path) && !included.iter().any(|file| file.path() == path) {
            findings.error(main, at, format!("the included file `{path}` is not there or cannot be read"));
        }
    }
    for (index, file) in included.iter().enumerate() {
        let again = included.iter().take(index).any(|other| other.path() == file.path());
        if again || !wanted.iter().any(|known| known == file.path()) {
            findings.error(file, 0, "this file is not included by the main file");
        }
    }
}

fn engine_socket(root: Entry<'_>, findings: &mut Findings) -> String {
    let given = root.table("engine").and_then(|engine| Some((engine.file, engine.text("socket")?)));
    let Some((file, (path, at))) = given else { return "/var/run/docker.sock".into() };
    if !host::is_folder_path(path) {
        findings
            .error(file, at, format!("the engine's socket `{path}` is not a clean absolute path"))
            .help("only a unix socket is supported, written like \"/var/run/docker.sock\"");
    }
    path.to_owned()
}

fn runs(root: Entry<'_>, findings: &mut Findings) -> Runs {
    let runs = root.table("runs");
    let keep = runs.and_then(|runs| runs.table("keep"));
    let mut redact = crate::redact::built_in();
    for (text, at) in runs.map(|runs| runs.texts("redact")).unwrap_or_default() {
        match regex::RegexBuilder::new(text).size_limit(1 << 20).nest_limit(50).build() {
            Ok(pattern) if pattern.is_match("") => {
                findings
                    .error(
                        root.file,
                        at,
                        "this pattern matches nothing at all, so it would redact everywhere",
                    )
                    .help("make at least one character of it required");
            }
            Ok(pattern) => redact.push(pattern),
            Err(error) => {
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                findings.error(root.file, at, format!("the regex does not compile: {last}"));
            }
        }
    }
    Runs {
        keep_days: keep
            .and_then(|keep| keep.whole("days"))
            .and_then(|(days, _)| u32::try_from(days).ok())
            .unwrap_or(30),
        keep_size: keep.and_then(|keep| keep.size("size")).unwrap_or(10 << 30),
        redact,
    }
}
