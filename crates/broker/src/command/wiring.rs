//! Where the standard streams of a pipeline's stages lead.

use crate::plan::Streams;
use doorward_policy::{Reason, Refusal};
use doorward_wire::broker::{Stage, StageErr, StageOut};
use rustix::fs::FileType;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::os::fd::OwnedFd;

/// Bytes that a pipe between stages holds: what an account may ask for by default. Stages that
/// are scheduled apart wait for each other less often than with the usual 64 KiB.
const ROOM: usize = 1 << 20;

/// The ends of a line: pipes or sockets only, so that no terminal, folder or device is handed on.
pub(super) struct Line {
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Line {
    /// From a message's descriptors: stdout, stderr, and stdin when it is fed.
    pub(super) fn of(fds: Vec<OwnedFd>, fed: bool) -> Result<Line, Refusal> {
        let bad = |message| Refusal::new(Reason::BadRequest, message);
        for fd in &fds {
            let kind = rustix::fs::fstat(fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
            if !matches!(kind, Ok(FileType::Fifo | FileType::Socket)) {
                return Err(bad("a descriptor is neither a pipe nor a socket"));
            }
        }
        let mut fds = fds.into_iter();
        match (fds.next(), fds.next(), fds.next(), fds.next()) {
            (Some(stdout), Some(stderr), stdin, None) if stdin.is_some() == fed => {
                Ok(Line { stdin, stdout, stderr })
            }
            _ => Err(bad("the descriptors do not fit the request")),
        }
    }
}

/// The streams of all stages, in their order. Every end belongs to the stage that uses it: when the plans are
/// gone the broker holds none, so that a reader sees the end and a writer without a reader gets `SIGPIPE`.
pub(super) fn wire(stages: &[Stage], line: Line) -> Result<Vec<Streams>, Refusal> {
    connect(stages, line).map_err(|error| {
        eprintln!("doorward: broker: no pipes for a pipeline: {error}");
        Refusal::new(Reason::Internal, "too many things are open; try again")
    })
}

fn connect(stages: &[Stage], line: Line) -> std::io::Result<Vec<Streams>> {
    let null: OwnedFd = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?.into();
    let mut stdin = match line.stdin {
        Some(stdin) => stdin,
        None => null.try_clone()?,
    };
    let mut all = Vec::with_capacity(stages.len());
    let last = stages.len().saturating_sub(1);
    for (place, stage) in stages.iter().enumerate() {
        let (next_stdin, next) = if place == last {
            (None, line.stdout.try_clone()?)
        } else {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            // Where the host allows less (`pipe(7)`), the usual size does.
            let _ = fcntl_setpipe_size(&write, ROOM);
            (Some(read), write)
        };
        let stdout = match stage.out {
            StageOut::Next => next.try_clone()?,
            StageOut::Null => null.try_clone()?,
        };
        let stderr = match stage.err {
            StageErr::Line => line.stderr.try_clone()?,
            StageErr::Null => null.try_clone()?,
            StageErr::Next => next,
        };
        all.push(Streams { stdin, stdout, stderr });
        let Some(read) = next_stdin else { break };
        stdin = read;
    }
    Ok(all)
}
