//! The Engine API: endpoint table, field tables, strict decoding, operations and their judgement.
//!
//! Pure: the proxy carries bytes, this room says what they mean. The order is fixed:
//! [`read_head`] → [`Call::with_body`] → [`Request::needs`] (until it asks for nothing more) → [`judge`] →
//! the proxy sends what [`Approved`] holds, and only that → [`Answer::apply`] → [`Expected::compare`].
//! Every function is total: bytes that make no sense are a [`doorward_policy::Refusal`].
#![forbid(unsafe_code)]

mod answer;
mod api;
mod approved;
mod build;
mod call;
mod connect;
mod containers;
mod context;
mod create;
mod decision;
mod dockerfile;
mod endpoint;
mod error_text;
mod events;
mod exec;
mod expected;
mod fields;
mod image;
mod image_name;
mod images;
mod json;
mod judge;
mod judged;
mod kind;
mod lifetime;
mod needs;
mod objects;
mod own_images;
mod present;
mod prune;
mod query;
mod quota;
mod redact;
mod reference;
mod rules;
mod seen;
mod shown;
mod system;
mod table;
mod touched;
mod update;
mod uri;
mod usage;
mod volumes;
mod walk;

pub use answer::Answer;
pub use api::*;
pub use approved::Approved;
pub use build::{Build, JUDGED_DOCKERFILE, Made, Planned, Steps};
pub use call::{Call, Request, read_head};
pub use context::ContextReader;
pub use decision::{Decision, http_status, refusal_body};
pub use dockerfile::MAX_DOCKERFILE;
pub use endpoint::{Access, Act, Body, Endpoint, Grant, Param, ParamKind, Travel};
pub use events::EventFilter;
pub use expected::Expected;
pub use judge::judge;
pub use lifetime::{has_lifetime, overdue};
pub use objects::is_full_id;
pub use reference::reference;
pub use table::ENDPOINTS;
