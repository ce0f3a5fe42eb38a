//! What agents' own backends send around the lines of their model. Hermes' SSH backend keeps an environment,
//! a working folder and its files on the host by scripts for bash. No shell runs here: the scripts are known
//! by heart, and what is asked within them is answered or judged.
//!
//! A text is recognised only when the script, built again from the parts that were found in it, is the same
//! text to the byte. What is not recognised is a line like any other.

mod hermes;
mod shlex;

use crate::line::read;
use doorward_policy::Refusal;

/// Longest text that is looked at, in bytes. The line inside has the limits of [`read`].
pub const MAX_AGENT: usize = 96 * 1024;

/// What an agent's backend asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// `echo $HOME`: which folder is the home.
    Home,
    /// `mkdir -p …`, all in the agent's own folder.
    Folders,
    /// `rm -f …`, all in the agent's own folder.
    Removal,
    /// A tar archive for the agent's own folder comes on stdin.
    Upload,
    /// A tar archive of the agent's own folder is wanted on stdout.
    Download,
    /// Whether a shell works at all.
    Probe,
    /// The environment is to be kept; only the closing marker is printed.
    Snapshot(Shell),
    /// A line of the model, to be read by [`read`].
    Wrapped {
        /// The line, with the backend's quoting undone.
        line: String,
        /// Where it runs.
        shell: Shell,
    },
    /// A line of the model that is to run on by itself.
    Background {
        /// The line, as it can be given to `submit`.
        line: String,
        /// Where it runs.
        shell: Shell,
    },
}

/// The shell that the agent believes to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// Its id: 12 hexadecimal digits.
    pub marker: String,
    /// Its working folder, as it would print it. It is a name: no such folder is looked at.
    pub cwd: String,
}

impl Shell {
    /// What is printed on stdout when a script of it ends: the agent takes it off the output again.
    pub fn closing(&self) -> String {
        let Shell { marker, cwd } = self;
        format!("\n__HERMES_CWD_{marker}__{cwd}__HERMES_CWD_{marker}__\n")
    }
}

/// What the agent asks whose home folder is `home`; none when the line is a line like any other.
pub fn agent(line: &[u8], home: &str) -> Option<Agent> {
    if line.len() > MAX_AGENT {
        return None;
    }
    let line = std::str::from_utf8(line).ok()?;
    hermes::housekeeping(line, home).or_else(|| hermes::script(line, home))
}

/// The refusal of a line that only looks like a script of Hermes: nobody wrote that by hand, so what is wrong is
/// not what the reader stumbled on.
pub(crate) fn lookalike(line: &[u8], refusal: Refusal) -> Refusal {
    if !hermes::looks_alike(line) {
        return refusal;
    }
    let message = format!(
        "this looks like the script that Hermes' SSH backend sends, but of another version than is known here, or \
         with something added; read as a line: {}",
        refusal.message
    );
    Refusal { message, ..refusal }.nearest(
        "the script exactly as hermes-agent 0.19 writes it; or the command in it by itself, without the script",
    )
}

/// The line without the `&` that sends it, or the last command of it, into the background: `LINE &`, and
/// `A && { B & }`, which Hermes makes of `A && B &`. None when nothing else could be read as a line.
fn without_background(line: &str) -> Option<String> {
    let line = line.trim_end();
    let bare = match line.strip_suffix("& }") {
        Some(grouped) => {
            let (before, command) = grouped.rsplit_once("{ ")?;
            format!("{before}{command}")
        }
        None => line.strip_suffix('&')?.to_owned(),
    };
    let bare = bare.trim_end();
    (!bare.is_empty() && read(bare.as_bytes()).is_ok()).then(|| bare.to_owned())
}
