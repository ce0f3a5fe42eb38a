//! Any bytes as the Dockerfile of a build.
#![no_main]

#[path = "../../crates/engine/tests/support/builds.rs"]
mod builds;
#[path = "../../crates/engine/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    builds::of_dockerfile(bytes);
});
