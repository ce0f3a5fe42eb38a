//! One instruction, typed by the table of those that can be judged.

use super::label::Label;
use super::lines::{BLANK, Line, refusal};
use super::{Source, Stage, copy, label};
use crate::query::{is_signal, shown};
use doorward_policy::{Reason, Refusal};

/// An instruction that can be judged.
#[derive(Debug)]
pub(crate) struct Instruction {
    /// Its line in the file.
    pub(crate) at: usize,
    /// As it stands in the file.
    pub(crate) text: String,
    /// In upper case.
    pub(crate) keyword: &'static str,
    /// What it says.
    pub(crate) meaning: Meaning,
}

/// What an instruction says.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// It concerns the image and its steps' containers alone, whatever it says: sent on as its words.
    Words(String),
    /// `COPY` of the context's files, or of a source's.
    Copy {
        /// Whose files; the context's when `None`.
        from: Option<Source>,
        /// Options and paths but for `--from`, ready to be sent on.
        rest: String,
    },
    /// `LABEL`.
    Labels(Vec<Label>),
    /// `WORKDIR`: absolute or relative to the one before.
    Folder(String),
}

/// How the words of an instruction are read.
#[derive(Clone, Copy)]
enum Form {
    /// A command, which newer engines look for further lines in.
    Command,
    /// Anything.
    Free,
    Copy,
    Label,
    Folder,
    Check,
    Signal,
    Paths,
    Argument,
    /// Never, with what to write instead.
    Refused(&'static str, &'static str),
}

/// Every instruction that engines know but `FROM`.
const INSTRUCTIONS: &[(&str, Form)] = &[
    (
        "ADD",
        Form::Refused(
            "ADD fetches addresses and unpacks archives with the engine's rights",
            "COPY, and RUN tar -xf for an archive",
        ),
    ),
    ("ARG", Form::Argument),
    ("CMD", Form::Command),
    ("COPY", Form::Copy),
    ("ENTRYPOINT", Form::Command),
    ("ENV", Form::Free),
    ("EXPOSE", Form::Free),
    ("HEALTHCHECK", Form::Check),
    ("LABEL", Form::Label),
    ("MAINTAINER", Form::Free),
    (
        "ONBUILD",
        Form::Refused(
            "an image with ONBUILD acts when others build on it",
            "the instruction itself, in the image that needs it",
        ),
    ),
    ("RUN", Form::Command),
    ("SHELL", Form::Command),
    ("STOPSIGNAL", Form::Signal),
    ("USER", Form::Free),
    ("VOLUME", Form::Paths),
    ("WORKDIR", Form::Folder),
];

/// The instruction's word in upper case, and what follows it.
pub(super) fn split(line: &Line) -> Result<(String, &str), Refusal> {
    let (keyword, rest) = line.text.split_once(BLANK).unwrap_or((&line.text, ""));
    let keyword = keyword.to_ascii_uppercase();
    let rest = rest.trim_matches(BLANK);
    if keyword != "FROM" && !INSTRUCTIONS.iter().any(|(known, _)| *known == keyword) {
        let message = format!("'{}' is no instruction", shown(&keyword));
        return Err(refusal(Reason::BadRequest, line.at, message));
    }
    match rest.is_empty() {
        true => Err(refusal(Reason::BadRequest, line.at, format!("{} says nothing", shown(&keyword)))),
        false => Ok((keyword, rest)),
    }
}

