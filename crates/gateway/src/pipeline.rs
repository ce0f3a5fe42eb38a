//! One pipeline: its commands asked of the broker in one piece, a built-in word before them answered here,
//! their output delivered, their ends told.

use crate::conversation::Gone;
use crate::course::Course;
use crate::ending::Ending;
use crate::plan::{Command, Pipeline};
use crate::pump::{Pipes, pump};
use crate::record::Request;
use crate::refuse;
use crate::running::{DISCONNECT, OUTPUT_LIMIT};
use crate::store::StageEnd;
use crate::word::Word;
use crate::words::{Speaker, Voice};
use doorward_policy::{Reason, Refusal};
use doorward_wire::broker::{RequestId, ToBroker};
use doorward_wire::client::{LinkError, Running};
use std::os::fd::OwnedFd;
use tokio::net::unix::pipe::Sender;
use tokio::sync::watch;

/// How a pipeline went.
pub(crate) struct Ran {
    pub(crate) ending: Ending,
    /// From left to right.
    pub(crate) stages: Vec<StageEnd>,
}

/// What a pipeline needs before it starts.
struct Ready {
    pipes: Pipes,
    /// For the broker: stdout, stderr, and stdin when there is one.
    ends: Vec<OwnedFd>,
    /// What the first command reads from, for the word before it.
    feed: Option<Sender>,
}

/// After the docker client's own help.
const OWN_HELP: &str = "doorward: that is all of docker; 'help docker' shows what you may do\n";

