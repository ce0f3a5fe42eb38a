//! Usage-line patterns, matched word by word against argv.

/// A compiled usage line.
#[derive(Debug, Clone)]
pub struct Pattern {}
