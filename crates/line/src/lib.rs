//! The worker's command line: bytes in, words out, or a refusal that names the construct and what to do
//! instead. No shell ever reads a worker's line; `docs/line.md` has the grammar.
//!
//! This room is pure and total: any bytes give a [`Line`] or a [`Refusal`](doorward_policy::Refusal).
#![forbid(unsafe_code)]

mod characters;
mod constructs;
mod line;
mod quote;
mod scan;
mod sudo;

pub use line::{
    Connector, Line, List, MAX_LINE, MAX_WORD, MAX_WORDS, Pipeline, Simple, Stage, StageErr, StageOut, read,
};
pub use quote::quote;
