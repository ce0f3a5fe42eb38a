//! Any bytes as a worker's line.
#![no_main]

#[path = "../../crates/line/tests/support/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::of_line(bytes));
