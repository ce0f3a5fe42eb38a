//! What is recorded of a line: before it is answered, in the audit log; and as a row among the runs.

use crate::asking::Asking;
use crate::clock;
use crate::known::Known;
use crate::plan::{Command, Plan};
use crate::refuse;
use crate::store::NewRun;
use base64::Engine;
use doorward_policy::Refusal;
use doorward_wire::broker::{Decision, RequestId, ToBroker};
use serde_json::{Value, json};
use std::time::Instant;

/// Most bytes of a line that are kept: as long as the longest line that can be read.
const LONGEST_LINE: usize = doorward_line::MAX_LINE;

/// One line, on its way to an answer.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Names it in the audit log and among the runs.
    pub(crate) id: RequestId,
    /// The words, once they could be read.
    pub(crate) argv: Option<Vec<String>>,
    /// What it means, as data.
    pub(crate) operation: Value,
    /// As typed: bounded, redacted.
    line: Vec<u8>,
    clean: bool,
    job: bool,
    started: i64,
    since: Instant,
}

impl Request {
    pub(crate) fn new(known: &Known, line: &[u8]) -> Self {
        let bounded = line.get(..LONGEST_LINE).unwrap_or(line);
        let text = String::from_utf8_lossy(bounded);
        let redacted = known.policy.runs.redact(&text);
        Request {
            id: RequestId::new(),
            argv: None,
            operation: json!({ "op": "line" }),
            clean: redacted == text,
            line: if redacted == text { bounded.to_vec() } else { redacted.into_owned().into_bytes() },
            job: false,
            started: clock::now(),
            since: Instant::now(),
        }
    }

    /// A built-in word among other commands; `run` names the run that they are part of.
    pub(crate) fn word(known: &Known, command: &Command, run: Option<&RequestId>) -> Self {
        let mut request = Request::new(known, command.shown.as_bytes());
        request.argv = Some(command.stage.argv.clone());
        request.operation = command.meaning.operation();
        if let (Some(run), Some(operation)) = (run, request.operation.as_object_mut()) {
            operation.insert("run".into(), json!(run.0));
        }
        request
    }

    /// A line that goes on without the session that submitted it.
    pub(crate) fn job(known: &Known, line: &str, plan: &Plan) -> Self {
        let mut request = Request::new(known, line.as_bytes());
        request.job = true;
        match plan.single() {
            Some(command) => {
                request.argv = Some(command.stage.argv.clone());
                request.operation = command.meaning.operation();
            }
            None => request.operation = json!({ "op": "list" }),
        }
        request
    }

    /// The row of this run for `worker`. The words are left out when they hold a secret.
    pub(crate) fn row(&self, known: &Known, worker: &str) -> NewRun {
        let runs = &known.policy.runs;
        let argv = self.argv.clone().filter(|argv| {
            let joined = argv.join(" ");
            self.clean && runs.redact(&joined) == joined
        });
        NewRun {
            id: self.id.0.clone(),
            worker: worker.to_owned(),
            line: String::from_utf8_lossy(&self.line).into_owned(),
            argv,
            started: self.started,
            job: self.job,
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Asking {
    /// Records an answer that changes nothing on the host; the refusal to tell when that is impossible.
    pub(crate) async fn record_allowed(&self, request: &Request, rule: &str) -> Result<(), Refusal> {
        let decision = Decision { allow: true, rule: Some(rule.to_owned()), reason: None, message: None };
        self.record(request, decision).await
    }

    /// Ends the record of [`Asking::record_allowed`].
    pub(crate) fn record_outcome(&self, request: &Request, exit: u8) {
        self.record_outcome_of(request, exit, 0);
    }

    /// The same for what moved `bytes`.
    pub(crate) fn record_outcome_of(&self, request: &Request, exit: u8, bytes: u64) {
        // Without a broker there is no record to end.
        let _ = self.gateway.link.tell(&ToBroker::Outcome {
            request: request.id.clone(),
            status: i32::from(exit),
            millis: request.millis(),
            bytes,
            truncated: false,
            error: None,
        });
    }

    /// Records a refusal, in the audit log and then as a row, and gives what is to be told: another refusal
    /// when it cannot be recorded. A command of a run has no row of its own.
    pub(crate) async fn refused(&self, request: &Request, refusal: Refusal, has_row: bool) -> Refusal {
        let decision = Decision {
            allow: false,
            rule: refusal.rule.clone(),
            reason: Some(refusal.reason.code().to_owned()),
            message: Some(self.kept(&refusal.message)),
        };
        let told = match self.record(request, decision).await {
            Ok(()) => {
                self.record_outcome(request, refuse::exit_code(refusal.reason));
                refusal
            }
            Err(unrecorded) => unrecorded,
        };
        if has_row && !self.asker.worker.is_empty() {
            self.keep_refused(request, &told).await;
        }
        told
    }

    /// A message as it may be kept: it may repeat the words of the line, but not their secrets.
    pub(crate) fn kept(&self, message: &str) -> String {
        self.known.policy.runs.redact(&refuse::one_line(message)).into_owned()
    }

    async fn keep_refused(&self, request: &Request, refusal: &Refusal) {
        let row = request.row(&self.known, &self.asker.worker);
        let message = self.kept(&refusal.message);
        let reason = refusal.reason.code().to_owned();
        self.gateway.store.refused(row, refusal.rule.clone(), reason, message).await;
    }

    async fn record(&self, request: &Request, decision: Decision) -> Result<(), Refusal> {
        let line_base64 = match &request.argv {
            Some(_) => None,
            None if request.line.is_empty() => None,
            None => Some(base64::engine::general_purpose::STANDARD.encode(&request.line)),
        };
        let message = ToBroker::Intent {
            request: request.id.clone(),
            asker: self.asker.clone(),
            policy: self.known.policy.hash.0.clone(),
            decision,
            operation: request.operation.clone(),
            argv: request.argv.clone(),
            line_base64,
            http: None,
            objects: Vec::new(),
            durable: false,
        };
        self.gateway.link.intent(request.id.clone(), message).await.map(drop).map_err(refuse::by_broker)
    }
}
