//! The course of a line: which of its pipelines run, one after the other, as `sh` would run them.

use crate::asking::Asking;
use crate::delivery::Delivery;
use crate::ending::{Ending, skipped};
use crate::plan::{Command, Pipeline, Plan};
use crate::record::Request;
use crate::running::Stop;
use crate::stdin::Stdin;
use crate::store::StageEnd;
use doorward_line::Connector;
use std::time::{Duration, Instant};

/// A line that is being carried out. It needs no session: without one its delivery leads to the saved run
/// alone, and its stdin is never asked for.
pub(crate) struct Course<'a> {
    pub(crate) asking: &'a Asking,
    /// The line's; what comes after its first command gets requests of its own.
    pub(crate) request: &'a Request,
    pub(crate) plan: &'a Plan,
    pub(crate) delivery: &'a Delivery,
    /// `None`: commands that read stdin find its end at once.
    pub(crate) stdin: Option<&'a Stdin>,
    /// Ends it.
    pub(crate) stop: &'a Stop,
    /// Whether it is a run, with a row and the time of a line; a line of only built-in words is none.
    pub(crate) is_run: bool,
    since: Instant,
}

/// How a line went.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Of the pipeline that ran last.
    pub(crate) ending: Ending,
    /// Every command, in the line's order.
    pub(crate) stages: Vec<StageEnd>,
}

impl<'a> Course<'a> {
    pub(crate) fn new(
        asking: &'a Asking,
        request: &'a Request,
        plan: &'a Plan,
        delivery: &'a Delivery,
        stop: &'a Stop,
    ) -> Self {
        Course { asking, request, plan, delivery, stdin: None, stop, is_run: true, since: Instant::now() }
    }

    /// Runs what the connectors say; the exit status is that of the pipeline that ran last.
    pub(crate) async fn carry_out(&self) -> Finished {
        let mut stages = Vec::new();
        let mut last = Ending::exited(0);
        for (place, (connector, pipeline)) in self.plan.pipelines.iter().enumerate() {
            if last.is_last || !follows(*connector, last.exit) {
                stages.extend(pipeline.commands.iter().map(|command| self.skip(command)));
                continue;
            }
            if let Some(ending) = self.over() {
                stages.extend(pipeline.commands.iter().map(|command| self.skip(command)));
                last = ending;
                continue;
            }
            let ran = self.run(pipeline, place == 0).await;
            stages.extend(ran.stages);
            last = ran.ending;
            self.release_stdin(place);
        }
        Finished { ending: last, stages }
    }

    /// How the line has ended between two pipelines, if it has.
    fn over(&self) -> Option<Ending> {
        if let Some(why) = self.stop.why() {
            return Some(Ending::stopped(why));
        }
        let out_of_time = self.is_run && self.left().is_zero();
        out_of_time.then(|| Ending::deadline(self.seconds()))
    }

    /// The line's limit, in seconds.
    pub(crate) fn seconds(&self) -> u64 {
        self.asking.limits().lines_seconds
    }

    /// What is left of it.
    pub(crate) fn left(&self) -> Duration {
        Duration::from_secs(self.seconds()).saturating_sub(self.since.elapsed())
    }

    fn skip(&self, command: &Command) -> StageEnd {
        skipped(self.shown(command), command.meaning.rule().to_owned())
    }

    /// A command as it may be kept.
    pub(crate) fn shown(&self, command: &Command) -> String {
        self.asking.known.policy.runs.redact_line(&command.shown).into_owned()
    }

    /// Whatever may still run, none of it reads stdin.
    fn release_stdin(&self, done: usize) {
        let rest = self.plan.pipelines.iter().skip(done.saturating_add(1));
        if let Some(stdin) = self.stdin
            && !rest.map(|(_, pipeline)| pipeline).any(Pipeline::reads_stdin)
        {
            stdin.no_more_readers();
        }
    }
}

/// Whether what stands after `connector` runs when `status` is that of what ran last.
fn follows(connector: Connector, status: u8) -> bool {
    match connector {
        Connector::And => status == 0,
        Connector::Or => status != 0,
        Connector::Then => true,
    }
}
