//! Own containers end with their role's `lifetime`: looked at from time to time, recorded, stopped.

use crate::deliberate::{look_up, now};
use crate::engine_link::{EngineError, Upstream, read_whole};
use crate::outcome::Outcome;
use crate::record::unrecorded;
use crate::rules::Rules;
use crate::visit::Proxy;
use doorward_engine::{Approved, Lookup, has_lifetime, overdue};
use doorward_policy::Refusal;
use doorward_wire::broker::{Asker, Decision, HttpRecord, RequestId, ToBroker};
use hyper::Request;
use std::sync::Arc;

/// Looks for containers whose time is over, again and again. `uid` is this process's, for the records.
pub(crate) async fn keep(proxy: Arc<Proxy>, uid: u32) {
    loop {
        tokio::time::sleep(proxy.timings.lifetimes).await;
        let Ok(rules) = proxy.rules() else { continue };
        let workers = rules.policy.workers.keys().filter(|worker| has_lifetime(&rules.policy, worker));
        for worker in workers {
            // An engine that is away, or a record that cannot be written, is tried again the next time.
            let _ = look(&proxy, &rules, worker, uid).await;
        }
    }
}

async fn look(proxy: &Proxy, rules: &Rules, worker: &str, uid: u32) -> Result<(), Refusal> {
    let socket = &rules.policy.engine_socket;
    let version = proxy.engine.ceiling(socket, proxy.timings.engine_reads).await?;
    let mut upstream = Upstream::connect(socket).await?;
    let target = Lookup::OwnContainers.target(version, worker);
    let own = look_up(&mut upstream, &target, proxy.timings.engine_reads).await?;
    for stop in overdue(&own.unwrap_or_default(), now(), version, &rules.policy, worker) {
        let request = record(proxy, rules, worker, uid, &stop).await?;
        let mut outcome = Outcome::of(&proxy.broker, &request);
        let done = end(proxy, rules, &stop).await;
        match done {
            Ok(status) => {
                outcome.status(status);
                outcome.end();
            }
            Err(error) => outcome.fail(Refusal::from(error).message, false),
        }
    }
    Ok(())
}

/// Returns when the record is durable.
async fn record(
    proxy: &Proxy,
    rules: &Rules,
    worker: &str,
    uid: u32,
    stop: &Approved,
) -> Result<RequestId, Refusal> {
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
        operation: stop.operation.clone(),
        argv: None,
        line_base64: None,
        http: Some(http),
        objects: stop.objects.clone(),
        durable: true,
    };
    proxy.broker.intent(request.clone(), intent).await.map_err(unrecorded)?;
    Ok(request)
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
    let answer = upstream.send(head, approved.body.clone(), patience).await?;
    let status = answer.status().as_u16();
    read_whole(answer.into_body(), patience).await?;
    Ok(status)
}
