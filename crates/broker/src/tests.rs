//! Tests that run real programs in the real sandbox. They need root.

mod client_room;
mod engine_requests;
mod filtered;
mod greeted;
mod order;
mod pipelines;
mod roomed;
mod rootless;
mod sandboxed;
mod served;
mod serviced;
mod support;
mod truthful;

pub(crate) use support::trace;
