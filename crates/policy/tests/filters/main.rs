//! Filters: what is judged is what the real programs do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails may panic"
)]

mod beside_rules;
mod page;
mod programs;
mod refusals;

use doorward_policy::{Filter, Refusal};

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// The verdict on a line of a filter, split at its blanks.
fn judge(line: &str) -> Result<(), Refusal> {
    let argv = words(line);
    Filter::named(&argv[0]).expect(line).judge(&argv[1..])
}
