//! Lines made only of filters, beside a real shell: what doorward accepts says and ends as `sh -c` says and ends it,
//! on the same input. Which lines, a seed decides; `DOORWARD_LINES` and `DOORWARD_SEED` ask for more and for others.

use crate::house::{House, Plan};
use crate::said::Said;
use doorward_policy::{Filter, Takes};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Words that each filter is tried with, as they are written in a line: one of the first, then up to three others.
const FILTERS: [(&str, &[&str], &[&str]); 13] = [
    (
        "grep",
        &[
            "error",
            "-e error -e warn",
            "'[0-9]\\+'",
            "-E '^(a|b)'",
            "-F .",
            "-P '\\d{2}'",
            "größe",
            "''",
            "-w b",
            "\"it's\"",
        ],
        &[
            "-i", "-v", "-c", "-n", "-o", "-x", "-A 1", "-B2", "-C 1", "-m 3", "-q", "-h", "-H", "-s", "-b",
            "-T", "-L",
        ],
    ),
    ("head", &["", "-3", "-n 2", "-n -4", "-c 20", "--lines=1", "-n2"], &["-q", "-v", "-"]),
    ("tail", &["", "-3", "-n 2", "-n +4", "-c 20", "--lines=1", "-n2", "-c+9", "+3"], &["-q", "-v", "-"]),
    ("wc", &["", "-l", "-w", "-c", "-m", "-L"], &["-l", "-wc", "--lines", "-"]),
    (
        "sort",
        &["", "-n", "-k2", "-k 2,2n", "-t : -k2", "-h", "-V", "-M", "-g", "-f", "-d", "--key=1.2"],
        &["-r", "-u", "-b", "-s", "-i", "-c", "-C", "-m", "-"],
    ),
    ("uniq", &["", "-c", "-d", "-u", "-i", "-f 1", "-s2", "-w 3", "-D", "--group"], &["-i", "-c", "-"]),
    (
        "cut",
        &[
            "-c 1-3",
            "-c2-",
            "-d : -f 1",
            "-d: -f2-",
            "-d ' ' -f 1,3",
            "-b -4",
            "-f1",
            "--fields=2 -d ' '",
            "",
        ],
        &["-s", "--complement", "--output-delimiter=_"],
    ),
    (
        "tr",
        &[
            "a-z A-Z",
            "-d 0-9",
            "-s ' '",
            "-cd '[:alnum:]\\n'",
            "'[:upper:]' '[:lower:]'",
            "-c 'a-z\\n' _",
            "' ' '\\n'",
            "b",
        ],
        &[""],
    ),
    (
        "jq",
        &[
            ".",
            ".a",
            "'.b // \"none\"'",
            "'select(.a > 1)'",
            "keys",
            "'.a + 1'",
            "type",
            "-s length",
            "-n 1+1",
            "'.['",
        ],
        &["-c", "-r", "-S", "-e", "--tab", "-j", "--arg x 1", "-a"],
    ),
    ("cat", &["", "-n", "-b", "-A", "-s", "-E", "-"], &["-v", "-T"]),
    ("echo", &["", "one", "-n two", "'three  four'", "größe ✓", "-- -n", "\"a\"'b'c", "'|' '&&' ';'"], &[""]),
    ("true", &[""], &[""]),
    ("false", &[""], &[""]),
];

const REDIRECTIONS: [&str; 8] =
    ["", "", "", " 2>&1", " 2>/dev/null", " >/dev/null", " 2>&1 >/dev/null", " > /dev/null 2>&1"];
const CONNECTORS: [&str; 4] = [" && ", " || ", "; ", "\n"];

/// Small enough that one write brings all of it: what a filter that stops early leaves to the next one does not
/// depend on how it came.
const INPUTS: [&str; 4] = [
    "",
    "b 2 x:1\na 10 y:2\nerror: größe 7\n\n\nB 2 x:1\nwarn it's 12:30\na 10 y:2\nlast line without an end 99",
    "{\"a\": 1, \"b\": \"x\"}\n{\"a\": 2}\n{\"a\": [1, \"größe\"], \"c\": null}\n",
    "jan 1k\nfeb 2M\n  lead\n3\n1\n2\n2\n\nz\tt\tab\n",
];

