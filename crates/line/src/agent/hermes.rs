//! Hermes' SSH backend: hermes-agent 0.19.0, `tools/environments/{base,ssh,file_sync}.py` and
//! `tools/process_registry.py`.

use super::shlex::{quote, unquote};
use super::{Agent, Shell, without_background};
use doorward_policy::is_clean;

/// How Hermes begins what it gives to bash.
const SHELLS: &[&str] = &["bash -c ", "bash -l -c "];

/// What the scripts of every version have had in them so far.
const SIGNS: &[&str] = &["__HERMES_", "__hermes_", "hermes-snap-"];

/// Whether a line is a script for a shell with something of Hermes in it.
pub(super) fn looks_alike(line: &[u8]) -> bool {
    let shells: [&[u8]; 2] = [b"bash -", b"sh -"];
    let has = |sign: &str| line.windows(sign.len()).any(|window| window == sign.as_bytes());
    shells.iter().any(|shell| line.starts_with(shell)) && SIGNS.iter().any(|sign| has(sign))
}

/// What Hermes does about its own folder, `HOME/.hermes`.
pub(super) fn housekeeping(line: &str, home: &str) -> Option<Agent> {
    let own = format!("{home}/.hermes");
    let fixed = [
        ("echo $HOME".to_owned(), Agent::Home),
        (format!("tar xf - --no-overwrite-dir -C {}", quote(&own)), Agent::Upload),
        (format!("tar xf - -C {}", quote(&own)), Agent::Upload),
        (format!("tar cf - -C / {}", quote(own.trim_start_matches('/'))), Agent::Download),
        ("bash -c true".to_owned(), Agent::Probe),
        ("bash -l -c true".to_owned(), Agent::Probe),
    ];
    if let Some((_, agent)) = fixed.into_iter().find(|(text, _)| text == line) {
        return Some(agent);
    }
    let within = |command| line.strip_prefix(command).is_some_and(|paths| all_within(paths, &own));
    match (within("mkdir -p "), within("rm -f ")) {
        (true, _) => Some(Agent::Folders),
        (_, true) => Some(Agent::Removal),
        _ => None,
    }
}

/// Whether `paths` are quoted words with one blank between, each `own` or beneath it.
fn all_within(paths: &str, own: &str) -> bool {
    let mut rest = paths;
    while let Some((path, after)) = unquote(rest) {
        let beneath = path.strip_prefix(own).is_some_and(|below| below.is_empty() || below.starts_with('/'));
        if !beneath || path.split('/').any(|part| part == "..") {
            return false;
        }
        match after.strip_prefix(' ') {
            Some(more) => rest = more,
            None => return after.is_empty(),
        }
    }
    false
}

/// A script that Hermes gives to bash.
pub(super) fn script(line: &str, home: &str) -> Option<Agent> {
    let quoted = SHELLS.iter().find_map(|shell| line.strip_prefix(shell))?;
    let (script, "") = unquote(quoted)? else { return None };
    match Snapshot::find(&script) {
        Some(found) => Some(Agent::Snapshot(shell(found.marker, found.cwd, home)?)),
        None => Wrapper::find(&script)?.agent(home),
    }
}

/// The shell with this marker in this quoted folder; none for a folder that cannot be shown.
fn shell(marker: &str, cwd: &str, home: &str) -> Option<Shell> {
    let cwd = folder(cwd, home);
    is_clean(&cwd).then(|| Shell { marker: marker.to_owned(), cwd })
}

/// `BaseEnvironment.init_session`: what is run once.
struct Snapshot<'a> {
    marker: &'a str,
    /// As it is quoted for `cd`.
    cwd: &'a str,
}

impl<'a> Snapshot<'a> {
    fn find(script: &'a str) -> Option<Self> {
        let marker = marker(script.strip_suffix('\n')?, "")?;
        let (_, after) = script.split_once("\nbuiltin cd -- ")?;
        let found = Snapshot { marker, cwd: quoted_folder(after)? };
        (found.script() == script).then_some(found)
    }

    fn script(&self) -> String {
        let Snapshot { marker, cwd } = self;
        let (kept, new) = (kept(marker), new(marker));
        let printed = printed(marker);
        format!(
            "umask 077\n\
             export -p > {new}\n\
             __hermes_fns=$(declare -F | awk '{{print $3}}' | grep -vE '^_[^_]') || true\n\
             [ -n \"$__hermes_fns\" ] && declare -f $__hermes_fns >> {new} 2>/dev/null || true\n\
             alias -p >> {new}\n\
             echo 'shopt -s expand_aliases' >> {new}\n\
             echo 'set +e' >> {new}\n\
             echo 'set +u' >> {new}\n\
             mv -f {new} {kept} || rm -f {new}\n\
             builtin cd -- {cwd} 2>/dev/null || true\n\
             {printed}\n"
        )
    }
}

/// `BaseEnvironment._wrap_command`: what is run around every command.
struct Wrapper<'a> {
    marker: &'a str,
    /// As it is quoted for `cd`.
    cwd: &'a str,
    /// The command as it stands within the quotes of `eval`.
    escaped: &'a str,
    /// Whether the environment of a [`Snapshot`] is used and kept.
    keeps: bool,
}

