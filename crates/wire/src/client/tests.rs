use super::*;
use crate::broker::{Asker, Stage};
use crate::frame::{Receiver, send};
use std::os::unix::net::UnixListener;

/// A broker stand-in for one connection: welcomes, starts every run and ends it, then hangs up when told
/// to cancel.
fn fake_broker(listener: &UnixListener) {
    let (socket, _) = listener.accept().unwrap();
    let mut receiver = Receiver::new(&socket, crate::broker::MAX_REQUEST);
    while let Ok(Some((message, fds))) = receiver.receive::<ToBroker>() {
        match message {
            ToBroker::Hello { .. } => {
                send(&socket, &welcome(), &[listener.as_fd()]).unwrap();
            }
            ToBroker::Run { request, .. } => {
                assert_eq!(fds.len(), 2);
                let stages = vec![StartedStage { seq: 5, rule: "r#1".into() }];
                let started = FromBroker::Started { request: request.clone(), stages };
                send(&socket, &started, &[]).unwrap();
                let ended = FromBroker::Ended { request, ends: vec![End::Exited { code: 3 }], millis: 1 };
                send(&socket, &ended, &[]).unwrap();
            }
            ToBroker::Cancel { .. } => return,
            _ => {}
        }
    }
}

fn run_message(request: &RequestId) -> ToBroker {
    let (policy, run) = ("h".into(), "run".into());
    ToBroker::Run {
        request: request.clone(),
        asker: asker(),
        policy,
        run,
        stages: vec![Stage::plain(vec!["true".into()])],
        stdin: false,
        seconds: None,
    }
}

#[tokio::test]
async fn a_run_is_started_and_ended_and_the_link_comes_back_after_a_loss() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let broker = std::thread::spawn(move || {
        fake_broker(&listener);
        fake_broker(&listener);
    });
    let (link, mut events) = BrokerLink::start(path, Service::Gateway);
    assert!(matches!(events.recv().await, Some(LinkEvent::Welcome(_, fds)) if fds.len() == 1));

    let request = RequestId::new();
    let (_, out) = io::pipe().unwrap();
    let (_, err) = io::pipe().unwrap();
    let running =
        link.run(request.clone(), run_message(&request), vec![out.into(), err.into()]).await.unwrap();
    assert_eq!(running.stages, [StartedStage { seq: 5, rule: "r#1".into() }]);
    assert_eq!(running.ended.await.unwrap(), (vec![End::Exited { code: 3 }], 1));

    link.tell(&ToBroker::Cancel { request, why: "test".into() }).unwrap();
    assert!(matches!(events.recv().await, Some(LinkEvent::Lost { .. })));
    assert!(matches!(events.recv().await, Some(LinkEvent::Welcome(..))));
    link.tell(&ToBroker::Cancel { request: RequestId::new(), why: "test".into() }).unwrap();
    assert!(matches!(events.recv().await, Some(LinkEvent::Lost { .. })));
    broker.join().unwrap();
}

#[tokio::test]
async fn what_waits_for_an_answer_is_told_when_the_broker_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let broker = std::thread::spawn(move || fake_broker(&listener));
    let (link, mut events) = BrokerLink::start(path, Service::Proxy);
    assert!(matches!(events.recv().await, Some(LinkEvent::Welcome(..))));
    let waiting = link.clone();
    let binds = tokio::spawn(async move { waiting.check_binds(vec!["/srv".into()]).await });
    tokio::task::yield_now().await;
    link.tell(&ToBroker::Cancel { request: RequestId::new(), why: "test".into() }).unwrap();
    assert_eq!(binds.await.unwrap(), Err(LinkError::Gone));
    broker.join().unwrap();
}

fn asker() -> Asker {
    Asker { worker: "w".into(), uid: 1, session: "s".into(), way: "line".into(), key: None, source: None }
}

