//! Agents whose backends believe to have a shell and a home folder here. Their own errands are answered so
//! that they go on, and change nothing; a line of the model within them is a line like any other, and their
//! marks are put around its answer.

use crate::answer::Answer;
use crate::conversation::Gone;
use crate::record::Request;
use crate::session::Session;
use crate::stdin::Stdin;
use doorward_line::{Agent, Shell, quote};
use doorward_policy::{BUILT_IN, Reason, Refusal};
use doorward_wire::session::ToSession;
use serde_json::json;
use std::cell::Cell;
use std::time::Duration;

/// How such a line came, for the record.
const WAY: &str = "hermes";
/// Most bytes of one upload: an agent's skills and credentials are far smaller.
const MOST_UPLOADED: u64 = 256 << 20;
/// Longest that one upload may take: Hermes gives up before.
const LONGEST_UPLOAD: Duration = Duration::from_secs(300);
/// An archive of nothing, as `tar` writes one: two blocks of zeros, filled up to a record (POSIX.1-2017, pax).
const EMPTY_ARCHIVE: [u8; 10_240] = [0; 10_240];

impl Session {
    /// The home folder that the worker's agents are told of: a name, no folder.
    pub(crate) fn home(&self) -> String {
        let worker = self.asking.known.policy.workers.get(&self.asking.asker.worker);
        format!("/home/{}", worker.map_or("", |worker| &worker.user))
    }

    /// Answers what an agent's backend sent; `bytes` are the whole of it.
    pub(crate) async fn agent(&mut self, asked: Agent, bytes: &[u8]) -> Result<Answer, Gone> {
        self.asking.asker.way = WAY.into();
        let step = match asked {
            Agent::Wrapped { line, shell } => {
                let answer = self.plain_line(line.as_bytes()).await?;
                return self.close(&shell, answer).await;
            }
            Agent::Background { line, shell } => {
                let answer = self.refuse_background(&line).await?;
                return self.close(&shell, answer).await;
            }
            errand => errand,
        };
        let mut request = Request::new(&self.asking.known, bytes);
        request.operation = json!({ "op": "agent", "agent": "hermes", "step": name(&step) });
        if let Err(refusal) = self.count_line() {
            return self.refuse(request, refusal).await;
        }
        if step == Agent::Upload {
            return self.upload(request).await;
        }
        if let Err(refusal) = self.asking.record_allowed(&request, BUILT_IN).await {
            return self.tell_refusal(&refusal).await;
        }
        let answer = self.errand(&step);
        self.asking.record_outcome(&request, 0);
        self.delivery.tell(&ToSession::Stdout(answer)).await?;
        Ok(Answer::Exit(0))
    }

    /// What an errand that moves nothing is answered on stdout.
    fn errand(&self, asked: &Agent) -> Vec<u8> {
        match asked {
            Agent::Home => format!("{}\n", self.home()).into_bytes(),
            Agent::Download => EMPTY_ARCHIVE.to_vec(),
            Agent::Snapshot(shell) => shell.closing().into_bytes(),
            Agent::Folders | Agent::Removal | Agent::Probe => Vec::new(),
            Agent::Upload | Agent::Wrapped { .. } | Agent::Background { .. } => Vec::new(),
        }
    }

    /// Reads an archive to its end and keeps nothing of it but its length, in the record.
    async fn upload(&mut self, request: Request) -> Result<Answer, Gone> {
        let slot = self.asking.gateway.counts.slot(&self.asking.asker.worker, &self.asking.limits());
        let _slot = match slot {
            Ok(slot) => slot,
            Err(refusal) => return self.refuse(request, refusal).await,
        };
        if let Err(refusal) = self.asking.record_allowed(&request, BUILT_IN).await {
            return self.tell_refusal(&refusal).await;
        }
        self.delivery.tell(&ToSession::Feed).await?;
        let count = Cell::new(0);
        let discard = Stdin::discard(&mut self.inlet, MOST_UPLOADED, &count);
        let is_whole = tokio::time::timeout(LONGEST_UPLOAD, discard).await.unwrap_or(false);
        let exit = if is_whole { 0 } else { crate::refuse::REFUSED };
        self.asking.record_outcome_of(&request, exit, count.get());
        if is_whole {
            return Ok(Answer::Exit(0));
        }
        let refusal =
            Refusal::new(Reason::TooLarge, "the agent's files are more than are taken, or too slow")
                .nearest("no files: nothing of them is kept here");
        self.tell_refusal(&refusal).await
    }

    async fn refuse_background(&mut self, line: &str) -> Result<Answer, Gone> {
        let request = Request::new(&self.asking.known, line.as_bytes());
        let refusal = match self.count_line() {
            Err(refusal) => refusal,
            Ok(()) => {
                Refusal::new(Reason::Construct, "a command in the background would end with its connection")
                    .nearest(format!("submit -- {}", quote(&[line.to_owned()])))
            }
        };
        self.refuse(request, refusal).await
    }

    /// The agent's mark after the answer to its line, which is no part of what is saved.
    async fn close(&mut self, shell: &Shell, answer: Answer) -> Result<Answer, Gone> {
        self.delivery.tell(&ToSession::Stdout(shell.closing().into_bytes())).await?;
        Ok(answer)
    }
}

fn name(asked: &Agent) -> &'static str {
    match asked {
        Agent::Home => "home",
        Agent::Folders => "folders",
        Agent::Removal => "removal",
        Agent::Upload => "upload",
        Agent::Download => "download",
        Agent::Probe => "probe",
        Agent::Snapshot(_) => "snapshot",
        Agent::Wrapped { .. } => "line",
        Agent::Background { .. } => "background",
    }
}