impl<'a> Wrapper<'a> {
    fn find(script: &'a str) -> Option<Self> {
        let marker = marker(script, EXIT)?;
        let keeps = script.starts_with("source ");
        let begun = match keeps {
            true => script.split_once('\n')?.1,
            false => script,
        };
        let after = begun.strip_prefix("builtin cd -- ")?;
        let cwd = quoted_folder(after)?;
        let after = after.strip_prefix(cwd)?.strip_prefix(" || exit 126\neval '")?;
        let found = Wrapper { marker, cwd, escaped: "", keeps };
        let escaped = after.strip_suffix(&found.end())?;
        let found = Wrapper { escaped, ..found };
        (found.script() == script && escape(&found.command()) == escaped).then_some(found)
    }

    fn script(&self) -> String {
        let Wrapper { marker, cwd, escaped, keeps } = self;
        let source = match keeps {
            true => format!("source {} >/dev/null 2>&1 || true\n", kept(marker)),
            false => String::new(),
        };
        format!("{source}builtin cd -- {cwd} || exit 126\neval '{escaped}{}", self.end())
    }

    /// What comes after the command, from its closing quote on.
    fn end(&self) -> String {
        let (kept, new) = (kept(self.marker), new(self.marker));
        let keep = match self.keeps {
            true => format!(
                "{{ export -p > {new} && mv -f {new} {kept}; }} 2>/dev/null || rm -f {new} 2>/dev/null || true\n"
            ),
            false => String::new(),
        };
        format!("'\n__hermes_ec=$?\numask 077\n{keep}{}{EXIT}", printed(self.marker))
    }

    fn command(&self) -> String {
        self.escaped.replace("'\\''", "'")
    }

    fn agent(&self, home: &str) -> Option<Agent> {
        let shell = shell(self.marker, self.cwd, home)?;
        let line = self.command();
        Some(match spawned(&line).or_else(|| without_background(&line)) {
            Some(line) => Agent::Background { line, shell },
            None => Agent::Wrapped { line, shell },
        })
    }
}

/// How a wrapper ends.
const EXIT: &str = "\nexit $__hermes_ec";

fn escape(command: &str) -> String {
    command.replace('\'', "'\\''")
}

/// The file that keeps the environment. The marker has nothing that would be quoted.
fn kept(marker: &str) -> String {
    format!("/tmp/hermes-snap-{marker}.sh")
}

/// The file that becomes the [`kept`] one.
fn new(marker: &str) -> String {
    format!("{}.tmp.$BASHPID", kept(marker))
}

/// The command that prints the working folder between two marks.
fn printed(marker: &str) -> String {
    format!("printf '\\n__HERMES_CWD_{marker}__%s__HERMES_CWD_{marker}__\\n' \"$(pwd -P)\"")
}

/// The marker of a script that ends with the command that [`printed`] gives, and `end`.
fn marker<'a>(script: &'a str, end: &str) -> Option<&'a str> {
    let before = script.strip_suffix(end)?.strip_suffix("__\\n' \"$(pwd -P)\"")?;
    let (_, marker) = before.rsplit_once("__HERMES_CWD_")?;
    let hexadecimal = |c| matches!(c, '0'..='9' | 'a'..='f');
    (marker.len() == 12 && marker.chars().all(hexadecimal)).then_some(marker)
}

/// The folder that `text` begins with, as `_quote_cwd_for_cd` wrote it: still quoted.
fn quoted_folder(text: &str) -> Option<&str> {
    let after = |text| unquote(text).map(|(_, after)| after);
    let rest = match (text.strip_prefix('~'), text.strip_prefix("$HOME/"), text.strip_prefix("$HOME")) {
        (Some(rest), _, _) => rest,
        (_, Some(below), _) => after(below)?,
        (_, _, Some(rest)) => rest,
        _ => after(text)?,
    };
    text.get(..text.len().saturating_sub(rest.len()))
}

/// The folder that was quoted, as `pwd` would print it.
fn folder(quoted: &str, home: &str) -> String {
    let word = |text| unquote(text).map(|(word, _)| word).unwrap_or_default();
    match (quoted, quoted.strip_prefix("$HOME/")) {
        ("~" | "$HOME", _) => home.to_owned(),
        (_, Some("''")) => format!("{home}/"),
        (_, Some(below)) => format!("{home}/{}", word(below)),
        _ => match word(quoted) {
            path if path.starts_with('/') => path,
            path => format!("{home}/{path}"),
        },
    }
}

/// `ProcessRegistry.spawn_via_env`: the command that is to run in the background.
fn spawned(line: &str) -> Option<String> {
    let quoted = line.strip_prefix("mkdir -p /tmp && ( nohup bash -lc ")?;
    let (command, after) = unquote(quoted)?;
    let id = after.strip_prefix(" > /tmp/hermes_bg_proc_")?.get(..12)?;
    let files = format!("/tmp/hermes_bg_proc_{id}");
    let built = format!(
        "mkdir -p /tmp && ( nohup bash -lc {} > {files}.log 2>&1; rc=$?; printf '%s\\n' \"$rc\" > {files}.exit ) & \
         echo $! > {files}.pid && cat {files}.pid",
        quote(&command)
    );
    (built == line && id.chars().all(|c| c.is_ascii_hexdigit())).then_some(command)
}
