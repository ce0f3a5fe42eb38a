//! A worker's line: read, decided, answered.

use crate::answer::Answer;
use crate::asking::LINE;
use crate::conversation::{Gone, Inlet};
use crate::course::Course;
use crate::meaning::{Meaning, is_dial};
use crate::plan::{Plan, judge_list};
use crate::record::Request;
use crate::run::Run;
use crate::running::{DISCONNECT, Stop};
use crate::session::Session;
use crate::stdin::Stdin;
use crate::word;
use doorward_line::{Line, List, agent};
use doorward_policy::{Reason, Refusal};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

/// The commands of a line; none for a greeting.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<List>, Refusal> {
    match doorward_line::read(bytes)? {
        Line::Greeting => Ok(None),
        Line::List(list) => Ok(Some(list)),
    }
}

impl Session {
    /// Answers what a worker sent: a line, or an agent's errand or wrapper around one.
    pub(crate) async fn line(&mut self, bytes: &[u8]) -> Result<Answer, Gone> {
        match agent(bytes, &self.home()) {
            Some(asked) => self.agent(asked, bytes).await,
            None => self.plain_line(bytes).await,
        }
    }

    /// Answers one line.
    pub(crate) async fn plain_line(&mut self, bytes: &[u8]) -> Result<Answer, Gone> {
        let mut request = Request::new(&self.asking.known, bytes);
        let read = read(bytes);
        let list = read.as_ref().ok().and_then(Option::as_ref);
        let is_run = !list.is_some_and(is_only_words);
        if let Err(refusal) = self.count(list) {
            return self.refuse_line(&request, refusal, is_run).await;
        }
        let list = match read {
            Err(refusal) => return self.refuse(request, refusal).await,
            Ok(None) => return self.speaker().greet(request).await,
            Ok(Some(list)) => list,
        };
        request.read(&self.asking.known, bytes, &list);
        let worker = &self.asking.asker.worker;
        let plan = match judge_list(&self.asking.known.policy, worker, &list) {
            Ok(plan) => plan,
            Err(refusal) => return self.refuse_line(&request, refusal, is_run).await,
        };
        if let Some(command) = plan.single() {
            request.operation = command.meaning.operation();
            if let Meaning::Dial { rule } = &command.meaning {
                if self.asking.asker.way != LINE {
                    let refusal =
                        Refusal::new(Reason::BadRequest, "a connection to the engine is no command")
                            .nearest("DOCKER_HOST=ssh://USER@HOST for your own docker client");
                    return self.refuse(request, refusal).await;
                }
                return self.dial(request, rule).await;
            }
        }
        match plan.is_only_words() {
            true => self.speak(request, plan).await,
            false => self.run(request, plan).await,
        }
    }

    fn count(&self, list: Option<&List>) -> Result<(), Refusal> {
        if !list.and_then(List::only).is_some_and(is_dial) {
            return self.count_line();
        }
        let (counts, worker) = (&self.asking.gateway.counts, &self.asking.asker.worker);
        counts.dial(worker, &self.asking.limits(), Instant::now())
    }

    /// Counts what is asked against the lines of a minute.
    pub(crate) fn count_line(&self) -> Result<(), Refusal> {
        let (counts, worker) = (&self.asking.gateway.counts, &self.asking.asker.worker);
        counts.line(worker, &self.asking.limits(), Instant::now())
    }

    /// Answers a line of built-in words, which is no run.
    async fn speak(&mut self, request: Request, plan: Plan) -> Result<Answer, Gone> {
        let (stdin, stop) = (Stdin::default(), Stop::new());
        let mut course = Course::new(&self.asking, &request, &plan, &self.delivery, &stop);
        course.is_run = false;
        let listen = stop_when_gone(&stdin, &mut self.inlet, &stop);
        let ending = tokio::select! {
            finished = course.carry_out() => finished.ending,
            never = listen => match never {},
        };
        match ending.how {
            DISCONNECT => Err(Gone),
            _ => Ok(Answer::Exit(ending.exit)),
        }
    }

    /// Runs a line, and ends it when the session goes away.
    async fn run(&mut self, request: Request, plan: Plan) -> Result<Answer, Gone> {
        let run = match Run::begin(&self.asking, &request, plan, Rc::clone(&self.delivery)).await {
            Ok(run) => run,
            Err(refusal) => return self.refuse(request, refusal).await,
        };
        let (stdin, stop) = (Stdin::default(), run.stop.clone());
        let listen = stop_when_gone(&stdin, &mut self.inlet, &stop);
        tokio::select! {
            exit = run.carry_out(Some(&stdin)) => Ok(Answer::Exit(exit)),
            never = listen => match never {},
        }
    }

    /// The session goes to the socket by itself, with the worker's own uid: the gateway has no right there.
    async fn dial(&mut self, request: Request, rule: &str) -> Result<Answer, Gone> {
        let socket = self.asking.known.docker_sock(&self.asking.asker.worker).map(str::to_owned);
        let Some(socket) = socket else {
            let refusal = Refusal::new(Reason::Internal, "there is no docker.sock for this worker");
            return self.refuse(request, refusal).await;
        };
        if let Err(refusal) = self.asking.record_allowed(&request, rule).await {
            return self.tell_refusal(&refusal).await;
        }
        self.asking.record_outcome(&request, 0);
        Ok(Answer::Dial(socket))
    }
}

/// Whether every command of a line is a built-in word, allowed or not: such a line is no run.
fn is_only_words(list: &List) -> bool {
    let pipelines = std::iter::once(&list.first).chain(list.rest.iter().map(|(_, pipeline)| pipeline));
    let mut names = pipelines.flat_map(|pipeline| &pipeline.stages).map(|stage| stage.command.argv().first());
    names.all(|name| name.is_some_and(|name| word::named(name).is_some()))
}

/// Listens to the session for as long as it is polled, and wants the line ended when there is none any more.
async fn stop_when_gone(stdin: &Stdin, inlet: &mut Inlet, stop: &Stop) -> Infallible {
    stdin.carry(inlet).await;
    stop.now(DISCONNECT);
    std::future::pending().await
}
