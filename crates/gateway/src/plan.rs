//! A whole line, judged: every command by itself, and its place among the others, before any of them runs.

use crate::meaning::{Meaning, judge};
use crate::word::{self, Stands, Word};
use doorward_line::{Connector, List};
use doorward_policy::{Limits, Policy, Reason, Refusal};
use doorward_wire::broker;

// What the line language reads, the broker takes.
const _: () = assert!(doorward_line::MAX_STAGES <= broker::MAX_STAGES);

/// A line of which every command is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Pipelines in the line's order, each with what stands before it; before the first, `;`.
    pub(crate) pipelines: Vec<(Connector, Pipeline)>,
}

/// Commands that run at one time, from left to right; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pipeline {
    pub(crate) commands: Vec<Command>,
}

/// One command of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// Its words and redirections, as the broker takes them.
    pub(crate) stage: broker::Stage,
    /// The same as a worker would type it.
    pub(crate) shown: String,
    pub(crate) meaning: Meaning,
}

impl Plan {
    /// Every command, in the line's order.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &Command> {
        self.pipelines.iter().flat_map(|(_, pipeline)| &pipeline.commands)
    }

    /// The command of a line that has no other.
    pub(crate) fn single(&self) -> Option<&Command> {
        let mut commands = self.commands();
        commands.next().filter(|_| commands.next().is_none())
    }

    /// Whether nothing of it runs on the host.
    pub(crate) fn is_only_words(&self) -> bool {
        self.commands().all(|command| matches!(command.meaning, Meaning::Word(_)))
    }

    /// What allows it: each rule once, in the line's order.
    pub(crate) fn rules(&self) -> String {
        rules(self.commands())
    }

    /// Most bytes that it may write: what the most generous of its commands may.
    pub(crate) fn output(&self, limits: &Limits) -> u64 {
        let of = |command: &Command| match &command.meaning {
            Meaning::Filter { .. } => None,
            Meaning::Command { output, .. } => Some(output.unwrap_or(limits.lines_output)),
            Meaning::Word(_) | Meaning::Dial { .. } | Meaning::Docker { .. } => Some(limits.lines_output),
        };
        self.commands().filter_map(of).max().unwrap_or(limits.lines_output)
    }
}

/// What allows these commands: each rule once, in their order.
pub(crate) fn rules<'a>(commands: impl Iterator<Item = &'a Command>) -> String {
    let mut rules: Vec<&str> = Vec::new();
    for command in commands {
        if !rules.contains(&command.meaning.rule()) {
            rules.push(command.meaning.rule());
        }
    }
    rules.join(", ")
}

impl Pipeline {
    /// Whether control sequences stay in its output: only when each rule in it says so. Filters add none.
    pub(crate) fn is_raw(&self) -> bool {
        let mut programs = self
            .commands
            .iter()
            .filter(|command| !matches!(command.meaning, Meaning::Filter { .. }))
            .peekable();
        programs.peek().is_some()
            && programs.all(|command| matches!(command.meaning, Meaning::Command { raw: true, .. }))
    }

