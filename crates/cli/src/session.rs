//! `doorward session`: one worker's connection, from sshd's pipes to the gateway and back. Holds nothing,
//! decides nothing.

use crate::exit::{FAILED, fail};
use crate::sftp;
use crate::shell::Session;
use base64::Engine as _;
use doorward_broker::accounts;
use doorward_wire::session::{FromSession, Hello, ToSession};
use rustix::event::{PollFd, PollFlags, poll};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// What a worker is told when nobody listens.
const NOT_RUNNING: &str = "refused (gateway_unavailable): the services are not running; ask the operator";

/// Runs the session to its end; the exit code for sshd.
pub(crate) fn run(session: &Session) -> u8 {
    let claims = Hello {
        protocol: doorward_wire::PROTOCOL,
        key: session.key.clone().or_else(key_by_sshd),
        source: std::env::var("SSH_CONNECTION")
            .ok()
            .and_then(|text| text.split(' ').next().map(str::to_owned)),
    };
    let ask = [FromSession::Hello(claims), FromSession::Line(session.line.clone())];
    if sftp::is_spoken_by(&session.line) {
        return converse_in_sftp(session, &ask);
    }
    converse(&session.runtime_dir, session.as_shell, &ask)
}

/// The same for the subsystem `sftp`, whose client is shown what the gateway says on stderr as its own protocol
/// can say it.
fn converse_in_sftp(session: &Session, ask: &[FromSession]) -> u8 {
    let mut said = Vec::new();
    let code = match connect(&session.runtime_dir, session.as_shell) {
        Ok(socket) => exchange(socket, ask, &mut said).unwrap_or(FAILED),
        Err(message) => {
            said = format!("doorward: {message}").into_bytes();
            FAILED
        }
    };
    let message = String::from_utf8_lossy(&said);
    // A client that goes away has seen enough.
    let _ = sftp::refuse(message.lines().next().unwrap_or("doorward: no answer"), io::stdin(), io::stdout());
    code
}

/// Connects to the gateway, says `ask`, and carries the answer to this process's own stdout and stderr.
pub(crate) fn converse(runtime_dir: &Path, as_shell: bool, ask: &[FromSession]) -> u8 {
    match connect(runtime_dir, as_shell) {
        Ok(socket) => carry(socket, ask),
        Err(message) => fail(message),
    }
}

/// The same for the operator, who is told where the services were looked for.
pub(crate) fn converse_as_operator(runtime_dir: &Path, ask: &[FromSession]) -> u8 {
    match connect(runtime_dir, false) {
        Ok(socket) => carry(socket, ask),
        Err(message) if message != NOT_RUNNING => fail(message),
        Err(_) => fail(format!(
            "no services answer in {}: start them with `doorward serve`, or say `--runtime-dir`",
            runtime_dir.display()
        )),
    }
}

fn carry(socket: UnixStream, ask: &[FromSession]) -> u8 {
    match exchange(socket, ask, &mut io::stderr()) {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => FAILED,
        Err(_) => fail("the gateway closed the connection before the end; the command may have run"),
    }
}

fn connect(runtime_dir: &Path, as_shell: bool) -> Result<UnixStream, &'static str> {
    if !is_believable(runtime_dir, as_shell) {
        return Err("the services' folder is not theirs; ask the operator to run `doorward status`");
    }
    UnixStream::connect(runtime_dir.join("gateway.sock")).map_err(|_| NOT_RUNNING)
}

/// A folder of root's or doorward's; in a try-out without root also of the caller's own.
fn is_believable(runtime_dir: &Path, as_shell: bool) -> bool {
    let Ok(facts) = std::fs::symlink_metadata(runtime_dir) else { return true };
    let closed = facts.mode() & 0o022 == 0;
    // Root first: the account database is slow to ask, and a session starts with every line.
    let is_theirs = || {
        let own = rustix::process::geteuid().as_raw();
        facts.uid() == 0
            || (!as_shell && facts.uid() == own)
            || accounts::uid_of(accounts::GATEWAY) == Some(facts.uid())
    };
    facts.is_dir() && closed && is_theirs()
}

