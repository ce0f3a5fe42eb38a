//! A worker's raw HTTP client: says exactly the bytes that a test wants.

use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// An answer, its chunks put together.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The reason code of a refusal.
    pub fn reason(&self) -> String {
        self.json()["doorward"]["reason"].as_str().unwrap_or("(no refusal)").to_owned()
    }
}

pub fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// One request with a JSON body (none when it is empty) on a connection of its own.
pub fn ask(socket: &Path, method: &str, target: &str, body: &str) -> Answer {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n");
    if !body.is_empty() {
        head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    say(socket, format!("{head}\r\n{body}").as_bytes())
}

/// Sends bytes as they are and reads the first answer.
pub fn say(socket: &Path, bytes: &[u8]) -> Answer {
    let mut stream = connect(socket);
    stream.write_all(bytes).unwrap();
    read_answer(&mut stream)
}

/// Reads the head of an answer and nothing beyond it.
pub fn read_head(stream: &mut UnixStream) -> (u16, Vec<(String, String)>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(
            stream.read(&mut byte).unwrap(),
            1,
            "the connection ended in {:?}",
            String::from_utf8_lossy(&head)
        );
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    (status, headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect())
}

/// Reads one answer; the body is as long as the head says, chunked, or ends with the connection.
pub fn read_answer(stream: &mut UnixStream) -> Answer {
    let (status, headers) = read_head(stream);
    let answer = Answer { status, headers, body: Vec::new() };
    let mut body = Vec::new();
    if answer.header("transfer-encoding") == Some("chunked") {
        while let Some(chunk) = read_chunk(stream) {
            body.extend(chunk);
        }
    } else if let Some(length) = answer.header("content-length") {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).unwrap();
    } else if !matches!(status, 204 | 304) {
        stream.read_to_end(&mut body).unwrap();
    }
    Answer { body, ..answer }
}

/// One chunk of a chunked body; `None` at its end.
pub fn read_chunk(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte).unwrap();
        line.push(byte[0]);
    }
    let length = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
    let mut chunk = vec![0; length + 2];
    stream.read_exact(&mut chunk).unwrap();
    chunk.truncate(length);
    (!chunk.is_empty()).then_some(chunk)
}
