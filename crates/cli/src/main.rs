//! The program: arguments, output, wiring. No decisions.
fn main() {}
