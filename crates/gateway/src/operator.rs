//! What the operator's command may ask: the gateway's state, and everybody's runs.

use crate::answer::Answer;
use crate::clock;
use crate::conversation::Gone;
use crate::record::Request;
use crate::refuse::plain_json;
use crate::session::Session;
use crate::store::{Row, Scope};
use crate::words::{self, Speaker, Voice};
use doorward_wire::PROTOCOL;
use doorward_wire::broker::HostReport;
use doorward_wire::session::Operator;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Runs that a status shows.
const LAST: u32 = 10;

/// `doorward status`, as data.
#[derive(Debug, Serialize)]
struct Status {
    /// `connected` or `gone`.
    broker: &'static str,
    /// The same; `unknown` when the broker is gone.
    proxy: String,
    protocol: u32,
    /// Seconds that the gateway has been up.
    up_seconds: u64,
    policy: String,
    engine_socket: String,
    /// Sequence number of the last audit record; absent when the broker is gone.
    audit_seq: Option<u64>,
    facts: BTreeMap<String, String>,
    weaker: BTreeMap<String, String>,
    workers: Vec<WorkerStatus>,
    /// What is to be known of the room for saved runs.
    runs_room: Option<String>,
    /// `None`: the saved runs cannot be read.
    last_runs: Option<Vec<Row>>,
}

#[derive(Debug, Serialize)]
struct WorkerStatus {
    worker: String,
    user: String,
    /// `None`: the account does not exist.
    login_uid: Option<u32>,
    spawn_uid: u32,
    docker_sock: String,
    roles: Vec<String>,
    running: u32,
}

impl Session {
    /// Answers the operator. What changes nothing is recorded as far as that is possible.
    pub(crate) async fn operator(&mut self, ask: Operator) -> Result<Answer, Gone> {
        self.asking.asker.worker = String::new();
        self.asking.asker.way = "operator".into();
        let mut request = Request::new(&self.asking.known, b"");
        match ask {
            Operator::Status { json } => {
                request.operation = serde_json::json!({ "op": "status" });
                let status = self.status().await;
                let text = match json {
                    true => plain_json(&serde_json::to_string_pretty(&status).unwrap_or_default()) + "\n",
                    false => as_text(&status),
                };
                self.speaker().show(request, &text).await
            }
            Operator::Runs { words } => {
                request.operation = serde_json::json!({ "op": "runs", "words": words });
                let outlet = Voice::aloud(&self.delivery, self.asking.gateway.timing.stalled);
                let mut speaker = Speaker { asking: &self.asking, outlet };
                tokio::select! {
                    answer = speaker.runs(request, Scope::All, &words) => answer,
                    // It has nothing more to say: whatever comes, it is gone.
                    _ = self.inlet.next_fed() => Err(Gone),
                }
            }
        }
    }

    async fn status(&self) -> Status {
        let now = self.asking.gateway.link.host().await.ok();
        let (HostReport { mut facts, weaker }, audit_seq) = match now {
            Some((host, seq)) => (host, Some(seq)),
            None => (self.asking.known.host.clone(), None),
        };
        let proxy = facts.remove("proxy").unwrap_or_else(|| "unknown".into());
        Status {
            proxy,
            broker: if audit_seq.is_some() { "connected" } else { "gone" },
            protocol: PROTOCOL,
            up_seconds: self.asking.gateway.since.elapsed().as_secs(),
            policy: self.asking.known.policy.hash.0.clone(),
            engine_socket: self.asking.known.policy.engine_socket.clone(),
            audit_seq,
            facts,
            weaker,
            workers: self.workers(),
            runs_room: self.asking.gateway.store.notice(self.asking.known.policy.runs.keep_size),
            last_runs: self.asking.gateway.store.list(Scope::All, LAST).await.ok(),
        }
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        let of = |account: &doorward_wire::broker::WorkerAccount| {
            let worker = self.asking.known.policy.workers.get(&account.worker)?;
            Some(WorkerStatus {
                worker: account.worker.clone(),
                user: worker.user.clone(),
                login_uid: account.login_uid,
                spawn_uid: account.spawn_uid,
                docker_sock: account.docker_sock.clone(),
                roles: worker.roles.clone(),
                running: self.asking.gateway.counts.running(&account.worker),
            })
        };
        self.asking.known.accounts.iter().filter_map(of).collect()
    }
}

fn as_text(status: &Status) -> String {
    let mut text = format!(
        "gateway   up {} s, protocol {}\nbroker    {}\nproxy     {}\npolicy    {}\nengine    {}\n",
        status.up_seconds, status.protocol, status.broker, status.proxy, status.policy, status.engine_socket
    );
    if let Some(seq) = status.audit_seq {
        let _ = writeln!(text, "audit     last record {seq}");
    }
    if let Some(notice) = &status.runs_room {
        let _ = writeln!(text, "runs      {notice}");
    }
    text.push_str("\nhost\n");
    for (name, value) in &status.facts {
        let _ = writeln!(text, "  {name:<20}  {value}");
    }
    text.push_str("\nweaker than designed\n");
    for (code, meaning) in &status.weaker {
        let _ = writeln!(text, "  {code:<20}  {meaning}");
    }
    if status.weaker.is_empty() {
        text.push_str("  (nothing)\n");
    }
    text.push_str("\nworkers\n");
    for worker in &status.workers {
        let login = worker.login_uid.map_or_else(|| "no such account".into(), |uid| format!("uid {uid}"));
        let _ = writeln!(
            text,
            "  {:<16}  {} ({login}), commands as uid {}, {} running, roles {}",
            worker.worker,
            worker.user,
            worker.spawn_uid,
            worker.running,
            worker.roles.join(", ")
        );
    }
    text.push_str("\nlast runs\n");
    match &status.last_runs {
        Some(rows) => text.push_str(&words::list_runs(rows, true)),
        None => text.push_str("  (the saved runs cannot be read; see the gateway's log)\n"),
    }
    let _ = writeln!(text, "\nas of {} UTC", clock::shown(clock::now()));
    text
}