/// What the table of filters has and a comparison cannot: help and versions, chance, and control characters, which
/// are taken out of what is answered.
const INCOMPARABLE: [&str; 14] = [
    "--help",
    "--version",
    "-R",
    "--random-sort",
    "-z",
    "-Z",
    "--null",
    "--zero-terminated",
    "--null-data",
    "--seq",
    "-C",
    "--color-output",
    "-V",
    "-h",
];

/// Every other option of a filter that stands alone, in every spelling of the table; none of those that `sh` does
/// itself, with options of its own.
fn options(name: &str) -> Vec<&'static str> {
    if matches!(name, "echo" | "true" | "false") {
        return Vec::new();
    }
    let filter = Filter::named(name).unwrap();
    let plain = filter.options.iter().filter(|option| option.allowed && option.takes == Takes::Nothing);
    let groups = plain.filter(|option| !option.spellings().any(|spelling| INCOMPARABLE.contains(&spelling)));
    groups.flat_map(|option| option.spellings()).collect()
}

/// Numbers that look random and are the same for a seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % limit
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    fn stage(&mut self) -> String {
        let (name, first, more) = FILTERS[self.below(FILTERS.len())];
        let mut words = vec![name];
        for _ in 0..self.below(4).saturating_sub(1) {
            words.push(self.one(more));
        }
        let table = options(name);
        if !table.is_empty() && self.below(2) == 0 {
            words.push(self.one(&table));
        }
        words.insert(1 + self.below(words.len()), self.one(first));
        words.retain(|word| !word.is_empty());
        words.join(" ") + self.one(&REDIRECTIONS)
    }

    fn pipeline(&mut self) -> String {
        let stages: Vec<String> = (0..1 + self.below(4)).map(|_| self.stage()).collect();
        stages.join(self.one(&[" | ", "|", " |\n"]))
    }

    fn line(&mut self) -> String {
        let mut line = self.pipeline();
        for _ in 0..self.below(4) {
            line += self.one(&CONNECTORS);
            line += &self.pipeline();
        }
        line
    }
}

/// What a program that reads `input` says; as `uid`, in an environment like a stage's.
fn fed(mut command: Command, uid: u32, input: &str) -> Said {
    command.env_clear().envs([
        ("PATH", "/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("LC_ALL", "C.UTF-8"),
        ("TZ", "UTC"),
    ]);
    command.uid(uid).gid(65534).current_dir("/").stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A line that reads nothing may be gone before it is fed.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}

fn by_shell(line: &str, input: &str) -> Said {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]);
    fed(command, 65534, input)
}

/// The same line through session, gateway and broker: what sshd would start for it.
fn by_doorward(house: &House, line: &str, input: &str) -> Said {
    let mut command = Command::new("/usr/bin/env");
    command.arg(format!("SSH_ORIGINAL_COMMAND={line}"));
    command.arg(house.dir.join("bin/doorward")).args(["-c", &house.forced_command()]);
    fed(command, house.uid, input)
}

/// What was complained, in an order that does not depend on which stage was first: under a shell the stages write
/// into each other's lines.
fn complaints(said: &Said) -> Vec<char> {
    let mut letters: Vec<char> = said.stderr.chars().collect();
    letters.sort_unstable();
    letters
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn an_accepted_line_of_filters_says_and_ends_as_a_shell_would_have_it() {
    let limits = "[worker.WORKER.limits]\nlines = { concurrent = 8, per_minute = 1000000 }\n";
    let house = House::new(Plan { more: limits.to_owned(), ..Plan::default() });
    let (lines, seed) = (number("DOORWARD_LINES", 300), number("DOORWARD_SEED", 20_261_124));
    let mut dice = Dice(seed.max(1));
    let mut accepted = 0;
    for _ in 0..lines {
        let (line, input) = (dice.line(), dice.one(&INPUTS));
        let said = by_doorward(&house, &line, input);
        if said.code == 126 && said.stderr.starts_with("doorward: refused (") {
            continue;
        }
        let shell = by_shell(&line, input);
        let both = format!("{line:?} on {input:?}: {said:#?}\nsh: {shell:#?}");
        assert_eq!(said.code, shell.code, "line {accepted}: {both}");
        assert_eq!(said.stdout, shell.stdout, "{both}");
        assert!(complaints(&said) == complaints(&shell), "{both}");
        accepted += 1;
    }
    eprintln!("{accepted} of {lines} lines were accepted, and compared");
    assert!(accepted * 2 > lines, "only {accepted} of {lines} lines were accepted");
}
