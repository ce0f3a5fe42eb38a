//! What the tests share.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod interpreter;
pub(crate) mod properties;
