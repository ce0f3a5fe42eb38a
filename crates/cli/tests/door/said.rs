//! What a request was answered.

use std::process::Output;

/// Exit code and output of one request.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Said {
    /// The request was done and succeeded.
    #[track_caller]
    pub(crate) fn worked(self) -> Self {
        assert_eq!(self.code, 0, "should have worked: {self:#?}");
        self
    }

    /// Doorward refused the line itself with this reason: exit code 126, the message on stderr alone.
    #[track_caller]
    pub(crate) fn refused(self, reason: &str) -> Self {
        assert_eq!(self.code, 126, "should have been refused as {reason}: {self:#?}");
        assert!(
            self.stderr.starts_with(&format!("doorward: refused ({reason}): ")),
            "reason {reason}: {self:#?}"
        );
        assert_eq!(self.stdout, "", "a refusal never writes to stdout: {self:#?}");
        self
    }

    /// The socket refused what the docker command asked for; its own message carries the reason.
    #[track_caller]
    pub(crate) fn refused_by_socket(self, reason: &str) -> Self {
        assert_ne!(self.code, 0, "should have been refused as {reason}: {self:#?}");
        assert!(
            self.stderr.contains(&format!("doorward: refused ({reason}): ")),
            "reason {reason}: {self:#?}"
        );
        self
    }

    /// Refused, by line or socket, whatever the reason.
    #[track_caller]
    pub(crate) fn refused_somehow(self) -> Self {
        assert_ne!(self.code, 0, "should have been refused: {self:#?}");
        assert!(self.stderr.contains("doorward: refused ("), "should have been refused: {self:#?}");
        self
    }
}
