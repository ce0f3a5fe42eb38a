//! Any bytes as what an agent's backend sends, as they are and as the command in a wrapper.
#![no_main]

#[path = "../../crates/line/tests/support/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    properties::of_agent(bytes);
    properties::of_wrapped(&String::from_utf8_lossy(bytes));
});
