//! A refusal as clients of sftp can show it. sshd throws away what a subsystem says on stderr, so a client would
//! only see a closed connection: each of its requests is answered "permission denied" with the refusal's own words.
//! A client that asks about a file first is told of one without any permission, so that it does not call it absent.
//!
//! The protocol is version 3, draft-ietf-secsh-filexfer-02: length, kind, and in requests a number to answer to.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::AsFd;

const INIT: u8 = 1;
const VERSION: u8 = 2;
const LSTAT: u8 = 7;
const STAT: u8 = 17;
const STATUS: u8 = 101;
const ATTRS: u8 = 105;
const PERMISSION_DENIED: u32 = 3;
/// Attributes that hold nothing but permissions: a regular file's, and none.
const CLOSED_FILE: [[u8; 4]; 2] = [4_u32.to_be_bytes(), 0o100_000_u32.to_be_bytes()];

/// Longest request that is read; clients send up to 256 KiB.
const LONGEST: usize = 256 * 1024;
/// So many requests are answered; a client asks a few and gives up.
const MOST: usize = 64;
/// A client that asks nothing for so long is left.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// Whether a line is how sshd runs the subsystem `sftp`: its own word for it, or a server in some folder.
pub(crate) fn is_spoken_by(line: &[u8]) -> bool {
    let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let name = word.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    matches!(name, b"sftp-server" | b"internal-sftp")
}

/// Answers a client's requests with `message` until it goes away.
pub(crate) fn refuse(
    message: &str,
    mut input: impl io::Read + AsFd,
    mut output: impl io::Write,
) -> io::Result<()> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    let mut answered = 0_usize;
    while answered < MOST {
        while let Some(request) = take(&mut bytes)? {
            answered = answered.saturating_add(1);
            output.write_all(&answer(&request, message))?;
        }
        output.flush()?;
        if poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&PATIENCE))? == 0 {
            return Ok(());
        }
        match input.read(&mut buffer)? {
            0 => return Ok(()),
            read => bytes.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    }
    Ok(())
}

/// The first whole request in `bytes`, without its length.
fn take(bytes: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let Some(request) = rest.get(..length).map(<[u8]>::to_vec) else { return Ok(None) };
    bytes.drain(..length.saturating_add(4));
    Ok(Some(request))
}

/// A greeting for a greeting, and a refusal for everything that would read or write.
fn answer(request: &[u8], message: &str) -> Vec<u8> {
    let (kind, rest) = request.split_first().map_or((INIT, &[][..]), |(kind, rest)| (*kind, rest));
    let number = rest.first_chunk::<4>().copied().unwrap_or_default();
    let (code, words) = (PERMISSION_DENIED.to_be_bytes(), message.as_bytes());
    match kind {
        INIT => packet(VERSION, &[&3_u32.to_be_bytes()]),
        STAT | LSTAT => packet(ATTRS, &[&number, CLOSED_FILE.as_flattened()]),
        _ => packet(STATUS, &[&number, &code, &length(words), words, &[0; 4]]),
    }
}

fn packet(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = [&[kind], parts.concat().as_slice()].concat();
    [&length(&body), body.as_slice()].concat()
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};

    #[test]
    fn the_subsystem_is_known_by_its_first_word() {
        for line in
            [&b"internal-sftp"[..], b"/usr/lib/openssh/sftp-server", b"/x/sftp-server -R", b"sftp-server"]
        {
            assert!(is_spoken_by(line), "{line:?}");
        }
        for line in [
            &b""[..],
            b"docker ps",
            b"scp -t /tmp/x",
            b"echo sftp-server",
            b"sftp-server-x",
            b"/sftp-server/",
        ] {
            assert!(!is_spoken_by(line), "{line:?}");
        }
    }

    /// What a client that sends `requests` and goes away is answered.
    fn answers(requests: &[u8]) -> io::Result<Vec<u8>> {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(requests).unwrap();
        drop(writer);
        let mut out = Vec::new();
        refuse("no files here", reader, &mut out).map(|()| out)
    }

    #[test]
    fn each_request_is_denied_by_its_number_and_with_the_words() {
        let realpath = [&[0, 0, 0, 10, 16][..], &7_u32.to_be_bytes(), &[0, 0, 0, 1], b"."].concat();
        let out = answers(&[&[0, 0, 0, 5, INIT, 0, 0, 0, 3][..], &realpath].concat()).unwrap();
        let denied =
            [&[0, 0, 0, 30, STATUS, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 13][..], b"no files here", &[0; 4]];
        assert_eq!(out, [&[0, 0, 0, 5, VERSION, 0, 0, 0, 3][..], &denied.concat()].concat());
    }

    #[test]
    fn a_file_that_is_asked_about_has_no_permissions() {
        let closed =
            [&[0, 0, 0, 13, ATTRS, 0, 0, 0, 9, 0, 0, 0, 4][..], &0o100_000_u32.to_be_bytes()].concat();
        for kind in [STAT, LSTAT] {
            assert_eq!(answers(&[0, 0, 0, 10, kind, 0, 0, 0, 9, 0, 0, 0, 1, b'x']).unwrap(), closed);
        }
    }

    #[test]
    fn odd_bytes_are_answered_or_end_it() {
        assert_eq!(answers(b"").unwrap(), b"");
        assert_eq!(answers(&[0, 0, 0, 9, 1]).unwrap(), b"", "a request that is cut off");
        assert_eq!(answers(&[0, 0, 0, 0]).unwrap(), packet(VERSION, &[&3_u32.to_be_bytes()]));
        assert!(answers(b"\xff\xff\xff\xff").is_err(), "longer than any client's");
        let many = [0, 0, 0, 1, 99].repeat(1000);
        let answered =
            answers(&many).unwrap().len() / packet(STATUS, &[&[0; 12], b"no files here", &[0; 4]]).len();
        assert!(answered >= MOST, "{answered}");
    }

    #[test]
    fn a_client_that_asks_and_waits_is_answered_at_once() {
        let (reader, mut writer) = io::pipe().unwrap();
        let (mut said, out) = io::pipe().unwrap();
        let refusing = std::thread::spawn(move || refuse("no", reader, out));
        writer.write_all(&[0, 0, 0, 5, INIT, 0, 0, 0, 3]).unwrap();
        said.read_exact(&mut [0; 9]).unwrap();
        drop(writer);
        refusing.join().unwrap().unwrap();
    }
}
