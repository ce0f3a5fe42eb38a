//! What gateway and proxy may say to the broker, and what it answers.
//!
//! Frames are those of [`crate::frame`]. Requests are pipelined: answers carry the request's id and come in
//! any order.

use serde::{Deserialize, Serialize};

/// Longest JSON of a frame from a peer, in bytes. The broker's own `Welcome` may be up to [`MAX_WELCOME`].
pub const MAX_REQUEST: usize = 256 * 1024;
/// Longest `Welcome`, which carries the policy's texts.
pub const MAX_WELCOME: usize = 16 * 1024 * 1024;

/// Which service a peer is; the broker checks it against the peer's uid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Talks to sessions.
    Gateway,
    /// Talks to the engine.
    Proxy,
}

/// Unique for a request on this host: 26 characters of time and randomness (ULID form).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId(pub String);

/// Who asks, as its service saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asker {
    /// The worker's name in the policy; empty when the peer is no worker.
    pub worker: String,
    /// The connected peer's uid, from the kernel.
    pub uid: u32,
    /// One per connection of a session or client.
    pub session: String,
    /// How it came: `line`, `hermes`, `docker.sock`, `operator`.
    pub way: String,
    /// Fingerprint of the SSH key, as the session claims it.
    pub key: Option<String>,
    /// Source address, as the session claims it.
    pub source: Option<String>,
}

/// An Engine API request as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRecord {
    /// As sent by the worker, cleaned of control characters and bounded to 4 KiB.
    pub method: String,
    /// Path and query as sent, secrets removed, bounded to 4 KiB.
    pub target: String,
    /// SHA-256 in hex of the body as sent, when there was one.
    pub body_sha256: Option<String>,
}

/// The decision that a record tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Allowed or refused.
    pub allow: bool,
    /// The rule that allows, or that came closest.
    pub rule: Option<String>,
    /// Reason code of a refusal.
    pub reason: Option<String>,
    /// One line, for a refusal.
    pub message: Option<String>,
}

/// Most stages of a pipeline.
pub const MAX_STAGES: usize = 16;

/// One command of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The words, already without leading `sudo`; clean UTF-8.
    pub argv: Vec<String>,
    /// Where its stdout goes.
    pub out: StageOut,
    /// Where its stderr goes.
    pub err: StageErr,
}

impl Stage {
    /// A stage without redirections.
    pub fn plain(argv: Vec<String>) -> Self {
        Stage { argv, out: StageOut::Next, err: StageErr::Line }
    }
}

/// Where a stage's stdout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageOut {
    /// To the next stage's stdin; from the last stage to the line's stdout.
    Next,
    /// To `/dev/null`.
    Null,
}

/// Where a stage's stderr goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageErr {
    /// To the line's stderr.
    Line,
    /// To `/dev/null`.
    Null,
    /// To where [`StageOut::Next`] leads, also when the stage's stdout does not go there.
    Next,
}

/// A stage that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartedStage {
    /// Sequence number of its intent.
    pub seq: u64,
    /// The rule that allowed it; `built-in` for a filter.
    pub rule: String,
}

/// From gateway or proxy to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case", deny_unknown_fields)]
#[allow(clippy::large_enum_variant, reason = "a message lives as long as its encoding takes")]
pub enum ToBroker {
    /// First frame of a connection; answered by [`FromBroker::Welcome`] or [`FromBroker::Unwelcome`].
    Hello {
        /// [`crate::PROTOCOL`].
        protocol: u32,
        /// Which service the peer is.
        service: Service,
    },
    /// Gateway: judge this pipeline again, record an intent for each stage, and run it: all of its stages, or
    /// none. Comes with two descriptors, the write ends of the pipes for the line's stdout and stderr, and
    /// with a third one, the read end for the first stage's stdin, when `stdin`. The pipes between the stages
    /// are made by the broker. Answered by `Refused`, or by `Started` and later `Ended`.
    Run {
        /// New.
        request: RequestId,
        /// Who asks.
        asker: Asker,
        /// Hash of the policy that the gateway judged by.
        policy: String,
        /// The run that keeps the output.
        run: String,
        /// From left to right; from one to [`MAX_STAGES`].
        stages: Vec<Stage>,
        /// Whether a third descriptor feeds the first stage's stdin; otherwise that is `/dev/null`.
        stdin: bool,
        /// Most seconds that it may take, when the gateway wants less than the rules and limits give.
        seconds: Option<u64>,
    },
    /// Gateway: end the request's processes (disconnect, output limit). No answer of its own; `Ended` follows.
    Cancel {
        /// A running request of this connection.
        request: RequestId,
        /// Told in the outcome: `disconnect`, `output_limit`, `cancelled`.
        why: String,
    },
    /// Gateway, after `Ended`: what only it knows. Completes the outcome record.
    Output {
        /// An ended request of this connection.
        request: RequestId,
        /// Bytes of stdout and stderr that the pipeline wrote, without what went from stage to stage.
        bytes: u64,
        /// Whether the saved or sent output was cut.
        truncated: bool,
    },
    /// Either service: write this record. Answered by `Recorded` when it is durable (or, without `durable`,
    /// when it is in the log's buffer), or by `Refused` with `audit_unavailable`.
    Intent {
        /// New.
        request: RequestId,
        /// Who asks.
        asker: Asker,
        /// Hash of the policy that was judged by.
        policy: String,
        /// Verdict.
        decision: Decision,
        /// The typed operation, as data. Secrets already removed.
        operation: serde_json::Value,
        /// For a command line: the words.
        argv: Option<Vec<String>>,
        /// For a command line that is not clean UTF-8 or cannot be split into words: its bytes in base64.
        line_base64: Option<String>,
        /// For an Engine API request.
        http: Option<HttpRecord>,
        /// Full ids of the objects it concerns.
        objects: Vec<String>,
        /// Whether the effect must wait until the record is durable.
        durable: bool,
    },
    /// Either service: how a request recorded by `Intent` on this connection ended. No answer.
    Outcome {
        /// A recorded request of this connection.
        request: RequestId,
        /// HTTP status or exit code.
        status: i32,
        /// Milliseconds from intent to end.
        millis: u64,
        /// Bytes sent to the worker.
        bytes: u64,
        /// Whether the answer was cut.
        truncated: bool,
        /// What went wrong, when something did: one line.
        error: Option<String>,
    },
    /// Proxy: may these host paths be bound now? Each is named by the policy. Answered by `Binds`.
    CheckBinds {
        /// New.
        request: RequestId,
        /// Absolute host paths.
        paths: Vec<String>,
    },
    /// Proxy: what only it can see of the host, told to the operator with the broker's own findings. Replaces
    /// what it told before. No answer.
    Report {
        /// Its own, and the engine's.
        report: HostReport,
    },
    /// Gateway, for the operator: what this host can do. Answered by `Host`.
    Host {
        /// New.
        request: RequestId,
    },
}

