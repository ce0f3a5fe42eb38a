//! Where a line's output goes: cleaned, up to the line's limit, to the session when there is one, and to the
//! saved run when there is one.
//!
//! The limit holds for what the commands write and for what is handed on alike: cleaning makes three bytes of
//! one that is no UTF-8, and nothing of a control sequence.

use crate::clean::Cleaner;
use crate::clock;
use crate::conversation::{Gone, Outlet};
use crate::gateway::Gateway;
use crate::store::{Recorder, Stream};
use doorward_wire::session::ToSession;
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Why a piece was not delivered; a line that hears it should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The session is gone.
    Gone,
    /// The limit is reached.
    Full,
}

/// Takes pieces one at a time and in their order, from all that write for the line at once.
#[derive(Debug)]
pub(crate) struct Delivery {
    inner: Mutex<Inner>,
    save_at: Cell<Option<Instant>>,
}

#[derive(Debug)]
struct Inner {
    /// `None`: there never was a session, or it is gone.
    outlet: Option<Outlet>,
    gone: bool,
    kept: Option<Kept>,
    /// For stdout and stderr while output is to be cleaned.
    cleaners: Option<(Cleaner, Cleaner)>,
    told: Delivered,
    /// Bytes that were handed on.
    handed: u64,
}

/// What a run adds to a delivery.
#[derive(Debug)]
struct Kept {
    recorder: Recorder,
    limit: u64,
    /// Dropped after the recorder: the store waits for its recorders.
    gateway: Rc<Gateway>,
}

/// What went through.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Bytes that the commands wrote.
    pub(crate) bytes: u64,
    /// Whether the limit cut some of them off.
    pub(crate) cut: bool,
    /// Bytes of control sequences that were taken out.
    pub(crate) removed: u64,
}

impl Delivery {
    /// To this session, or to none.
    pub(crate) fn new(outlet: Option<Outlet>) -> Self {
        let told = Delivered::default();
        let inner = Inner { outlet, gone: false, kept: None, cleaners: None, told, handed: 0 };
        Delivery { inner: Mutex::new(inner), save_at: Cell::new(None) }
    }

    /// From here on all is saved, and cut at `limit` bytes.
    pub(crate) async fn keep(&self, recorder: Recorder, limit: u64, gateway: Rc<Gateway>) {
        self.inner.lock().await.kept = Some(Kept { recorder, limit, gateway });
    }

    /// The recorder back, and what went through.
    pub(crate) async fn settle(&self) -> (Option<Recorder>, Delivered) {
        let mut inner = self.inner.lock().await;
        self.save_at.set(None);
        (inner.kept.take().map(|kept| kept.recorder), inner.told)
    }

    /// What comes next is the output of one pipeline, cleaned unless `raw`.
    pub(crate) async fn begin(&self, raw: bool) {
        self.inner.lock().await.cleaners = (!raw).then(Default::default);
    }

    /// That pipeline has ended: what a cleaner still holds goes out.
    pub(crate) async fn end(&self) {
        let mut inner = self.inner.lock().await;
        let Some((mut out, mut err)) = inner.cleaners.take() else { return };
        let (mut last_out, mut last_err) = (Vec::new(), Vec::new());
        out.finish(&mut last_out);
        err.finish(&mut last_err);
        inner.told.removed = inner.told.removed.saturating_add(out.removed()).saturating_add(err.removed());
        for (stream, bytes) in [(Stream::Out, last_out), (Stream::Err, last_err)] {
            if !inner.told.cut {
                // The pipeline has ended: there is nothing that a limit would still stop.
                let _ = self.hand_on(&mut inner, stream, bytes).await;
            }
        }
    }

    /// Delivers a piece, however long the session takes. Dropped half-way, it must be followed by
    /// [`Delivery::give_up`].
    pub(crate) async fn put(&self, stream: Stream, mut bytes: Vec<u8>) -> Result<(), Halt> {
        let mut inner = self.inner.lock().await;
        let inner = &mut *inner;
        if inner.told.cut {
            inner.told.bytes = inner.told.bytes.saturating_add(length(&bytes));
            return Err(Halt::Full);
        }
        let room = inner.limit().saturating_sub(inner.told.bytes);
        inner.told.bytes = inner.told.bytes.saturating_add(length(&bytes));
        let is_over = cut(&mut bytes, room);
        let clean = cleaned(&mut inner.cleaners, stream, bytes);
        self.hand_on(inner, stream, clean).await?;
        if is_over {
            return inner.end_at_limit().await;
        }
        if inner.gone { Err(Halt::Gone) } else { Ok(()) }
    }