/// The fingerprint of the key that sshd accepted, from the file it names with `ExposeAuthInfo`.
fn key_by_sshd() -> Option<String> {
    let path = std::env::var_os("SSH_USER_AUTH")?;
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(64 * 1024).read_to_string(&mut text).ok()?;
    let line = text.lines().find(|line| line.starts_with("publickey "))?;
    let blob = base64::engine::general_purpose::STANDARD.decode(line.split(' ').nth(2)?).ok()?;
    let digest = base64::engine::general_purpose::STANDARD_NO_PAD.encode(Sha256::digest(&blob));
    Some(format!("SHA256:{digest}"))
}

fn exchange(mut socket: UnixStream, ask: &[FromSession], stderr: &mut impl Write) -> io::Result<u8> {
    for message in ask {
        // A gateway that turns the connection away may have closed it already; what it said is still read.
        if socket.write_all(&message.encode()).is_err() {
            break;
        }
    }
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        while let Some(message) = ToSession::decode(&mut bytes).map_err(io::Error::other)? {
            match message {
                ToSession::Stdout(out) => io::stdout().write_all(&out).and_then(|()| io::stdout().flush())?,
                ToSession::Stderr(err) => stderr.write_all(&err)?,
                ToSession::Exit(code) => return Ok(code),
                ToSession::Dial(path) => return dial(Path::new(&path)),
                ToSession::Feed => feed(socket.try_clone()?),
            }
        }
        match read_or_reader_gone(&mut socket, &mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// Sends stdin, to its end or until the gateway no longer listens, while the answer is carried on.
fn feed(mut socket: UnixStream) {
    std::thread::spawn(move || {
        let (mut stdin, mut buffer) = (io::stdin().lock(), vec![0; 64 * 1024]);
        loop {
            // What cannot be read any more has ended.
            let read = match stdin.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let _ = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None);
                    continue;
                }
                other => other.unwrap_or(0),
            };
            let bytes = buffer.get(..read).unwrap_or_default().to_vec();
            if socket.write_all(&FromSession::Stdin(bytes).encode()).is_err() || read == 0 {
                return;
            }
        }
    });
}

/// Reads what comes, or fails with `BrokenPipe` when whoever reads stdout is gone: an agent's stdin is at its
/// end from the start, so a disconnect is seen on stdout.
fn read_or_reader_gone(socket: &mut UnixStream, buffer: &mut [u8]) -> io::Result<usize> {
    let stdout = io::stdout();
    loop {
        let mut fds = [PollFd::new(&*socket, PollFlags::IN), watched(stdout.as_fd())];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other?,
        };
        let [incoming, reader] = &fds;
        if !incoming.revents().is_empty() {
            return socket.read(buffer);
        }
        if reader.revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
}

/// A descriptor of which only the end is asked.
fn watched(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::from_borrowed_fd(fd, PollFlags::empty())
}

/// A pipe between stdin/stdout and the worker's own docker.sock. Either direction may end by itself; the
/// engine's end is the session's end.
fn dial(path: &Path) -> io::Result<u8> {
    let Ok(mut engine) = UnixStream::connect(path) else {
        return Ok(fail("refused (engine_unavailable): the proxy is not running; ask the operator"));
    };
    let mut to_engine = engine.try_clone()?;
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut to_engine);
        let _ = to_engine.shutdown(std::net::Shutdown::Write);
    });
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = read_or_reader_gone(&mut engine, &mut buffer)?;
        if read == 0 {
            return Ok(0);
        }
        let mut stdout = io::stdout();
        stdout.write_all(buffer.get(..read).unwrap_or_default())?;
        stdout.flush()?;
    }
}
