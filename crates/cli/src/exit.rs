//! How the program ends, and what it says on stderr when that is not well.

use std::fmt::Display;
use std::io::Write;

/// An operator's check found something wrong: a policy with errors, a log that does not verify.
pub(crate) const BROKEN: u8 = 1;
/// Doorward itself failed.
pub(crate) const FAILED: u8 = 125;
/// Doorward refuses the line.
pub(crate) const REFUSED: u8 = 126;

/// Says what failed; the exit code for it.
pub(crate) fn fail(message: impl Display) -> u8 {
    // Whoever reads stderr may be gone already, and the code is told all the same.
    let _ = writeln!(std::io::stderr(), "doorward: {message}");
    FAILED
}
