//! The Engine API: endpoint table, field table, strict decoding, operations and their judgement.
//!
//! Pure: the proxy carries bytes, this room says what they mean. The order is fixed:
//! [`read_head`] → [`Call::with_body`] → [`Request::needs`] (until it asks for nothing more) → [`judge`] →
//! the proxy sends what [`Approved`] holds, and only that → [`Approved::answer`] → [`Expected::compare`].
//! Every function is total: bytes that make no sense are a [`doorward_policy::Refusal`].
#![forbid(unsafe_code)]

mod api;
pub use api::*;
mod answer;
pub use answer::Answer;
mod approved;
pub use approved::Approved;
mod call;
pub use call::{Call, Request, judge, read_head};
mod endpoint;
pub use endpoint::{Access, Act, Body, Endpoint, Grant, Param, ParamKind, Travel};
mod expected;
pub use expected::Expected;
