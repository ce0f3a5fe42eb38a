//! Commands that only a shell has, since they act on the shell itself. What also exists as a program
//! (`printf`, `test`, `pwd`, `kill`, `env`) is not here: whether it may run is the policy's to say.

use crate::constructs::Construct;

/// Commands of a kind, by what to do instead of them.
struct Builtins {
    names: &'static [&'static str],
    construct: Construct,
}

const BUILTINS: &[Builtins] = &[
    builtins(
        &["cd", "pushd", "popd", "dirs"],
        "the command without it: there is no working folder; give whole paths",
    ),
    builtins(
        &["export", "unset", "set", "shopt", "declare", "typeset", "local", "readonly", "let", "getopts"],
        "the command without it: its environment is fixed, and there are no variables",
    ),
    builtins(&["source", "."], "the commands themselves: there are no scripts"),
    builtins(&["eval", "exec", "builtin", "command"], "the command itself, without it"),
    builtins(&["type", "hash", "enable"], "`help`: it lists what you may run"),
    builtins(&["alias", "unalias"], "the command itself: there are no aliases"),
    builtins(
        &["exit", "return", "logout", "break", "continue", "shift", "caller"],
        "the commands without it: the exit status is that of the last one that ran",
    ),
    builtins(
        &["wait", "jobs", "bg", "fg", "disown", "suspend"],
        "`submit -- 'LINE'` starts a job; `runs` lists yours",
    ),
    builtins(&["read", "mapfile", "readarray"], "a filter that reads stdin, like `cat` or `head`"),
    builtins(&["trap", "umask", "ulimit", "times"], "the command without it: the policy sets its limits"),
    builtins(&[":"], "`true`"),
    builtins(&["history", "fc"], "`runs`: it lists what you ran"),
    builtins(&["bind", "complete", "compgen", "compopt"], "the command without it"),
];

const fn builtins(names: &'static [&'static str], instead: &'static str) -> Builtins {
    Builtins { names, construct: Construct { name: "command of a shell", instead } }
}

/// The construct that the command `name` is, when only shells have it.
pub(crate) fn builtin(name: &str) -> Option<&'static Construct> {
    BUILTINS.iter().find(|row| row.names.contains(&name)).map(|row| &row.construct)
}
