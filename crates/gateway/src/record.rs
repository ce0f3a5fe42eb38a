//! What is recorded of a line: before it is answered, in the audit log; and as a row among the runs.

use crate::asking::Asking;
use crate::clock;
use crate::known::Known;
use crate::plan::{Command, Plan};
use crate::refuse;
use crate::store::NewRun;
use base64::Engine;
use doorward_line::List;
use doorward_policy::Refusal;
use doorward_wire::broker::{Decision, RequestId, ToBroker};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Instant;

/// Most bytes of a line that are kept: as long as the longest line that can be read.
const LONGEST_LINE: usize = doorward_line::MAX_LINE;
/// The same of a line that was not read, for whatever reason: who fills the log pays with more lines.
const LONGEST_UNREAD: usize = 1024;
/// Stands for a secret, as a [`List`] shows it and as a line does.
const REDACTED: (&str, &str) = ("'[redacted]'", "[redacted]");

/// Stands for the rest of a message.
const WITHHELD: &str = "… (not kept: the line has a secret)";

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
    /// What is recorded beside the begin of a line that is not kept whole.
    whole: Option<Whole>,
    job: bool,
    started: i64,
    since: Instant,
}

/// Facts of a line of which only the begin is kept.
#[derive(Debug, Clone)]
struct Whole {
    bytes: usize,
    /// None of a line with a secret: a digest would help to guess it.
    sha256: Option<String>,
}

impl Request {
    /// Of bytes that are not read yet.
    pub(crate) fn new(known: &Known, line: &[u8]) -> Self {
        let mut request = Request {
            id: RequestId::new(),
            argv: None,
            operation: json!({ "op": "line" }),
            line: Vec::new(),
            clean: true,
            whole: None,
            job: false,
            started: clock::now(),
            since: Instant::now(),
        };
        request.keep(known, line);
        if line.len() > LONGEST_UNREAD {
            let sha256 = request.clean.then(|| digest(line));
            request.whole = Some(Whole { bytes: line.len(), sha256 });
            request.line.truncate(LONGEST_UNREAD);
        }
        request
    }

    fn keep(&mut self, known: &Known, line: &[u8]) {
        let line = line.get(..LONGEST_LINE).unwrap_or(line);
        let text = String::from_utf8_lossy(line);
        let redacted = known.policy.runs.redact_line(&text);
        self.clean = redacted == text;
        self.line = if self.clean { line.to_vec() } else { redacted.into_owned().into_bytes() };
    }

    /// These bytes were read as this list.
    pub(crate) fn read(&mut self, known: &Known, line: &[u8], list: &List) {
        let runs = &known.policy.runs;
        if self.whole.take().is_some() {
            self.keep(known, line);
        }
        // A value with blanks in it ends where its word does, which the words alone tell.
        if list.stages().any(|stage| runs.redact_words(stage.command.words()) != stage.command.words()) {
            let shown = list.shown_with(|words| match runs.redact_words(words).as_slice() {
                [together] => together.split(' ').map(str::to_owned).collect(),
                each => each.to_vec(),
            });
            self.line = shown.replace(REDACTED.0, REDACTED.1).into_bytes();
            self.clean = false;
        }
        match list.only() {
            Some(argv) => self.argv = Some(argv.to_vec()),
            None => self.operation = json!({ "op": "list" }),
        }
    }

    /// A built-in word among other commands; `run` names the run that they are part of.
    pub(crate) fn word(known: &Known, command: &Command, run: Option<&RequestId>) -> Self {
        let mut request = Request::new(known, command.shown.as_bytes());
        request.argv = Some(command.stage.argv.clone());
        request.operation = command.meaning.operation();
        if let Some(run) = run {
            insert(&mut request.operation, "run", json!(run.0));
        }
        request
    }

    /// A line that goes on without the session that submitted it.
    pub(crate) fn job(known: &Known, line: &str, list: &List, plan: &Plan) -> Self {
        let mut request = Request::new(known, b"");
        request.keep(known, line.as_bytes());
        request.read(known, line.as_bytes(), list);
        request.job = true;
        if let Some(command) = plan.single() {
            request.operation = command.meaning.operation();
        }
        request
    }

    /// The row of this run for `worker`. The words are left out when they hold a secret.
    pub(crate) fn row(&self, known: &Known, worker: &str) -> NewRun {
        let runs = &known.policy.runs;
        let argv = self.argv.clone().filter(|argv| self.clean && runs.redact_words(argv) == *argv);
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

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

/// Lower-case hex SHA-256.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
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
        let exit = refuse::exit_code(refusal.reason);
        self.refused_with(request, refusal, has_row, exit).await
    }

    /// The same with an exit code of its own.
    pub(crate) async fn refused_with(
        &self,
        request: &Request,
        refusal: Refusal,
        has_row: bool,
        exit: u8,
    ) -> Refusal {
        let decision = Decision {
            allow: false,
            rule: refusal.rule.clone(),
            reason: Some(refusal.reason.code().to_owned()),
            message: Some(self.kept_of(request, &refusal.message)),
        };
        let told = match self.record(request, decision).await {
            Ok(()) => {
                self.record_outcome(request, exit);
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

    /// The same for a message about this request. Of a line with a secret it is kept up to the first words that
    /// it repeats: they may be the secret's own, without what it is known by.
    pub(crate) fn kept_of(&self, request: &Request, message: &str) -> String {
        match message.split_once(['\'', '"', '`']) {
            Some((own, _)) if !request.clean => format!("{}{WITHHELD}", self.kept(own)),
            _ => self.kept(message),
        }
    }

    async fn keep_refused(&self, request: &Request, refusal: &Refusal) {
        let row = request.row(&self.known, &self.asker.worker);
        let message = self.kept_of(request, &refusal.message);
        let reason = refusal.reason.code().to_owned();
        self.gateway.store.refused(row, refusal.rule.clone(), reason, message).await;
    }

    async fn record(&self, request: &Request, decision: Decision) -> Result<(), Refusal> {
        let line_base64 = match &request.argv {
            Some(_) => None,
            None if request.line.is_empty() => None,
            None => Some(base64::engine::general_purpose::STANDARD.encode(&request.line)),
        };
        let mut operation = request.operation.clone();
        if let (Some(whole), Some(_)) = (&request.whole, &line_base64) {
            insert(&mut operation, "line_bytes", json!(whole.bytes));
            if let Some(sha256) = &whole.sha256 {
                insert(&mut operation, "line_sha256", json!(sha256));
            }
        }
        let message = ToBroker::Intent {
            request: request.id.clone(),
            asker: self.asker.clone(),
            policy: self.known.policy.hash.0.clone(),
            decision,
            operation,
            argv: request.argv.clone(),
            line_base64,
            http: None,
            objects: Vec::new(),
            durable: false,
        };
        self.gateway.link.intent(request.id.clone(), message).await.map(drop).map_err(refuse::by_broker)
    }
}
