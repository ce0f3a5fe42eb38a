//! How much a line may be.

use crate::characters::column;
use doorward_policy::{Reason, Refusal};

/// Longest line, in bytes.
pub const MAX_LINE: usize = 16 * 1024;
/// Most words of a line, over all its commands; so it has at most as many commands. Redirections are not
/// words.
pub const MAX_WORDS: usize = 64;
/// Longest word, in bytes, after quoting is removed.
pub const MAX_WORD: usize = 4 * 1024;
/// Most commands of a pipeline.
pub const MAX_STAGES: usize = 16;

pub(crate) const SHORTER: &str = "a shorter line; send data on stdin";

/// A refusal of what is more than the limits allow, and begins after `before` characters.
pub(crate) fn too_large(what: String, before: usize) -> Refusal {
    Refusal::new(Reason::TooLarge, what).nearest(SHORTER).path(column(before))
}
