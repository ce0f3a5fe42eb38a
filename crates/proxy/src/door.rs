//! A worker's listening socket: who comes in, and the connection that follows.

use crate::attend::{attend, refuse};
use crate::hangup::Hangup;
use crate::limits::{Class, Counters};
use crate::quiet::Quiet;
use crate::record::Asked;
use crate::reply::Reply;
use crate::serve::Timings;
use crate::visit::{Proxy, Visit};
use doorward_policy::{Reason, Refusal};
use doorward_wire::broker::RequestId;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{SocketFlags, accept_with};
use std::convert::Infallible;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Semaphore;

/// Most connections of one worker, waiting ones included; more wait in the kernel's queue.
const CONNECTIONS: usize = 512;
/// Longest head of a request, in bytes: twice what the longest list filter of a client comes to.
const HEAD: usize = 64 * 1024;
/// How descriptors of connections are.
const NEITHER_BLOCKS_NOR_IS_INHERITED: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
/// Pause after a failed accept, which mostly means that descriptors ran out.
const BREATH: Duration = Duration::from_millis(50);

/// Accepts for as long as it is not dropped; connections go on when it is.
pub(crate) async fn keep(proxy: Arc<Proxy>, worker: String, listener: AsyncFd<UnixListener>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let accept = |listener: &UnixListener| Ok(accept_with(listener, NEITHER_BLOCKS_NOR_IS_INHERITED)?);
        let Ok(socket) = listener.async_io(Interest::READABLE, accept).await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let Ok(peer) = socket_peercred(&socket) else { continue };
        let Ok(socket) = Quiet::new(socket) else { continue };
        let (session, uid) = (RequestId::new().0, peer.uid.as_raw());
        let visit = Visit { proxy: Arc::clone(&proxy), worker: worker.clone(), uid, session };
        tokio::spawn(async move {
            receive(visit, socket).await;
            drop(place);
        });
    }
}

/// Serves one connection until it ends, its peer is gone, or the policy no longer admits it.
async fn receive(visit: Visit, socket: Quiet) {
    let admitted = match visit.proxy.rules() {
        Ok(rules) => rules.admits(&visit.worker, visit.uid),
        // Without a broker every request is refused; a stranger learns no more than that.
        Err(_) => true,
    };
    let visit = Arc::new(visit);
    let hangup = Hangup::of(socket.socket());
    if admitted {
        tokio::select! {
            () = converse(&visit, socket) => {}
            () = hangup.wait() => {}
            () = visit.evicted() => {}
        }
    } else {
        tokio::select! {
            () = turn_away(visit, socket) => {}
            () = hangup.wait() => {}
        }
    }
}

async fn converse(visit: &Arc<Visit>, socket: Quiet) {
    let service = service_fn(|request: Request<Incoming>| {
        let visit = Arc::clone(visit);
        async move { Ok::<Reply, Infallible>(attend(visit, request).await) }
    });
    let mut connection =
        protocol(&visit.proxy.timings).serve_connection(TokioIo::new(socket), service).with_upgrades();
    if let Err(error) = (&mut connection).await
        && error.is_parse()
    {
        let unread = connection.into_parts().map(|parts| parts.read_buf).unwrap_or_default();
        let counters = &visit.proxy.guest(&visit.worker).counters;
        // The peer was told 400 already; this is for the record.
        let refusal = counted(visit, counters, no_request());
        drop(refuse(visit, &Asked::no_request(&unread), &refusal).await);
    }
}

/// A refusal that counts as a read, so that refusals cannot come faster than what is served.
fn counted(visit: &Visit, counters: &Arc<Counters>, refusal: Refusal) -> Refusal {
    let Ok(rules) = visit.proxy.rules() else { return refusal };
    let Some(worker) = rules.policy.workers.get(&visit.worker) else { return refusal };
    counters.enter(Class::Reads, &worker.limits).err().unwrap_or(refusal)
}

/// What is said of bytes that do not even have a request's head.
pub(crate) fn no_request() -> Refusal {
    Refusal::new(Reason::BadRequest, "the bytes are no HTTP/1 request")
}

/// One answer for a peer that has no business on this socket.
async fn turn_away(visit: Arc<Visit>, socket: Quiet) {
    let visit = &visit;
    let service = service_fn(|request: Request<Incoming>| async move {
        let message = "this socket belongs to a worker that your account is not";
        let refusal = Refusal::new(Reason::UnknownWorker, message);
        // Not among the worker's own, of which a stranger must not take any.
        let refusal = counted(visit, &visit.proxy.guest(&visit.worker).strangers, refusal);
        let asked = Asked::new(request.method(), request.uri());
        let mut reply = refuse(visit, &asked, &refusal).await;
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        Ok::<Reply, Infallible>(reply)
    });
    drop(
        protocol(&visit.proxy.timings)
            .keep_alive(false)
            .serve_connection(TokioIo::new(socket), service)
            .await,
    );
}

/// How requests are taken from a worker's bytes, before one of them is looked at.
pub(crate) fn protocol(timings: &Timings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(timings.head)
        .max_buf_size(HEAD)
        .keep_alive(true)
        // A client that has said all it wants to may close its side and still read the answer, as it may
        // with the engine; one that is gone altogether is noticed by `Hangup`.
        .half_close(true);
    builder
}