    /// As much of a piece as the limit leaves room for; `Err` when that is not all.
    async fn hand_on(&self, inner: &mut Inner, stream: Stream, mut bytes: Vec<u8>) -> Result<(), Halt> {
        let is_over = cut(&mut bytes, inner.limit().saturating_sub(inner.handed));
        inner.handed = inner.handed.saturating_add(length(&bytes));
        if !bytes.is_empty() {
            if let Some(kept) = &mut inner.kept {
                kept.recorder.write(stream, bytes.clone()).await;
                let due = || Some(Instant::now() + kept.gateway.timing.save);
                self.save_at.set(self.save_at.get().or_else(due));
            }
            let frame = match stream {
                Stream::Out => ToSession::Stdout(bytes),
                Stream::Err => ToSession::Stderr(bytes),
            };
            inner.send(&frame).await;
        }
        if is_over { inner.end_at_limit().await } else { Ok(()) }
    }

    /// The session has stalled, or a frame to it was broken off: nothing more is sent to it.
    pub(crate) async fn give_up(&self) {
        let mut inner = self.inner.lock().await;
        inner.gone |= inner.outlet.take().is_some();
    }

    /// Says something to the session alone: neither counted nor saved. Gives a session that does not read up.
    pub(crate) async fn tell(&self, message: &ToSession) -> Result<(), Gone> {
        let mut inner = self.inner.lock().await;
        let Some(outlet) = &mut inner.outlet else {
            return if inner.gone { Err(Gone) } else { Ok(()) };
        };
        let sent = outlet.send(message).await;
        if sent.is_err() {
            inner.outlet = None;
            inner.gone = true;
        }
        sent
    }

    /// A message to the session alone.
    pub(crate) async fn message(&self, text: &str) -> Result<(), Gone> {
        self.tell(&ToSession::Stderr(text.as_bytes().to_vec())).await
    }

    /// Comes back when what was delivered last should be brought to the disk.
    pub(crate) async fn save_due(&self) {
        match self.save_at.get() {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Brings to the disk what was delivered.
    pub(crate) async fn save(&self) {
        self.save_at.set(None);
        if let Some(kept) = &mut self.inner.lock().await.kept {
            kept.recorder.flush().await;
        }
    }

    /// Whether the limit has cut something off.
    pub(crate) async fn is_cut(&self) -> bool {
        self.inner.lock().await.told.cut
    }

    /// No more frames.
    pub(crate) async fn close(&self) {
        if let Some(outlet) = &mut self.inner.lock().await.outlet {
            outlet.close().await;
        }
    }
}

impl Inner {
    fn limit(&self) -> u64 {
        self.kept.as_ref().map_or(u64::MAX, |kept| kept.limit)
    }

    /// Nothing more is handed on: says so.
    async fn end_at_limit(&mut self) -> Result<(), Halt> {
        self.told.cut = true;
        let mark = format!("doorward: output cut at {}\n", clock::size(self.limit())).into_bytes();
        self.send(&ToSession::Stderr(mark)).await;
        Err(Halt::Full)
    }

    async fn send(&mut self, frame: &ToSession) {
        if let Some(outlet) = &mut self.outlet
            && outlet.send_patiently(frame).await.is_err()
        {
            self.outlet = None;
            self.gone = true;
        }
    }
}

/// Shortens a piece to `room` bytes, or to the last whole character before; whether it was longer.
fn cut(bytes: &mut Vec<u8>, room: u64) -> bool {
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    if bytes.len() <= room {
        return false;
    }
    let is_continuation = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let back = (0..4).find(|back| !is_continuation(room.saturating_sub(*back))).unwrap_or(0);
    bytes.truncate(room.saturating_sub(back));
    true
}

/// What is left of a piece once its stream's control sequences are taken out.
fn cleaned(cleaners: &mut Option<(Cleaner, Cleaner)>, stream: Stream, bytes: Vec<u8>) -> Vec<u8> {
    let Some((out, err)) = cleaners else { return bytes };
    let mut clean = Vec::with_capacity(bytes.len());
    match stream {
        Stream::Out => out.push(&bytes, &mut clean),
        Stream::Err => err.push(&bytes, &mut clean),
    }
    clean
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
