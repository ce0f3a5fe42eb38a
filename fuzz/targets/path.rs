//! Any text as a method and a target.
#![no_main]

#[path = "../../crates/engine/tests/support/invariants.rs"]
mod invariants;
#[path = "../../crates/engine/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    invariants::of_path(bytes);
});
