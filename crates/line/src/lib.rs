//! The worker's command line: bytes in, pipelines out, or a refusal that names the construct and what to do
//! instead. No shell ever reads a worker's line; `docs/line.md` has the grammar.
//!
//! This room is pure and total: any bytes give a [`Line`] or a [`Refusal`](doorward_policy::Refusal).
#![forbid(unsafe_code)]

mod agent;
mod builtins;
mod characters;
mod constructs;
mod limits;
mod line;
mod list;
mod parse;
mod quote;
mod scan;
mod shell;
mod sudo;
mod transfer;

pub use agent::{Agent, MAX_AGENT, Shell, agent};
pub use limits::{MAX_LINE, MAX_STAGES, MAX_WORD, MAX_WORDS};
pub use line::read;
pub use list::{Connector, Line, List, Pipeline, Simple, Stage, StageErr, StageOut};
pub use quote::quote;
