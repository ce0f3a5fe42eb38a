//! Own containers end with their role's `lifetime`: looked at from time to time, recorded, stopped.

use crate::deliberate::{look_up, now};
use crate::engine_link::{EngineError, Upstream, read_whole};
use crate::outcome::Outcome;
use crate::record::{unrecorded, with_weaker};
use crate::rules::Rules;
use crate::visit::Proxy;
use doorward_engine::{Approved, Lookup, has_lifetime, overdue};
use doorward_policy::Refusal;
use doorward_wire::broker::{Asker, Decision, HttpRecord, RequestId, ToBroker};
use hyper::Request;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::{Id, JoinError, JoinSet};

/// Most containers that are stopped at one time.
const AT_ONCE: usize = 16;

/// Looks for containers whose time is over, again and again. `uid` is this process's, for the records.
pub(crate) async fn keep(proxy: Arc<Proxy>, uid: u32) {
    let mut stops = Stops::default();
    loop {
        tokio::time::sleep(proxy.timings.lifetimes).await;
        let Ok(rules) = proxy.rules() else { continue };
        let workers = rules.policy.workers.keys().filter(|worker| has_lifetime(&rules.policy, worker));
        for worker in workers {
            // An engine that is away, or a record that cannot be written, is tried again the next time.
            let Ok(overdue) = look(&proxy, &rules, worker).await else { continue };
            for stop in overdue {
                stops.begin(&proxy, &rules, worker, uid, stop).await;
            }
        }
    }
}

/// The stops that are under way, so that a container that is slow to end keeps no other waiting.
#[derive(Default)]
struct Stops {
    tasks: JoinSet<()>,
    containers: HashMap<Id, Vec<String>>,
}

impl Stops {
    /// Begins a stop, unless it is under way already; waits while there are too many.
    async fn begin(
        &mut self,
        proxy: &Arc<Proxy>,
        rules: &Arc<Rules>,
        worker: &str,
        uid: u32,
        stop: Approved,
    ) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended);
        }
        if self.containers.values().any(|objects| *objects == stop.objects) {
            return;
        }
        while self.tasks.len() >= AT_ONCE
            && let Some(ended) = self.tasks.join_next_with_id().await
        {
            self.forget(ended);
        }
        let objects = stop.objects.clone();
        let (proxy, rules, worker) = (Arc::clone(proxy), Arc::clone(rules), worker.to_owned());
        let task = self.tasks.spawn(async move { run(&proxy, &rules, &worker, uid, &stop).await });
        self.containers.insert(task.id(), objects);
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.containers.remove(&id);
    }
}

/// What is to be stopped of a worker's.
async fn look(proxy: &Proxy, rules: &Rules, worker: &str) -> Result<Vec<Approved>, Refusal> {
    let socket = &rules.policy.engine_socket;
    let version = proxy.engine.ceiling(socket, proxy.timings.engine_reads).await?;
    let mut upstream = Upstream::connect(socket).await?;
    let target = Lookup::OwnContainers.target(version, worker);
    let own = look_up(&mut upstream, &target, proxy.timings.engine_reads).await?;
    Ok(overdue(&own.unwrap_or_default(), now(), version, &rules.policy, worker))
}

/// Records a stop and does it.
async fn run(proxy: &Proxy, rules: &Rules, worker: &str, uid: u32, stop: &Approved) {
    let Ok(mut outcome) = record(proxy, rules, worker, uid, stop).await else { return };
    match end(proxy, rules, stop).await {
        Ok(status) => {
            outcome.status(status);
            outcome.end();
        }
        Err(error) => outcome.fail(Refusal::from(error).message, false),
    }
}

/// Returns when the record is durable.
async fn record(
    proxy: &Proxy,
    rules: &Rules,
    worker: &str,
    uid: u32,
    stop: &Approved,
) -> Result<Outcome, Refusal> {
    let request = RequestId::new();
    let http = HttpRecord { method: stop.method.into(), target: stop.target.clone(), body_sha256: None };
    let intent = ToBroker::Intent {
        request: request.clone(),
        asker: Asker {
            worker: worker.to_owned(),
            uid,
            session: request.0.clone(),
            way: "lifetime".into(),
            key: None,
            source: None,
        },
        policy: rules.hash.clone(),
        decision: Decision { allow: true, rule: Some(stop.rule.clone()), reason: None, message: None },
        operation: with_weaker(&stop.operation, &proxy.weaker),
        argv: None,
        line_base64: None,
        http: Some(http),
        objects: stop.objects.clone(),
        durable: true,
    };
    let outcome = Outcome::of(&proxy.broker, &request);
    match proxy.broker.intent(request, intent).await {
        Ok(_) => Ok(outcome),
        Err(error) => {
            outcome.void();
            Err(unrecorded(error))
        }
    }
}

/// The status of the last answer; a container that is gone or stopped meanwhile is as good.
async fn end(proxy: &Proxy, rules: &Rules, stop: &Approved) -> Result<u16, EngineError> {
    for first in &stop.beforehand {
        send(proxy, rules, first).await?;
    }
    send(proxy, rules, stop).await
}

async fn send(proxy: &Proxy, rules: &Rules, approved: &Approved) -> Result<u16, EngineError> {
    let mut upstream = Upstream::connect(&rules.policy.engine_socket).await?;
    let mut head = Request::builder().method(approved.method).uri(&approved.target);
    for (name, value) in &approved.headers {
        head = head.header(*name, value);
    }
    // The engine waits ten seconds before it kills.
    let patience = proxy.timings.engine_reads;
    let answer = upstream.send(head, approved.body.clone().into(), patience).await?;
    let status = answer.status().as_u16();
    read_whole(answer.into_body(), patience).await?;
    Ok(status)
}
