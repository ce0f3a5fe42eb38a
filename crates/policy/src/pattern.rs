//! Usage-line patterns, matched word by word against argv.

/// A compiled usage line.
#[derive(Debug, Clone)]
pub struct Pattern {}

/// Why a usage line does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    /// Byte offset in the usage line.
    pub offset: usize,
    /// One line.
    pub message: String,
}

impl Pattern {
    /// Compiles a usage line.
    pub fn compile(_usage: &str) -> Result<Pattern, PatternError> {
        Ok(Pattern {})
    }
    /// Whether every word of `argv` is accounted for.
    pub fn matches(&self, _argv: &[&str]) -> bool {
        false
    }
}
