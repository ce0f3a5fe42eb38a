//! One connection of a session: who it is, what it says, and its answer.

use crate::answer::Answer;
use crate::asking::{Asking, LINE};
use crate::conversation::{Gone, Inlet, Outlet, Unread};
use crate::delivery::Delivery;
use crate::gateway::Gateway;
use crate::known::Known;
use crate::record::Request;
use crate::refuse;
use crate::words::{Speaker, Voice};
use doorward_policy::{Reason, Refusal};
use doorward_wire::PROTOCOL;
use doorward_wire::broker::{Asker, RequestId};
use doorward_wire::session::{FromSession, Hello, ToSession};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::UnixStream;

/// How long a session that was answered may take to hang up.
const FAREWELL: Duration = Duration::from_secs(1);
/// Longest claim of a session about itself that is recorded, in characters.
const LONGEST_CLAIM: usize = 200;

/// A connection whose asker is known.
pub(crate) struct Session {
    pub(crate) asking: Asking,
    pub(crate) inlet: Inlet,
    pub(crate) delivery: Rc<Delivery>,
}

/// Serves one connection to its end.
pub(crate) async fn serve(gateway: Rc<Gateway>, known: Rc<Known>, stream: UnixStream, uid: u32) {
    let (read, write) = stream.into_split();
    let outlet = Outlet::new(write, gateway.timing.stalled);
    let worker = known.worker_of(uid).map(|worker| worker.name.clone()).unwrap_or_default();
    let session = RequestId::new().0;
    let asker = Asker { worker, uid, session, way: LINE.into(), key: None, source: None };
    let delivery = Rc::new(Delivery::new(Some(outlet)));
    let asking = Asking { gateway, known, asker };
    let mut session = Session { asking, inlet: Inlet::new(read), delivery };
    let Ok(answer) = session.converse().await else { return };
    let last = match answer {
        Answer::Exit(code) => ToSession::Exit(code),
        Answer::Dial(path) => ToSession::Dial(path),
    };
    if session.delivery.tell(&last).await.is_ok() {
        session.delivery.close().await;
        session.inlet.drain(FAREWELL).await;
    }
}

impl Session {
    async fn converse(&mut self) -> Result<Answer, Gone> {
        let operator = self.asking.known.is_operator(self.asking.asker.uid);
        if self.asking.asker.worker.is_empty() && !operator {
            return self.refuse_stranger().await;
        }
        let patience = self.asking.gateway.timing.first_frames;
        let heard = tokio::time::timeout(patience, self.listen()).await;
        let message = match heard {
            Err(_) => {
                let message = format!("nothing was asked within {} s", patience.as_secs());
                return self.refuse_unread(Refusal::new(Reason::BadRequest, message)).await;
            }
            Ok(Err(Unread::Gone)) => return Err(Gone),
            Ok(Err(Unread::Malformed(error))) => {
                let message = format!("this is not the gateway's protocol: {error}");
                return self.refuse_unread(Refusal::new(Reason::BadRequest, message)).await;
            }
            Ok(Err(Unread::TooLarge)) => {
                let refusal = Refusal::new(Reason::TooLarge, "the line is far too long")
                    .nearest("a line of at most 16 KiB");
                return self.refuse_unread(refusal).await;
            }
            Ok(Ok(message)) => message,
        };
        match message {
            FromSession::Line(_) if self.asking.asker.worker.is_empty() => self.refuse_stranger().await,
            FromSession::Line(line) => self.line(&line).await,
            FromSession::Operator(ask) if operator => self.operator(ask).await,
            FromSession::Operator(_) => {
                let refusal =
                    Refusal::new(Reason::NotInPolicy, "only the operator may ask this").nearest("help");
                self.refuse_unread(refusal).await
            }
            FromSession::Hello(_) => {
                let refusal = Refusal::new(Reason::BadRequest, "a session says hello once");
                self.refuse_unread(refusal).await
            }
            FromSession::Stdin(_) => {
                let refusal = Refusal::new(Reason::BadRequest, "a session's stdin was not asked for");
                self.refuse_unread(refusal).await
            }
        }
    }

    /// The greeting between programs, and what is asked.
    async fn listen(&mut self) -> Result<FromSession, Unread> {
        match self.inlet.next().await? {
            FromSession::Hello(Hello { protocol, key, source }) if protocol == PROTOCOL => {
                self.asking.asker.key = key.map(claim);
                self.asking.asker.source = source.map(claim);
                self.inlet.next().await
            }
            _ => Err(Unread::Malformed(doorward_wire::session::SessionError::Malformed)),
        }
    }

    async fn refuse_stranger(&mut self) -> Result<Answer, Gone> {
        let refusal = Refusal::new(Reason::UnknownWorker, "this account is no worker's")
            .nearest("the accounts that the operator's policy names");
        if self.asking.gateway.counts.stranger(std::time::Instant::now()) {
            return self.refuse_unread(refusal).await;
        }
        // Anybody on the host can come here; the log is not theirs to fill.
        self.tell_refusal(&refusal).await
    }

    /// Refuses something that is no line.
    async fn refuse_unread(&mut self, refusal: Refusal) -> Result<Answer, Gone> {
        let request = Request::new(&self.asking.known, b"");
        self.refuse(request, refusal).await
    }

    /// Records a refusal and tells it.
    pub(crate) async fn refuse(&mut self, request: Request, refusal: Refusal) -> Result<Answer, Gone> {
        self.refuse_line(&request, refusal, true).await
    }

    /// The same for a line that is a run or is none.
    pub(crate) async fn refuse_line(
        &mut self,
        request: &Request,
        refusal: Refusal,
        is_run: bool,
    ) -> Result<Answer, Gone> {
        let told = self.asking.refused(request, refusal, is_run).await;
        self.tell_refusal(&told).await
    }

    /// Tells a refusal that is recorded, or cannot be.
    pub(crate) async fn tell_refusal(&mut self, refusal: &Refusal) -> Result<Answer, Gone> {
        self.delivery.message(&refuse::lines(refusal)).await?;
        Ok(Answer::Exit(refuse::exit_code(refusal.reason)))
    }

    /// Answers built-in words on the session's own stdout and stderr.
    pub(crate) fn speaker(&self) -> Speaker<'_> {
        let patience = self.asking.gateway.timing.stalled;
        Speaker { asking: &self.asking, outlet: Voice::aloud(&self.delivery, patience) }
    }
}

/// What a session says about itself, fit for a record.
fn claim(text: String) -> String {
    text.chars().filter(|c| !c.is_control()).take(LONGEST_CLAIM).collect()
}
