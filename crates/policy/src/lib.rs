//! The policy file, compiled; policy × operation → verdict.
//!
//! This room is pure: it does no I/O, so that every service compiles the same [`Bundle`] of texts to the
//! same [`Policy`] with the same hash, and so that it can be fuzzed. Unknown means refused.
#![forbid(unsafe_code)]

mod bundle;
mod characters;
mod error;
mod filters;
mod judge;
mod load;
mod model;
mod nearest;
mod pattern;
mod reason;
mod redact;
mod verdict;

pub use bundle::{Bundle, PolicyHash, Source};
pub use characters::{is_clean, is_hidden};
pub use error::PolicyError;
pub use filters::{FILTERS, Filter, FilterOption, Operands, Takes, Value};
pub use judge::{BUILDKIT_REFUSED, BUILT_IN, DockerWords, SEARCH_PATH, StageGrant};
pub use load::{duration, include_paths};
pub use model::*;
pub use pattern::{Miss, Pattern, PatternError};
pub use reason::Reason;
pub use redact::Redactor;
pub use verdict::{CommandGrant, Refusal};
