//! `COPY`.

use super::lines::{BLANK, refusal};
use super::{Meaning, Source, Stage};
use crate::query::shown;
use doorward_policy::{Reason, Refusal};

/// Reads options and paths. Paths stay in the context or the source's files: engines see to that, whatever they are.
pub(super) fn read(at: usize, text: &str, before: &[Stage]) -> Result<Meaning, Refusal> {
    let (mut from, mut owner, mut rest) = (None, None, text);
    while rest.starts_with("--") {
        let (option, after) = rest.split_once(BLANK).unwrap_or((rest, ""));
        match option.split_once('=') {
            Some(("--from", source)) if from.is_none() => from = Some(Source::read(at, source, before)?),
            Some(("--chown", value)) if owner.is_none() && is_owner(value) => owner = Some(value),
            _ => {
                let message = format!("COPY does not take '{}' here", shown(option));
                return Err(
                    refusal(Reason::FieldNotAllowed, at, message).nearest("--from=STAGE, --chown=USER:GROUP")
                );
            }
        }
        rest = after.trim_start_matches(BLANK);
    }
    if rest.is_empty() {
        return Err(refusal(Reason::BadRequest, at, "COPY says no paths").nearest("COPY from to"));
    }
    let owner = owner.map(|owner| format!("--chown={owner} ")).unwrap_or_default();
    Ok(Meaning::Copy { from, rest: format!("{owner}{rest}") })
}

/// A user and group of the image's; variables may stand in it.
fn is_owner(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-${}".contains(&byte))
}
