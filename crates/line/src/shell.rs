//! Agents give their line to a shell without being asked (`bash -lc 'LINE'`). No shell runs here, so the
//! line is read as if it stood alone.

use crate::scan::Word;

/// How agents begin such a line. Any other option would ask something of the shell itself.
const SHELLS: &[[&str; 2]] = &[["bash", "-c"], ["bash", "-lc"]];

/// The line in `SHELL -c LINE`, exactly so; a `sudo` before it is no such thing.
pub(crate) fn script(words: &[Word]) -> Option<&str> {
    let [shell, option, script] = words else { return None };
    SHELLS.contains(&[shell.text.as_str(), option.text.as_str()]).then_some(script.text.as_str())
}
