//! The ways in which a jq program names files: modules.
//!
//! jq's grammar (`Program: Module Imports …`, jq 1.6 to 1.8) has `module`, `import` and `include` at a
//! program's very beginning only; they read `NAME.jq` and `NAME.json` from any folder that they name. The
//! built-in `modulemeta` looks for the module that its input names, anywhere in a program. What else a program
//! can ask about its surroundings is harmless here: `input_filename` is null for stdin, `env` and `$ENV` hold
//! the environment that doorward builds, `input` and `inputs` read stdin.

const KEYWORDS: [&str; 3] = ["module", "import", "include"];
const ANYWHERE: &str = "modulemeta";

/// The word with which a program would read a module.
///
/// Blanks and comments may stand before it. A comment ends with its line, so each line's beginning is looked
/// at: that also refuses a line inside a text that begins so, and lets nothing through. So is a text or a name
/// of a field that holds `modulemeta`.
pub(super) fn reads_modules(program: &str) -> Option<&'static str> {
    if program.contains(ANYWHERE) {
        return Some(ANYWHERE);
    }
    program.split(['\n', '\r']).find_map(|line| {
        let line = line.trim_start();
        let word = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
        KEYWORDS.iter().find(|keyword| **keyword == word).copied()
    })
}
