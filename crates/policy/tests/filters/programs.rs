//! Beside the real programs: they know what is allowed, and open no file for it.

use doorward_policy::{FILTERS, Filter, FilterOption, Operands, Takes, Value};
use proptest::prelude::*;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

const SECRET: &str = "the-decoys-secret";
const INPUT: &[u8] = b"[1,2,{\"a\":\"b c:d\"}]\n";

/// An empty folder of its own, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name =
            format!("doorward-filters-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn decoy(&self, name: &str) {
        if !name.is_empty() && !name.contains('/') && name != "." && name != ".." {
            // A JSON text on one line, so that jq and the others all show it if they read it.
            std::fs::write(self.0.join(name), format!("\"{SECRET}\"\n")).unwrap();
        }
    }

    /// Each file and what is in it.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(folder: &Path, program: &str, argv: &[String]) -> Output {
    let mut child = Command::new(program)
        .args(argv)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/run/current-system/sw/bin")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    // A program that does not read its stdin may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(INPUT);
    child.wait_with_output().unwrap()
}

/// A value that the program takes.
fn value(filter: &Filter, value: &Value) -> &'static str {
    match (filter.name, value) {
        ("sort", Value::Any) => "1",
        (_, Value::Any) => "2",
        (_, Value::Number) => "2",
        (_, Value::Count) => "2K",
        (_, Value::Size) => "50%",
        (_, Value::OneOf(list)) => list[0],
    }
}

/// The words of a use of one option, in each way to write it.
fn uses(filter: &Filter, option: &FilterOption, name: &str) -> Vec<Vec<String>> {
    let alone = vec![name.to_owned()];
    match &option.takes {
        Takes::Nothing => vec![alone],
        Takes::Two => vec![vec![name.to_owned(), "name".into(), "1".into()]],
        Takes::Maybe(_, kind) => vec![alone, vec![format!("{name}={}", value(filter, kind))]],
        Takes::Value(_, kind) => {
            let value = value(filter, kind);
            let separate = vec![name.to_owned(), value.to_owned()];
            match (filter.operands, name.starts_with("--")) {
                (Operands::Program, _) => vec![separate],
                (_, true) => vec![separate, vec![format!("{name}={value}")]],
                (_, false) => vec![separate, vec![format!("{name}{value}")]],
            }
        }
    }
}