impl Instruction {
    /// Reads one; `before` are the stages above its own.
    pub(super) fn read(
        line: &Line,
        keyword: &str,
        rest: &str,
        before: &[Stage],
    ) -> Result<Instruction, Refusal> {
        let Some((keyword, form)) = INSTRUCTIONS.iter().find(|(known, _)| *known == keyword) else {
            return Err(refusal(Reason::BadRequest, line.at, "this is no instruction"));
        };
        let refuse = |reason, message: &str| Err(refusal(reason, line.at, message));
        // Readers differ on what is an option, and newer ones take lines that follow for files.
        if rest.starts_with("--") && !matches!(form, Form::Copy | Form::Check) {
            let message = format!("{keyword} takes no options here: they are BuildKit's");
            return Err(
                refusal(Reason::FieldNotAllowed, line.at, message).nearest(format!("{keyword} without them"))
            );
        }
        if rest.contains("<<") && matches!(*keyword, "RUN" | "COPY") {
            return Err(refusal(Reason::FieldNotAllowed, line.at, "here-documents are BuildKit's")
                .nearest("COPY a file of the context"));
        }
        // What the engine writes into a history where nothing ran.
        if *keyword == "RUN" && rest.contains("#(nop)") {
            return refuse(Reason::FieldNotAllowed, "RUN may not say '#(nop)'");
        }
        let words = || Meaning::Words(rest.to_owned());
        let meaning = match form {
            Form::Command | Form::Free => words(),
            Form::Copy => copy::read(line.at, rest, before)?,
            Form::Label => Meaning::Labels(label::read(line.at, rest)?),
            Form::Folder => {
                Meaning::Folder(folder(rest).map_err(|why| refusal(Reason::FieldNotAllowed, line.at, why))?)
            }
            Form::Check if is_check(rest) => words(),
            Form::Check => {
                return refuse(Reason::BadRequest, "a health check is NONE, or CMD and what it runs");
            }
            Form::Signal if is_signal(rest) => words(),
            Form::Signal => return refuse(Reason::BadRequest, "this is no signal's name or number"),
            Form::Paths if !rest.contains(['$', '\\']) => words(),
            Form::Paths => {
                return refuse(Reason::FieldNotAllowed, "VOLUME must say its paths: nothing can be put in");
            }
            Form::Argument if is_argument(rest) => words(),
            Form::Argument => return refuse(Reason::BadRequest, "this is no ARG name or ARG name=value"),
            Form::Refused(why, nearest) => {
                return Err(refusal(Reason::FieldNotAllowed, line.at, *why).nearest(*nearest));
            }
        };
        Ok(Instruction { at: line.at, text: line.text.clone(), keyword, meaning })
    }
}

impl Instruction {
    /// The image whose files it takes, as the file names it.
    pub(super) fn image(&self) -> Option<&str> {
        match &self.meaning {
            Meaning::Copy { from: Some(Source::Image(name)), .. } => Some(name),
            _ => None,
        }
    }
}

/// A path whose end is known before the build: under `/proc`, a step would begin in a folder of the host
/// (CVE-2024-21626).
fn folder(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|byte| !b"$'\"\\".contains(&byte)) && !text.starts_with('[');
    let clean = text.trim_end_matches('/').split('/').skip(usize::from(text.starts_with('/')));
    let clean = text == "/" || text == "." || clean.into_iter().all(|part| !matches!(part, "" | "." | ".."));
    match (plain, clean) {
        (false, _) => Err("WORKDIR must say its path plainly: nothing can be put in, and no quotes"),
        (true, false) => Err("WORKDIR must be a clean path: no '.', no '..', no double slash"),
        (true, true) => Ok(text.to_owned()),
    }
}

fn is_check(text: &str) -> bool {
    const OPTIONS: [&str; 5] =
        ["--interval=", "--timeout=", "--start-period=", "--start-interval=", "--retries="];
    let mut rest = text;
    while rest.starts_with("--") {
        let (option, after) = rest.split_once(BLANK).unwrap_or((rest, ""));
        let value = OPTIONS.iter().find_map(|known| option.strip_prefix(known));
        let plain = |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        if !value.is_some_and(|value| !value.is_empty() && plain(value)) {
            return false;
        }
        rest = after.trim_start_matches(BLANK);
    }
    let (kind, command) = rest.split_once(BLANK).unwrap_or((rest, ""));
    match kind.to_ascii_uppercase().as_str() {
        "NONE" => command.trim_matches(BLANK).is_empty() && rest == text,
        "CMD" => !command.trim_matches(BLANK).is_empty() && !command.contains("<<"),
        _ => false,
    }
}

/// `name` or `name=value`; a value with blanks is quoted, which is left to the engine.
fn is_argument(text: &str) -> bool {
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
