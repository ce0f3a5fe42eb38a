//! A stand-in for an engine that misbehaves: answers `/version` properly and everything else with the bytes
//! that a test gives it.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub struct FakeEngine {
    folder: tempfile::TempDir,
    heads: Arc<Mutex<Vec<String>>>,
}

impl FakeEngine {
    /// `answer` gets the request's first line and the connection, and does with it what it likes; then the
    /// connection is closed.
    pub fn start(answer: impl Fn(&str, &mut UnixStream) + Send + Sync + 'static) -> Self {
        Self::with(answer, false)
    }

    /// The same with connections that are kept for the next request.
    pub fn keeping(answer: impl Fn(&str, &mut UnixStream) + Send + Sync + 'static) -> Self {
        Self::with(answer, true)
    }

    fn with(answer: impl Fn(&str, &mut UnixStream) + Send + Sync + 'static, keep: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&heads), Arc::new(answer));
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || {
                    while let Some(head) = read_head(&mut stream) {
                        let line = head.lines().next().unwrap_or_default().to_owned();
                        seen.lock().unwrap().push(head);
                        if line.starts_with("GET /version ") {
                            let body = r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Version":"20.10.24"}"#;
                            drop(stream.write_all(&answered("200 OK", body)));
                        } else {
                            answer(&line, &mut stream);
                            if !keep {
                                return;
                            }
                        }
                    }
                });
            }
        });
        FakeEngine { folder, heads }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// Every request head that came, as it came.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// It is gone, as an engine that is stopped is.
    pub fn vanish(&self) {
        std::fs::remove_file(self.path()).unwrap();
    }
}

/// A whole JSON answer.
pub fn answered(status: &str, body: &str) -> Vec<u8> {
    let head = "Api-Version: 1.41\r\nContent-Type: application/json";
    format!("HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn read_head(stream: &mut UnixStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}
