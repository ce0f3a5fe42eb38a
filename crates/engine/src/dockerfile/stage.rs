//! Stages of a build, and what they begin from.

use super::Instruction;
use super::lines::{BLANK, Line, refusal};
use crate::image_name::{ImageName, is_id};
use crate::query::shown;
use doorward_policy::{Reason, Refusal};

/// One `FROM` and what follows it.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Line of its `FROM`.
    pub(crate) at: usize,
    /// As it stands in the file.
    pub(crate) text: String,
    /// What it begins from.
    pub(crate) base: Base,
    /// In lower case.
    pub(crate) name: Option<String>,
    /// In their order.
    pub(crate) instructions: Vec<Instruction>,
}

/// What a stage begins from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nothing.
    Scratch,
    /// An earlier stage or an image.
    From(Source),
}

/// Whose files are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// An earlier stage, by its place.
    Stage(usize),
    /// An image, by the name or id that stands in the file.
    Image(String),
}

impl Stage {
    /// Reads `FROM image [AS name]`; `before` are the stages that stand above it.
    pub(super) fn read(line: &Line, rest: &str, before: &[Stage]) -> Result<Stage, Refusal> {
        let refuse =
            |reason, message: &str| Err(refusal(reason, line.at, message).nearest("FROM image AS name"));
        let words: Vec<&str> = rest.split(BLANK).filter(|word| !word.is_empty()).collect();
        let (image, name) = match words.as_slice() {
            [flag, ..] if flag.starts_with("--") => {
                return refuse(
                    Reason::FieldNotAllowed,
                    "FROM takes no option here: the engine's own platform is used",
                );
            }
            [image] => (*image, None),
            [image, word, name] if word.eq_ignore_ascii_case("as") => {
                (*image, Some(name.to_ascii_lowercase()))
            }
            _ => return refuse(Reason::BadRequest, "this is no FROM"),
        };
        if image.contains('$') {
            return refuse(Reason::FieldNotAllowed, "FROM must name its image: no ARG can be put in");
        }
        if let Some(name) = &name {
            if !is_stage_name(name) {
                return refuse(Reason::BadRequest, "a stage's name is letters, digits, '-', '_' and '.'");
            }
            if before.iter().any(|stage| stage.name.as_ref() == Some(name)) {
                return refuse(Reason::BadRequest, "two stages have the same name");
            }
        }
        let base = match image {
            "scratch" => Base::Scratch,
            _ => Base::From(
                named(image, before)
                    .or_else(|| self::image(image))
                    .ok_or_else(|| not_an_image(line.at, image))?,
            ),
        };
        Ok(Stage { at: line.at, text: line.text.clone(), base, name, instructions: Vec::new() })
    }
}

impl Source {
    /// What `--from=` names; the stages above may be given by their number, too.
    pub(super) fn read(at: usize, text: &str, before: &[Stage]) -> Result<Source, Refusal> {
        let numbered = || number(text).filter(|number| *number < before.len()).map(Source::Stage);
        named(text, before)
            .or_else(numbered)
            .or_else(|| image(text).filter(|_| !text.bytes().all(|byte| byte.is_ascii_digit())))
            .ok_or_else(|| not_an_image(at, text))
    }
}

/// A stage's number as it is written plainly.
pub(super) fn number(text: &str) -> Option<usize> {
    text.parse::<usize>().ok().filter(|number| number.to_string() == text)
}

/// Engines look for a stage first, in any case, and then for an image.
fn named(text: &str, before: &[Stage]) -> Option<Source> {
    let name = text.to_ascii_lowercase();
    before.iter().position(|stage| stage.name.as_ref() == Some(&name)).map(Source::Stage)
}

fn image(text: &str) -> Option<Source> {
    (ImageName::read(text).is_some() || is_id(text)).then(|| Source::Image(text.to_owned()))
}

fn not_an_image(at: usize, text: &str) -> Refusal {
    refusal(Reason::BadRequest, at, format!("'{}' is neither a stage above nor an image's name", shown(text)))
}

/// `[a-z][a-z0-9-_.]*`, and not what means no image.
fn is_stage_name(name: &str) -> bool {
    name.len() <= 128
        && name != "scratch"
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
}