/// A broker stand-in for one connection: welcomes, and answers intents with a refusal for as long as
/// `refuses`; the intents that came.
fn recording_broker(listener: &UnixListener, refuses: usize) -> Vec<RequestId> {
    let (socket, _) = listener.accept().unwrap();
    let mut receiver = Receiver::new(&socket, crate::broker::MAX_REQUEST);
    let mut intents = Vec::new();
    while let Ok(Some((message, _))) = receiver.receive::<ToBroker>() {
        let answer = match message {
            ToBroker::Hello { .. } => welcome(),
            ToBroker::Intent { request, .. } => {
                intents.push(request.clone());
                match intents.len() <= refuses {
                    true => FromBroker::Refused {
                        request,
                        reason: "audit_unavailable".into(),
                        message: "full".into(),
                    },
                    false => FromBroker::Recorded { request, seq: 1 },
                }
            }
            _ => continue,
        };
        // A peer that is gone needs no answer; what it said is read all the same.
        drop(send(&socket, &answer, &[]));
    }
    intents
}

fn welcome() -> FromBroker {
    FromBroker::Welcome {
        protocol: crate::PROTOCOL,
        policy: Vec::new(),
        hash: "h".into(),
        workers: Vec::new(),
        host: HostReport::default(),
        operators: Vec::new(),
    }
}

fn looks(request: &RequestId) -> ToBroker {
    ToBroker::Intent {
        request: request.clone(),
        asker: asker(),
        policy: "h".into(),
        decision: crate::broker::Decision { allow: true, rule: None, reason: None, message: None },
        operation: serde_json::json!({}),
        argv: None,
        line_base64: None,
        http: None,
        objects: Vec::new(),
        durable: false,
    }
}

#[tokio::test]
async fn what_is_kept_when_the_service_ends_is_sent_by_a_flush_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let broker = std::thread::spawn(move || recording_broker(&listener, 0));
    let (link, mut events) = BrokerLink::start(path, Service::Proxy);
    assert!(matches!(events.recv().await, Some(LinkEvent::Welcome(..))));
    let requests: Vec<RequestId> = (0..300).map(|_| RequestId::new()).collect();
    for request in &requests {
        link.intend_soon(request.clone(), looks(request)).await.unwrap();
    }
    link.flush().await;
    // As when the process ends: nothing is sent any more, and what was is read to its end.
    let kept = tokio::task::spawn_blocking(move || broker.join().unwrap());
    drop(events);
    link.lock().queue = None;
    assert_eq!(kept.await.unwrap(), requests);
}

#[tokio::test]
async fn after_a_record_that_could_not_be_written_the_next_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || recording_broker(&listener, 2));
    let (link, mut events) = BrokerLink::start(path, Service::Proxy);
    assert!(matches!(events.recv().await, Some(LinkEvent::Welcome(..))));
    let ask = async || {
        let request = RequestId::new();
        link.intend_soon(request.clone(), looks(&request)).await
    };
    assert_eq!(ask().await, Ok(()), "not waited for");
    while link.lock().soon.trusts() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(matches!(ask().await, Err(LinkError::Refused { .. })), "waited for");
    assert_eq!(ask().await, Ok(()), "waited for, and it stands");
    assert!(link.lock().soon.trusts());
}

#[tokio::test]
async fn what_is_too_long_for_the_broker_is_refused_and_the_connection_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || recording_broker(&listener, 0));
    let (link, mut events) = BrokerLink::start(path, Service::Proxy);
    assert!(matches!(events.recv().await, Some(LinkEvent::Welcome(..))));
    let long = |request: &RequestId| match looks(request) {
        ToBroker::Intent { asker, policy, decision, .. } => ToBroker::Intent {
            request: request.clone(),
            asker,
            policy,
            decision,
            operation: serde_json::json!("x".repeat(crate::broker::MAX_REQUEST)),
            argv: None,
            line_base64: None,
            http: None,
            objects: Vec::new(),
            durable: false,
        },
        other => other,
    };
    let request = RequestId::new();
    for said in [
        link.intend_soon(request.clone(), long(&request)).await,
        link.intent(request.clone(), long(&request)).await.map(drop),
        link.tell(&long(&request)),
        link.tell_soon(&long(&request)),
    ] {
        assert!(matches!(&said, Err(LinkError::Refused { reason, .. }) if reason == "too_large"), "{said:?}");
    }
    let request = RequestId::new();
    assert_eq!(link.intent(request.clone(), looks(&request)).await, Ok(1), "nothing of them was sent");
    assert!(events.try_recv().is_err(), "the connection is the same");
}
