//! The files of a corpus.

use crate::Case;
use crate::expand::{Lists, expand};
use crate::form::{CorpusError, Sheet};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// `attacks/` of this checkout.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../attacks")
}

/// The attacks, by file in the order of their names: `("A", cases)`.
///
/// # Errors
/// When a file cannot be read, or an entry makes no sense.
pub fn attacks() -> Result<Vec<(String, Vec<Case>)>, CorpusError> {
    sheets("engine")
}

/// The legitimate requests, by file.
///
/// # Errors
/// When a file cannot be read, or an entry makes no sense.
pub fn legitimate() -> Result<Vec<(String, Vec<Case>)>, CorpusError> {
    sheets("legitimate")
}

/// The text of a policy that cases run under, with words of the scene in it.
///
/// # Errors
/// When there is none of that name.
pub fn policy(name: &str) -> Result<String, CorpusError> {
    text(&folder().join("policies").join(format!("{name}.toml")))
}

fn sheets(corpus: &str) -> Result<Vec<(String, Vec<Case>)>, CorpusError> {
    let lists: Lists = read(&folder().join("lists.json"))?;
    let folder = folder().join(corpus);
    let unreadable = |error| CorpusError::File(folder.display().to_string(), error);
    let mut files = Vec::new();
    for file in std::fs::read_dir(&folder).map_err(unreadable)? {
        files.push(file.map_err(unreadable)?.path());
    }
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    files.iter().map(|file| Ok((stem(file), cases(file, &lists)?))).collect()
}

fn cases(file: &Path, lists: &Lists) -> Result<Vec<Case>, CorpusError> {
    let sheet: Sheet = read(file)?;
    let mut cases = Vec::new();
    for entry in &sheet.entries {
        cases.extend(expand(entry, lists)?);
    }
    Ok(cases)
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn text(file: &Path) -> Result<String, CorpusError> {
    std::fs::read_to_string(file).map_err(|error| CorpusError::File(file.display().to_string(), error))
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T, CorpusError> {
    serde_json::from_str(&text(file)?).map_err(|error| CorpusError::Form(file.display().to_string(), error))
}
