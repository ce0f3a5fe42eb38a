//! The steps of an execution, numbered as in the design.

/// One step from the opened program to its start. Each must succeed before the next is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Program,
    Intent,
    ErrorPipe,
    BlockSignals,
    Fork,
    Dispositions,
    Session,
    Limits,
    Cgroup,
    Namespaces,
    CloseRange,
    BoundingSet,
    Identity,
    Capabilities,
    NoNewPrivs,
    Landlock,
    Seccomp,
    Exec,
}

impl Step {
    /// All, in order, with number and name.
    pub(crate) const ALL: [(Step, u8, &'static str); 18] = [
        (Step::Program, 1, "program"),
        (Step::Intent, 2, "audit intent"),
        (Step::ErrorPipe, 3, "pipe for errors"),
        (Step::BlockSignals, 4, "block signals"),
        (Step::Fork, 5, "fork"),
        (Step::Dispositions, 6, "default dispositions"),
        (Step::Session, 7, "setsid"),
        (Step::Limits, 8, "limits"),
        (Step::Cgroup, 9, "cgroup"),
        (Step::Namespaces, 10, "namespaces"),
        (Step::CloseRange, 11, "close_range"),
        (Step::BoundingSet, 12, "bounding set"),
        (Step::Identity, 13, "identity"),
        (Step::Capabilities, 14, "capabilities"),
        (Step::NoNewPrivs, 15, "no_new_privs"),
        (Step::Landlock, 16, "landlock"),
        (Step::Seccomp, 17, "seccomp"),
        (Step::Exec, 18, "exec"),
    ];

    /// Its number, from 1.
    pub(crate) fn number(self) -> u8 {
        Step::ALL.iter().find(|(step, ..)| *step == self).map_or(0, |(_, number, _)| *number)
    }

    /// The step with this number.
    pub(crate) fn of(number: u8) -> Option<Step> {
        Step::ALL.iter().find(|(_, known, _)| *known == number).map(|(step, ..)| *step)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Step::ALL.iter().find(|(step, ..)| step == self) {
            Some((_, number, name)) => write!(f, "{number} {name}"),
            None => f.write_str("unknown step"),
        }
    }
}