/// What the program needs besides.
fn needs(filter: &Filter, name: &str) -> Vec<String> {
    let words: &[&str] = match (filter.name, name) {
        ("cut", "-f" | "--fields" | "-c" | "--characters" | "-b" | "--bytes") => &[],
        ("cut", "-s" | "--only-delimited" | "-d" | "--delimiter") => &["-f", "1"],
        ("cut", _) => &["-b", "1"],
        ("grep", "-e" | "--regexp") => &[],
        ("grep", _) => &["a"],
        ("jq", _) => &["."],
        ("tr", "-d" | "--delete") => &["a"],
        ("tr", _) => &["a", "b"],
        _ => &[],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn every_allowed_option_is_known_to_its_program() {
    let folder = Folder::new();
    let mut used = 0;
    for filter in FILTERS {
        for option in filter.options.iter().filter(|option| option.allowed) {
            for name in option.spellings() {
                for mut argv in uses(filter, option, name) {
                    argv.extend(needs(filter, name));
                    filter
                        .judge(&argv)
                        .unwrap_or_else(|refusal| panic!("{} {argv:?}: {refusal}", filter.name));
                    let output = run(&folder.0, filter.name, &argv);
                    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
                    let complains = ["option", "usage", "try '", "invalid", "unknown", "ambiguous"];
                    let complaint = complains.iter().find(|complaint| said.contains(*complaint));
                    assert_eq!(complaint, None, "{} {argv:?}: {said}", filter.name);
                    used += 1;
                }
            }
        }
    }
    assert!(used > 200, "{used}");
    assert_eq!(folder.files(), []);
}

#[test]
fn every_refused_option_is_known_to_its_program() {
    // Otherwise a row refuses what nobody can type, and the one that was meant is missing.
    let folder = Folder::new();
    for filter in FILTERS {
        for option in filter.options.iter().filter(|option| !option.allowed) {
            for name in option.spellings().filter(|name| name.starts_with("--")) {
                let help = run(&folder.0, filter.name, &["--help".to_owned()]);
                let manual = format!("{}{}", String::from_utf8_lossy(&help.stdout), JQ_UNLISTED);
                assert!(manual.contains(name), "{} {name}", filter.name);
            }
        }
    }
}

/// What jq knows and its `--help` does not show; `--library-path` since 1.7.
const JQ_UNLISTED: &str = "--from-file --library-path --argfile --run-tests";

#[test]
fn a_program_that_reads_a_decoy_is_seen() {
    let folder = Folder::new();
    folder.decoy("decoy");
    for (program, argv) in [("cat", vec!["decoy"]), ("jq", vec![".", "decoy"]), ("sort", vec!["-m", "decoy"])]
    {
        let argv: Vec<String> = argv.into_iter().map(str::to_owned).collect();
        let shown = format!("{:?}", run(&folder.0, program, &argv));
        assert!(shown.contains(SECRET), "{shown}");
    }
    let before = folder.files();
    run(&folder.0, "sort", &["-o".to_owned(), "made".to_owned()]);
    assert_ne!(folder.files(), before);
}

/// Words that a worker might try: every spelling of every option, whole, cut short, with values attached, and
/// words that would be files, values and programs.
fn word(filter: &'static Filter) -> impl Strategy<Value = String> {
    let names: Vec<&'static str> = filter.options.iter().flat_map(FilterOption::spellings).collect();
    let names = if names.is_empty() { vec!["--help"] } else { names };
    let letters: String =
        names.iter().filter(|name| !name.starts_with("--")).map(|name| &name[1..]).collect();
    let letters: Vec<char> = if letters.is_empty() { vec!['f'] } else { letters.chars().collect() };
    let plain = prop::sample::select(vec![
        "decoy",
        "decoy",
        "-",
        "--",
        "1",
        "2",
        "5",
        "+5",
        "-5",
        "-5f",
        "+5f",
        "-cf",
        "2,2n",
        ":",
        ".",
        "a",
        "-f",
        "-o",
        "import \"decoy\" as $x {search:\"./\"}; $x",
        "include \"decoy\" {search:\"./\"}; .",
        "input_filename",
        "$__prog_args",
        "inputs",
        "[$ENV,env]|length",
        "separate",
        "always",
        "name",
        "",
    ])
    .prop_map(str::to_owned);
    let name = prop::sample::select(names.clone()).prop_map(str::to_owned);
    let attached = (
        prop::sample::select(names.clone()),
        prop::sample::select(vec!["decoy", "=decoy", "5", "=5", "=-", "-", ""]),
    )
        .prop_map(|(name, value)| format!("{name}{value}"));
    let cut =
        (prop::sample::select(names), any::<prop::sample::Index>(), prop::sample::select(vec!["", "=decoy"]))
            .prop_map(|(name, at, value)| format!("{}{value}", &name[..=at.index(name.len())]));
    let cluster = (
        prop::collection::vec(prop::sample::select(letters), 1..4),
        prop::sample::select(vec!["", "5", "decoy"]),
    )
        .prop_map(|(letters, value)| format!("-{}{value}", letters.into_iter().collect::<String>()));
    prop_oneof![4 => plain, 3 => name, 2 => attached, 1 => cut, 2 => cluster]
}

fn argv() -> impl Strategy<Value = (&'static Filter, Vec<String>)> {
    prop::sample::select(FILTERS.iter().collect::<Vec<_>>())
        .prop_flat_map(|filter| (Just(filter), prop::collection::vec(word(filter), 0..6)))
}

#[test]
fn no_allowed_words_make_a_program_open_a_named_file() {
    let ran = AtomicUsize::new(0);
    let config = ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |((filter, argv) in argv())| {
        if filter.judge(&argv).is_err() {
            return Ok(());
        }
        // Programs print words that are a decoy's name; what is in it they may not know.
        let folder = Folder::new();
        for word in argv.iter().map(String::as_str).chain(["decoy", "decoy.json", "decoy.jq", "5", "2", ".jq"]) {
            folder.decoy(word);
            folder.decoy(&format!("{word}.json"));
            folder.decoy(word.split_once('=').map_or("", |(_, value)| value));
            folder.decoy(word.get(2..).unwrap_or_default());
        }
        let before = folder.files();
        let output = run(&folder.0, filter.name, &argv);
        let shown = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        prop_assert!(!shown.contains(SECRET), "{} {:?}: {}", filter.name, argv, shown);
        prop_assert_eq!(folder.files(), before, "{} {:?}", filter.name, argv);
        ran.fetch_add(1, Ordering::Relaxed);
    });
    let ran = ran.into_inner();
    assert!(ran > 300, "too few of the generated words were allowed to say anything: {ran}");
}