impl Course<'_> {
    /// Runs one pipeline; `is_first` of the line.
    pub(crate) async fn run(&self, pipeline: &Pipeline, is_first: bool) -> Ran {
        self.delivery.begin(pipeline.is_raw() || !self.is_run).await;
        let ran = match pipeline.parts() {
            (Some((command, word)), []) => {
                let ending = self.answer(command, word, None).await;
                Ran { stages: vec![self.end_of(command, None, &ending)], ending }
            }
            (word, commands) => self.run_on_host(pipeline, word, commands, is_first).await,
        };
        self.delivery.end().await;
        ran
    }

    async fn run_on_host(
        &self,
        pipeline: &Pipeline,
        word: Option<(&Command, &'static Word)>,
        commands: &[Command],
        is_first: bool,
    ) -> Ran {
        let Ok(ready) = self.make_ready(pipeline, word.is_some()).await else {
            let refusal = Refusal::new(Reason::Internal, "there were no pipes for it, so it was not run")
                .nearest("try again; if it stays so, tell the operator");
            return self.refused(pipeline, refusal);
        };
        let id = if is_first { self.request.id.clone() } else { RequestId::new() };
        let message = ToBroker::Run {
            request: id.clone(),
            asker: self.asking.asker.clone(),
            policy: self.asking.known.policy.hash.0.clone(),
            run: self.request.id.0.clone(),
            stages: commands.iter().map(|command| command.stage.clone()).collect(),
            stdin: ready.ends.len() > 2,
            seconds: (!is_first).then(|| self.left().as_secs().max(1)),
        };
        let link = &self.asking.gateway.link;
        // A line that has begun, or of which nobody knows whether it has, is not one that was refused.
        let may_have_begun = !is_first || link.is_connected();
        match link.run(id.clone(), message, ready.ends).await {
            Err(LinkError::Gone) if may_have_begun => self.ended(pipeline, Ending::broker_gone()),
            // The broker has recorded its own refusal.
            Err(error) => self.refused(pipeline, refuse::by_broker(error)),
            Ok(running) => {
                let head = word.map(|(command, word)| (command, word, ready.feed));
                let ran = self.follow(&id, running, ready.pipes, head, commands).await;
                if commands.iter().any(|command| command.meaning.is_only_help()) {
                    // A session that is gone is found by what comes next.
                    let _ = self.delivery.message(OWN_HELP).await;
                }
                ran
            }
        }
    }

    async fn make_ready(&self, pipeline: &Pipeline, has_word: bool) -> std::io::Result<Ready> {
        let (pipes, mut ends) = Pipes::new()?;
        let mut feed = None;
        if has_word {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            ends.push(read);
            feed = Some(Sender::from_owned_fd(write)?);
        } else if let (true, Some(stdin)) = (pipeline.reads_stdin(), self.stdin) {
            ends.push(stdin.reader(self.delivery).await?);
        }
        Ok(Ready { pipes, ends, feed })
    }

    /// Delivers what the commands write until they have ended, and wants them ended when the line is to end.
    async fn follow(
        &self,
        id: &RequestId,
        running: Running,
        pipes: Pipes,
        head: Option<(&Command, &'static Word, Option<Sender>)>,
        commands: &[Command],
    ) -> Ran {
        let (tell_end, ended) = watch::channel(false);
        let to_end = async {
            let ends = running.ended.await.ok();
            let _ = tell_end.send(true);
            ends
        };
        let speak = async {
            match head {
                Some((command, word, feed)) => Some((command, self.answer(command, word, feed).await)),
                None => None,
            }
        };
        let timing = self.asking.gateway.timing;
        let carried =
            async { tokio::join!(pump(pipes, self.delivery, ended, timing, self.stop), to_end, speak) };
        let (bytes, ends, spoken) = tokio::select! {
            all = carried => all,
            never = self.cancel_when_stopped(id) => match never {},
        };
        let truncated = self.delivery.is_cut().await;
        let told = ToBroker::Output { request: id.clone(), bytes, truncated };
        let _ = self.asking.gateway.link.tell(&told);
        let ends: Vec<Ending> = match ends {
            Some((ends, _)) => ends.iter().map(|end| Ending::of(end, self.seconds())).collect(),
            None => vec![Ending::broker_gone(); commands.len()],
        };
        let mut ending = Ending::of_pipeline(&ends);
        if truncated && !ending.is_last {
            // It ended by itself before it could be ended.
            ending = Ending::stopped(OUTPUT_LIMIT);
        }
        let rules = running.stages.into_iter().map(|stage| Some(stage.rule)).chain(std::iter::repeat(None));
        let mut stages: Vec<_> =
            spoken.iter().map(|(command, ending)| self.end_of(command, None, ending)).collect();
        let on_host = commands.iter().zip(ends.iter().chain(std::iter::repeat(&ending))).zip(rules);
        stages.extend(on_host.map(|((command, ending), rule)| self.end_of(command, rule, ending)));
        Ran { ending, stages }
    }

    /// Watches for the wish for as long as it is polled, and passes it on once.
    async fn cancel_when_stopped(&self, id: &RequestId) -> std::convert::Infallible {
        let why = self.stop.wanted().await;
        // A broker that is gone took its commands with it.
        let _ = self.asking.gateway.link.tell(&ToBroker::Cancel { request: id.clone(), why: why.into() });
        std::future::pending().await
    }

    /// Answers a built-in word, on the line or into the pipe to the next command.
    async fn answer(&self, command: &Command, word: &'static Word, pipe: Option<Sender>) -> Ending {
        let patience = self.asking.gateway.timing.stalled;
        let has_pipe = pipe.is_some();
        let voice =
            Voice::redirected(self.delivery, &command.stage, pipe, (!self.is_run).then_some(patience));
        let own;
        let request = match self.plan.single() {
            Some(_) => self.request,
            None => {
                own = Request::word(&self.asking.known, command, self.is_run.then_some(&self.request.id));
                &own
            }
        };
        let mut speaker = Speaker { asking: self.asking, outlet: voice };
        let answer = speaker.answer(word, request.clone(), &command.stage.argv);
        let time = if self.is_run { self.left() } else { std::time::Duration::MAX };
        tokio::select! {
            answer = answer => match answer {
                Ok(answer) => Ending::exited(answer.exit()),
                Err(Gone) => self.not_taken(has_pipe).await,
            },
            why = self.stop.wanted() => self.broken_off(request, Ending::stopped(why)),
            () = tokio::time::sleep(time) => self.broken_off(request, Ending::deadline(self.seconds())),
        }
    }

    /// A word whose answer was not taken to its end: the run's limit cut it, the next command did not read on,
    /// or the session is gone.
    async fn not_taken(&self, has_pipe: bool) -> Ending {
        let why = match self.delivery.is_cut().await {
            true => OUTPUT_LIMIT,
            false if has_pipe => return Ending::unread(),
            false => DISCONNECT,
        };
        self.stop.now(why);
        Ending::stopped(why)
    }

    /// A word that did not come to its own end has not told its outcome.
    fn broken_off(&self, request: &Request, ending: Ending) -> Ending {
        self.asking.record_outcome(request, ending.exit);
        ending
    }

    fn refused(&self, pipeline: &Pipeline, refusal: Refusal) -> Ran {
        self.ended(pipeline, Ending::refused(refusal))
    }

    /// All of it ended alike.
    fn ended(&self, pipeline: &Pipeline, ending: Ending) -> Ran {
        let stages = pipeline.commands.iter().map(|command| self.end_of(command, None, &ending)).collect();
        Ran { ending, stages }
    }

    /// How one command ended; `rule` by the broker's word.
    fn end_of(&self, command: &Command, rule: Option<String>, ending: &Ending) -> StageEnd {
        ending.of_stage(self.shown(command), rule.unwrap_or_else(|| command.meaning.rule().to_owned()))
    }
}
