//! Frames between services: a header, JSON, and the file descriptors that belong to them.
//!
//! Header: `u32` big-endian length of the JSON, one byte with the number of descriptors. The descriptors
//! travel as `SCM_RIGHTS` with the frame's first byte.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes before the JSON.
const HEADER: usize = 5;
/// Linux' `SCM_MAX_FD`: most descriptors in one message, and so in one frame.
pub const MAX_FDS: usize = 253;
/// Bytes asked of the kernel in one read; most frames are far below.
const READ: usize = 16 * 1024;

/// Why a connection cannot go on.
#[derive(Debug)]
pub enum FrameError {
    /// The system's error.
    Io(io::Error),
    /// The peer sent a frame over the limit.
    TooLong(usize),
    /// The peer's JSON is not a message of this protocol.
    Malformed(serde_json::Error),
    /// The peer's descriptors do not fit its frames.
    Descriptors,
    /// The peer closed in the middle of a frame.
    Torn,
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameError::Io(error) => write!(f, "connection: {error}"),
            FrameError::TooLong(length) => write!(f, "frame of {length} bytes is over the limit"),
            FrameError::Malformed(error) => write!(f, "frame is not a message of this protocol: {error}"),
            FrameError::Descriptors => f.write_str("file descriptors do not fit the frame"),
            FrameError::Torn => f.write_str("connection ended within a frame"),
        }
    }
}

impl std::error::Error for FrameError {}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        FrameError::Io(error)
    }
}

/// A frame as bytes, ready to be sent.
///
/// # Errors
/// When the message does not fit the header's fields.
pub fn encode<T: Serialize>(message: &T, fds: usize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = Vec::with_capacity(1024);
    append(&mut bytes, message, fds, usize::MAX)?;
    Ok(bytes)
}

/// The same behind the frames that `bytes` holds already, which are not changed when this one is refused.
/// `most`: the longest JSON that the peer takes; it would end the connection over a longer one.
///
/// # Errors
/// When the message is longer than that, or does not fit the header's fields.
pub fn append<T: Serialize>(
    bytes: &mut Vec<u8>,
    message: &T,
    fds: usize,
    most: usize,
) -> Result<(), FrameError> {
    let start = bytes.len();
    let appended = append_frame(bytes, message, fds, most);
    if appended.is_err() {
        bytes.truncate(start);
    }
    appended
}

fn append_frame<T: Serialize>(
    bytes: &mut Vec<u8>,
    message: &T,
    fds: usize,
    most: usize,
) -> Result<(), FrameError> {
    let start = bytes.len();
    let fds = u8::try_from(fds).map_err(|_| FrameError::Descriptors)?;
    bytes.extend_from_slice(&[0; HEADER]);
    serde_json::to_writer(&mut *bytes, message).map_err(FrameError::Malformed)?;
    let json = bytes.len().saturating_sub(start).saturating_sub(HEADER);
    let length = u32::try_from(json).ok().filter(|_| json <= most).ok_or(FrameError::TooLong(json))?;
    for (to, from) in bytes.iter_mut().skip(start).zip(length.to_be_bytes().into_iter().chain([fds])) {
        *to = from;
    }
    Ok(())
}

/// Sends one frame whole on a blocking socket. Callers that share a socket hold a lock around it.
///
/// # Errors
/// When the peer is gone or the message does not fit a frame.
pub fn send<T: Serialize>(socket: impl AsFd, message: &T, fds: &[BorrowedFd<'_>]) -> Result<(), FrameError> {
    send_frames(socket, &encode(message, fds.len())?, fds)
}

/// Sends frames that are encoded already, whole, on a blocking socket. The descriptors are those of the first.
///
/// # Errors
/// When the peer is gone.
pub fn send_frames(socket: impl AsFd, frames: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), FrameError> {
    let (mut rest, mut fds) = (frames, fds);
    while !rest.is_empty() {
        match send_some(socket.as_fd(), rest, fds) {
            Ok(sent) => {
                rest = rest.get(sent..).unwrap_or_default();
                fds = &[];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FrameError::Io(error)),
        }
    }
    Ok(())
}

/// One `sendmsg`: some of `bytes`, with all of `fds`. Never raises `SIGPIPE`.
///
/// # Errors
/// The system's error.
pub fn send_some(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many file descriptors"));
    }
    let sent = rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(sent)
}

/// Puts what was read from a socket together into frames.
#[derive(Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    fds: VecDeque<OwnedFd>,
    limit: usize,
}

impl Decoder {
    /// `limit`: the longest JSON that the peer may send, in bytes.
    pub fn new(limit: usize) -> Self {
        Decoder { bytes: Vec::new(), fds: VecDeque::new(), limit }
    }

