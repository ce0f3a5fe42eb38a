//! The attack corpus and the legitimate corpus: read from `attacks/`, expanded into cases, written out as bytes.
//!
//! Only tests use this room. `attacks/README.md` has the format. [`attacks`] and [`legitimate`] load,
//! [`Case::bytes`] gives what a step sends once the [`Scene`] says how the objects are called here, [`Stage`] makes
//! those objects on a real engine, and [`talk`] sends bytes and reads answers.
#![forbid(unsafe_code)]

mod case;
mod expand;
mod form;
mod framing;
mod scene;
mod sheet;
mod spelling;
mod stage;
mod talk;

pub use case::{Bare, Case, Http, Message, Step, Told};
pub use form::CorpusError;
pub use framing::Framing;
pub use scene::{Scene, WORDS};
pub use sheet::{attacks, folder, legitimate, policy};
pub use spelling::Spelling;
pub use stage::{ENGINE, Stage};
pub use talk::{Reply, ask, talk};