    /// The built-in word that it begins with, and the commands that run on the host.
    pub(crate) fn parts(&self) -> (Option<(&Command, &'static Word)>, &[Command]) {
        match self.commands.split_first() {
            Some((head, rest)) => match head.meaning {
                Meaning::Word(word) => (Some((head, word)), rest),
                _ => (None, &self.commands),
            },
            None => (None, &[]),
        }
    }

    /// Whether its first command reads the session's stdin.
    pub(crate) fn reads_stdin(&self) -> bool {
        let first = self.commands.first().map(|command| &command.meaning);
        matches!(first, Some(Meaning::Filter { reads_stdin: true, .. }))
    }
}

/// A command of a line with the verdict on it.
pub(crate) type Judged = (String, Result<Command, Refusal>);

/// The verdict on each command, in the line's order. The path of a refusal names the command when there are
/// several.
pub(crate) fn judge_each(policy: &Policy, worker: &str, list: &List) -> Vec<(Connector, Vec<Judged>)> {
    let pipelines = list.rest.len().saturating_add(1);
    let several = pipelines > 1 || list.first.stages.len() > 1;
    let mut number = 0_usize;
    let first = std::iter::once((Connector::Then, &list.first));
    let rest = list.rest.iter().map(|(connector, pipeline)| (*connector, pipeline));
    first
        .chain(rest)
        .map(|(connector, pipeline)| {
            let head = pipeline.stages.first().and_then(|stage| stage.command.argv().first());
            let head = head.and_then(|name| word::named(name));
            let stages = pipeline.stages.iter().enumerate().map(|(place, stage)| {
                number = number.saturating_add(1);
                let shown = stage.to_string();
                let at = Place { pipelines, several, place, head };
                let verdict = judge(policy, worker, stage.command.argv())
                    .and_then(|meaning| judge_place(meaning, &at))
                    .map(|meaning| Command { stage: as_sent(stage), shown: shown.clone(), meaning })
                    .map_err(|refusal| if several { of_command(refusal, number) } else { refusal });
                (shown, verdict)
            });
            (connector, stages.collect())
        })
        .collect()
}

/// The plan, or the first refusal of any command.
pub(crate) fn judge_list(policy: &Policy, worker: &str, list: &List) -> Result<Plan, Refusal> {
    let pipeline = |(connector, judged): (Connector, Vec<Judged>)| {
        let commands = judged.into_iter().map(|(_, verdict)| verdict).collect::<Result<_, _>>()?;
        Ok((connector, Pipeline { commands }))
    };
    let pipelines = judge_each(policy, worker, list).into_iter().map(pipeline).collect::<Result<_, _>>()?;
    Ok(Plan { pipelines })
}

/// Where a command stands in its line.
struct Place {
    /// Pipelines of the line.
    pipelines: usize,
    /// Whether the line has other commands.
    several: bool,
    /// In its pipeline, counted from 0.
    place: usize,
    /// The built-in word that its pipeline begins with.
    head: Option<&'static Word>,
}

/// Whether a command may stand where it does.
fn judge_place(meaning: Meaning, at: &Place) -> Result<Meaning, Refusal> {
    let refuse = |what: String, nearest: String| Err(Refusal::new(Reason::BadRequest, what).nearest(nearest));
    let stands_before_filters = |word: &Word| word.stands == Stands::BeforeFilters;
    match &meaning {
        Meaning::Dial { .. } if at.several => refuse(
            "a connection to the engine stands alone on its line".into(),
            "docker system dial-stdio".into(),
        ),
        Meaning::Word(word) if at.several && word.stands == Stands::Alone => misplaced(word, ""),
        Meaning::Word(word) if at.pipelines > 1 && stands_before_filters(word) => {
            misplaced(word, ", at most with filters behind it")
        }
        Meaning::Word(word) if at.place > 0 => refuse(
            format!("'{}' reads no input, so it can only begin a pipeline", word.name),
            format!("{} | grep WORDS", word.name),
        ),
        Meaning::Filter { .. } => Ok(meaning),
        _ => match at.head.filter(|head| at.place > 0 && stands_before_filters(head)) {
            Some(head) => misplaced(head, ", at most with filters behind it"),
            None => Ok(meaning),
        },
    }
}

/// A word that takes a line, beside commands that may have been meant as a part of it.
fn misplaced(word: &Word, but: &str) -> Result<Meaning, Refusal> {
    let message =
        format!("'{}' stands alone on its line{but}; a line of several commands goes in quotes", word.name);
    Err(Refusal::new(Reason::BadRequest, message).nearest(word.quoted().unwrap_or_default()))
}

fn of_command(mut refusal: Refusal, number: usize) -> Refusal {
    let path = match &refusal.path {
        Some(path) => format!("command {number}, {path}"),
        None => format!("command {number}"),
    };
    refusal.path = Some(path);
    refusal
}

fn as_sent(stage: &doorward_line::Stage) -> broker::Stage {
    broker::Stage {
        argv: stage.command.argv().to_vec(),
        out: match stage.out {
            doorward_line::StageOut::Next => broker::StageOut::Next,
            doorward_line::StageOut::Null => broker::StageOut::Null,
        },
        err: match stage.err {
            doorward_line::StageErr::Line => broker::StageErr::Line,
            doorward_line::StageErr::Null => broker::StageErr::Null,
            doorward_line::StageErr::Next => broker::StageErr::Next,
        },
    }
}