/// A worker's accounts on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerAccount {
    /// Name in the policy.
    pub worker: String,
    /// uid of the login account; `None` when the account does not exist.
    pub login_uid: Option<u32>,
    /// uid under which its commands run.
    pub spawn_uid: u32,
    /// Path of its docker.sock.
    pub docker_sock: String,
}

/// What this host can and cannot do, found once at start (law 9).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostReport {
    /// Facts by name: `kernel`, `landlock_abi`, `cgroup`, `namespaces`, `seccomp`, `fdatasync` …
    pub facts: std::collections::BTreeMap<String, String>,
    /// Stable codes of what is weaker here than designed, each with one line on what it means; recorded with
    /// every request that it concerns.
    pub weaker: std::collections::BTreeMap<String, String>,
}

/// A policy text; the same shape as `doorward_policy::Source`, which this room does not depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Absolute path.
    pub path: String,
    /// Whole text.
    pub text: String,
}

/// How a spawned command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case", deny_unknown_fields)]
pub enum End {
    /// By itself, with this code.
    Exited {
        /// 0 to 255.
        code: u8,
    },
    /// By a signal.
    Signaled {
        /// Number.
        signal: u8,
    },
    /// By its deadline.
    Deadline,
    /// By `Cancel`.
    Cancelled {
        /// As given.
        why: String,
    },
    /// It never started: a step of the sandbox failed.
    SpawnFailed {
        /// Number and name of the step, as in the design's order: `16 landlock`.
        step: String,
        /// The system's error, in words.
        error: String,
    },
}

/// From the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromBroker {
    /// Answer to `Hello`. Comes with the service's listening sockets as descriptors: for the gateway one
    /// (`gateway.sock`); for the proxy one for each of `workers`, in their order.
    Welcome {
        /// [`crate::PROTOCOL`].
        protocol: u32,
        /// Texts of the policy, main file first.
        policy: Vec<PolicyFile>,
        /// Their hash.
        hash: String,
        /// Accounts of the workers, in the order of the descriptors.
        workers: Vec<WorkerAccount>,
        /// What the host can do.
        host: HostReport,
        /// uids that may speak as the operator on gateway.sock.
        operators: Vec<u32>,
    },
    /// The peer may not speak here; the connection ends.
    Unwelcome {
        /// One line.
        message: String,
    },
    /// The record stands.
    Recorded {
        /// Of the request.
        request: RequestId,
        /// Its sequence number.
        seq: u64,
    },
    /// The broker does not do it.
    Refused {
        /// Of the request.
        request: RequestId,
        /// Reason code.
        reason: String,
        /// One line.
        message: String,
    },
    /// The intents are durable and the processes exist.
    Started {
        /// Of the request.
        request: RequestId,
        /// As many as the pipeline has.
        stages: Vec<StartedStage>,
    },
    /// The processes are gone.
    Ended {
        /// Of the request.
        request: RequestId,
        /// How each stage ended.
        ends: Vec<End>,
        /// Milliseconds of running.
        millis: u64,
    },
    /// Answer to `CheckBinds`.
    Binds {
        /// Of the request.
        request: RequestId,
        /// The first path that may not be bound, with why; `None`: all may.
        unsafe_path: Option<(String, String)>,
    },
    /// Answer to `Host`.
    Host {
        /// Of the request.
        request: RequestId,
        /// What it is.
        host: HostReport,
        /// Sequence number of the last record.
        last_seq: u64,
    },
}