    /// One `recvmsg` into the decoder; the number of bytes read, 0 at the peer's end.
    ///
    /// # Errors
    /// The system's error, or more descriptors than frames can have.
    pub fn read_some(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let mut buffer = [0_u8; READ];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = rustix::net::recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut buffer)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        for received in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = received {
                self.fds.extend(fds);
            }
        }
        if message.flags.contains(ReturnFlags::CTRUNC) || self.fds.len() > MAX_FDS * 2 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too many file descriptors"));
        }
        self.bytes.extend_from_slice(buffer.get(..message.bytes).unwrap_or_default());
        Ok(message.bytes)
    }

    /// The next whole frame, if there is one.
    ///
    /// # Errors
    /// When the peer does not keep to the protocol; the connection must end then.
    pub fn next_frame<T: DeserializeOwned>(&mut self) -> Result<Option<(T, Vec<OwnedFd>)>, FrameError> {
        let Some(&[a, b, c, d, fds]) = self.bytes.first_chunk::<HEADER>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > self.limit {
            return Err(FrameError::TooLong(length));
        }
        let end = length.saturating_add(HEADER);
        let Some(json) = self.bytes.get(HEADER..end) else { return Ok(None) };
        let message = serde_json::from_slice(json).map_err(FrameError::Malformed)?;
        let fds = usize::from(fds);
        if fds > self.fds.len() {
            return Err(FrameError::Descriptors);
        }
        let fds = self.fds.drain(..fds).collect();
        self.bytes.drain(..end);
        Ok(Some((message, fds)))
    }

    /// Whether nothing is left of an unfinished frame.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.fds.is_empty()
    }
}

/// Receives frames from a blocking socket.
#[derive(Debug)]
pub struct Receiver<S> {
    socket: S,
    decoder: Decoder,
}

impl<S: AsFd> Receiver<S> {
    /// `limit`: the longest JSON that the peer may send, in bytes.
    pub fn new(socket: S, limit: usize) -> Self {
        Receiver { socket, decoder: Decoder::new(limit) }
    }

    /// The next frame; `None` when the peer closed between frames.
    ///
    /// # Errors
    /// When the peer is gone within a frame or does not keep to the protocol.
    pub fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<(T, Vec<OwnedFd>)>, FrameError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            match self.decoder.read_some(self.socket.as_fd()) {
                Ok(0) if self.decoder.is_empty() => return Ok(None),
                Ok(0) => return Err(FrameError::Torn),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(FrameError::Io(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{FromBroker, RequestId, Service, ToBroker};
    use proptest::prelude::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn hello() -> ToBroker {
        ToBroker::Hello { protocol: crate::PROTOCOL, service: Service::Gateway }
    }

    #[test]
    fn descriptors_arrive_with_the_frame_they_were_sent_with() {
        let (left, right) = UnixStream::pair().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        send(&left, &hello(), &[]).unwrap();
        send(&left, &hello(), &[writer.as_fd()]).unwrap();
        drop(writer);
        drop(left);
        let mut receiver = Receiver::new(right, 1024);
        let (first, none) = receiver.receive::<ToBroker>().unwrap().unwrap();
        let (_, mut one) = receiver.receive::<ToBroker>().unwrap().unwrap();
        assert_eq!(first, hello());
        assert!(none.is_empty());
        std::fs::File::from(one.remove(0)).write_all(b"through").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        assert!(receiver.receive::<ToBroker>().unwrap().is_none());
    }

    #[test]
    fn a_frame_over_the_limit_ends_the_connection() {
        let (left, right) = UnixStream::pair().unwrap();
        send(&left, &hello(), &[]).unwrap();
        assert!(matches!(Receiver::new(right, 8).receive::<ToBroker>(), Err(FrameError::TooLong(_))));
    }

    #[test]
    fn promised_descriptors_that_do_not_come_end_the_connection() {
        let (mut left, right) = UnixStream::pair().unwrap();
        left.write_all(&encode(&hello(), 2).unwrap()).unwrap();
        assert!(matches!(Receiver::new(right, 1024).receive::<ToBroker>(), Err(FrameError::Descriptors)));
    }

    #[test]
    fn an_end_within_a_frame_is_told_apart_from_an_end_between_frames() {
        let (mut left, right) = UnixStream::pair().unwrap();
        left.write_all(&[0, 0, 0, 9, 0, b'{']).unwrap();
        drop(left);
        assert!(matches!(Receiver::new(right, 1024).receive::<ToBroker>(), Err(FrameError::Torn)));
    }

    #[test]
    fn unknown_fields_and_variants_are_refused() {
        for json in [r#"{"say":"hello","protocol":1,"service":"gateway","root":true}"#, r#"{"say":"own"}"#] {
            let (mut left, right) = UnixStream::pair().unwrap();
            let length = u32::try_from(json.len()).unwrap().to_be_bytes();
            left.write_all(&length).unwrap();
            left.write_all(&[0]).unwrap();
            left.write_all(json.as_bytes()).unwrap();
            let got = Receiver::new(right, 1024).receive::<ToBroker>();
            assert!(matches!(got, Err(FrameError::Malformed(_))), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_frames_or_an_error_and_never_panic(bytes: Vec<u8>) {
            let (mut left, right) = UnixStream::pair().unwrap();
            left.write_all(&bytes).unwrap();
            drop(left);
            let mut receiver = Receiver::new(right, 4096);
            while let Ok(Some(_)) = receiver.receive::<ToBroker>() {}
        }

        #[test]
        fn a_message_cut_anywhere_is_put_together_again(cut in 0_usize..60) {
            let (mut left, right) = UnixStream::pair().unwrap();
            let message = FromBroker::Recorded { request: RequestId("R".into()), seq: 7 };
            let bytes = encode(&message, 0).unwrap();
            let cut = cut.min(bytes.len());
            left.write_all(&bytes[..cut]).unwrap();
            let rest = bytes[cut..].to_vec();
            let writer = std::thread::spawn(move || left.write_all(&rest));
            let got = Receiver::new(right, 4096).receive::<FromBroker>().unwrap().unwrap();
            writer.join().unwrap().unwrap();
            prop_assert_eq!(got.0, message);
        }
    }
}
