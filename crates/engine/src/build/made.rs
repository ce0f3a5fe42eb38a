//! What a build made, compared with what was to be built.

use crate::rules::OWNER;
use crate::{ApiVersion, objects, uri};
use doorward_policy::{Reason, Refusal};
use serde_json::Value;

/// What an image must be that was built.
#[derive(Debug, Clone)]
pub struct Made {
    pub(super) worker: String,
    /// As the engine tells them.
    pub(super) names: Vec<String>,
    pub(super) below: Below,
    /// In their order.
    pub(super) marks: Vec<Mark>,
}

/// What an image stands on.
#[derive(Debug, Clone)]
pub(super) enum Below {
    Nothing,
    /// 64 hex digits.
    Image(String),
}

/// What a step leaves in an image's history.
#[derive(Debug, Clone)]
pub(super) enum Mark {
    /// A command that ran.
    Run,
    /// What the image was told, by its instruction.
    Told(&'static str),
}

impl Made {
    /// The targets of the two `GET`s that tell what was made: an image's own, and its history's.
    pub fn targets(id: &str, version: ApiVersion) -> [String; 2] {
        let id = uri::encode(id, ":");
        [format!("/v{version}/images/{id}/json"), format!("/v{version}/images/{id}/history")]
    }

    /// The target of the `DELETE` that takes an image away again, as the engine tells of it; `None` when it bears a
    /// name that this build did not give: then somebody else has it, too.
    pub fn removal(&self, id: &str, image: &Value, version: ApiVersion) -> Option<String> {
        let names = image.get("RepoTags").and_then(Value::as_array).into_iter().flatten();
        let given = |name: &Value| name.as_str().is_some_and(|name| self.names.iter().any(|own| own == name));
        let own = names.into_iter().all(given);
        own.then(|| format!("/v{version}/images/{}?force=1", uri::encode(id, ":")))
    }

    /// Compares with the image and its history, as the engine tells them.
    ///
    /// # Errors
    /// [`Reason::EngineMismatch`]; the image must then be removed.
    pub fn compare(&self, image: &Value, history: &Value) -> Result<(), Refusal> {
        let owner = objects::labels(image).and_then(|labels| labels.get(OWNER)).and_then(Value::as_str);
        if owner != Some(self.worker.as_str()) {
            return Err(mismatch("its label"));
        }
        let Value::Array(history) = history else { return Err(mismatch("its history")) };
        let (new, old) =
            history.split_at_checked(self.marks.len()).ok_or_else(|| mismatch("its number of steps"))?;
        let same = new.iter().zip(self.marks.iter().rev()).all(|(entry, mark)| mark.is_of(entry));
        if !same {
            return Err(mismatch("its steps"));
        }
        let below = match (&self.below, old.first()) {
            (Below::Nothing, None) => true,
            // Engines that keep images elsewhere do not tell the ids of those below.
            (Below::Image(id), Some(entry)) => match entry.get("Id").and_then(Value::as_str) {
                Some("<missing>") => true,
                told => told.and_then(|told| told.strip_prefix("sha256:")) == Some(id.as_str()),
            },
            _ => false,
        };
        if below { Ok(()) } else { Err(mismatch("what it stands on")) }
    }
}

impl Mark {
    fn is_of(&self, entry: &Value) -> bool {
        let by = entry.get("CreatedBy").and_then(Value::as_str).unwrap_or_default();
        let told = by.split_once("#(nop) ").map(|(_, told)| told.trim_start());
        match (self, told) {
            // A command may hold the mark as its own words, after the shell's.
            (Mark::Run, told) => told.is_none() || !by.starts_with("/bin/sh -c #(nop) "),
            (Mark::Told(keyword), Some(told)) => told.split(' ').next() == Some(keyword),
            (Mark::Told(_), None) => false,
        }
    }
}

fn mismatch(what: &str) -> Refusal {
    Refusal::new(
        Reason::EngineMismatch,
        format!("the engine built something else than was approved: {what} differs"),
    )
}
