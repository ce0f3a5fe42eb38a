//! Dockerfiles: a subset small enough that no two readers of it differ, typed.

mod copy;
mod instruction;
mod label;
mod lines;
mod stage;

pub(crate) use instruction::{Instruction, Meaning};
pub(crate) use label::{Label, label};
pub(crate) use lines::is_plain;
pub(crate) use stage::{Base, Source, Stage};

use doorward_policy::{Reason, Refusal};

/// Longest Dockerfile that is read, in bytes.
pub const MAX_DOCKERFILE: usize = 256 << 10;
/// Most instructions.
const MAX_INSTRUCTIONS: usize = 1024;

/// A Dockerfile that was read.
#[derive(Debug)]
pub(crate) struct Dockerfile {
    /// `ARG` before the first stage.
    pub(crate) globals: Vec<Instruction>,
    /// At least one.
    pub(crate) stages: Vec<Stage>,
}

impl Dockerfile {
    /// Reads one.
    ///
    /// # Errors
    /// Whatever is not in the subset that can be judged.
    pub(crate) fn read(bytes: &[u8]) -> Result<Dockerfile, Refusal> {
        if bytes.len() > MAX_DOCKERFILE {
            let message = format!("the Dockerfile is longer than {MAX_DOCKERFILE} bytes");
            return Err(Refusal::new(Reason::TooLarge, message));
        }
        let lines = lines::read(bytes)?;
        if lines.len() > MAX_INSTRUCTIONS {
            let message = format!("the Dockerfile has more than {MAX_INSTRUCTIONS} instructions");
            return Err(Refusal::new(Reason::TooLarge, message));
        }
        let mut file = Dockerfile { globals: Vec::new(), stages: Vec::new() };
        for line in &lines {
            file.add(line)?;
        }
        match file.stages.is_empty() {
            false => Ok(file),
            true => {
                Err(Refusal::new(Reason::BadRequest, "the Dockerfile has no FROM").nearest("FROM scratch"))
            }
        }
    }

    fn add(&mut self, line: &lines::Line) -> Result<(), Refusal> {
        let (keyword, rest) = instruction::split(line)?;
        if keyword == "FROM" {
            let stage = Stage::read(line, rest, &self.stages)?;
            self.stages.push(stage);
            return Ok(());
        }
        let before = self.stages.len().saturating_sub(1);
        let instruction =
            Instruction::read(line, &keyword, rest, self.stages.get(..before).unwrap_or_default())?;
        match self.stages.last_mut() {
            Some(stage) => stage.instructions.push(instruction),
            None if keyword == "ARG" => self.globals.push(instruction),
            None => {
                let message = "only ARG may stand before the first FROM";
                return Err(lines::refusal(Reason::BadRequest, line.at, message));
            }
        }
        Ok(())
    }

    /// The images that `target` is built from, as the file names them.
    pub(crate) fn images(&self, target: &str) -> impl Iterator<Item = &str> {
        let stages = self.stages.iter().take(self.stages_to(target).unwrap_or_default());
        stages.flat_map(|stage| {
            let base = match &stage.base {
                Base::From(Source::Image(name)) => Some(name.as_str()),
                _ => None,
            };
            base.into_iter().chain(stage.instructions.iter().filter_map(Instruction::image))
        })
    }

    /// How many stages are built to get `target`: its name or number; empty for all.
    pub(crate) fn stages_to(&self, target: &str) -> Option<usize> {
        if target.is_empty() {
            return Some(self.stages.len());
        }
        let name = target.to_ascii_lowercase();
        let named = self.stages.iter().position(|stage| stage.name.as_ref() == Some(&name));
        let number = || stage::number(target).filter(|number| *number < self.stages.len());
        named.or_else(number).map(|place| place.saturating_add(1))
    }
}

#[cfg(test)]
mod tests;
