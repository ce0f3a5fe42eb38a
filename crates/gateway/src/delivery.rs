//! Where a line's output goes: cleaned, up to the line's limit, to the session when there is one, and to the
//! saved run when there is one.

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
        let inner = Inner { outlet, gone: false, kept: None, cleaners: None, told: Delivered::default() };
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
            if !inner.told.cut && !bytes.is_empty() {
                self.hand_on(&mut inner, stream, bytes).await;
            }
        }
    }

    /// Delivers a piece, however long the session takes. Dropped half-way, it must be followed by
    /// [`Delivery::give_up`].
    pub(crate) async fn put(&self, stream: Stream, mut bytes: Vec<u8>) -> Result<(), Halt> {
        let mut inner = self.inner.lock().await;
        let inner = &mut *inner;
        let limit = inner.kept.as_ref().map_or(u64::MAX, |kept| kept.limit);
        let room = limit.saturating_sub(inner.told.bytes);
        inner.told.bytes = inner.told.bytes.saturating_add(length(&bytes));
        if inner.told.cut {
            return Err(Halt::Full);
        }
        if length(&bytes) > room {
            inner.told.cut = true;
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        }
        let clean = cleaned(&mut inner.cleaners, stream, bytes);
        self.hand_on(inner, stream, clean).await;
        if inner.told.cut {
            let mark = format!("doorward: output cut at {}\n", clock::size(limit)).into_bytes();
            inner.send(&ToSession::Stderr(mark)).await;
            return Err(Halt::Full);
        }
        if inner.gone { Err(Halt::Gone) } else { Ok(()) }
    }

    async fn hand_on(&self, inner: &mut Inner, stream: Stream, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if let Some(kept) = &mut inner.kept {
            kept.recorder.write(stream, bytes.clone()).await;
            self.save_at.set(self.save_at.get().or_else(|| Some(Instant::now() + kept.gateway.timing.save)));
        }
        let frame = match stream {
            Stream::Out => ToSession::Stdout(bytes),
            Stream::Err => ToSession::Stderr(bytes),
        };
        inner.send(&frame).await;
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
    async fn send(&mut self, frame: &ToSession) {
        if let Some(outlet) = &mut self.outlet
            && outlet.send_patiently(frame).await.is_err()
        {
            self.outlet = None;
            self.gone = true;
        }
    }
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
