//! Bytes to a socket, and the answers that come back.

use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// One answer, its chunks put together.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// After a `101`: everything that came.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body, `null` when it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The reason code and the path of a refusal.
    pub fn refusal(&self) -> Option<(String, String)> {
        let json = self.json();
        let said = json.get("doorward")?;
        let text = |key: &str| said.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Some((text("reason"), text("path")))
    }
}

/// Sends bytes and reads until the other side is done, or silent for so long.
///
/// # Errors
/// When nothing listens there.
pub fn talk(socket: &Path, bytes: &[u8], silence: Duration) -> std::io::Result<Vec<Reply>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(silence))?;
    stream.set_write_timeout(Some(silence))?;
    let mut reading = stream.try_clone()?;
    // Answers may come before all is sent, and a refused body is not read to its end.
    let answers = std::thread::spawn(move || {
        let (mut came, mut piece) = (Vec::new(), [0; 16_384]);
        while let Ok(count) = reading.read(&mut piece) {
            came.extend(piece.iter().take(count));
            if count == 0 {
                break;
            }
        }
        came
    });
    let _ = stream.write_all(bytes);
    Ok(replies(&answers.join().unwrap_or_default()))
}

/// One JSON request to a socket that answers properly.
///
/// # Errors
/// When nothing listens there.
pub fn ask(socket: &Path, method: &str, target: &str, body: Option<&Value>) -> std::io::Result<Reply> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n");
    if !body.is_empty() {
        head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    let replies = talk(socket, format!("{head}\r\n{body}").as_bytes(), Duration::from_secs(60))?;
    Ok(replies.into_iter().next().unwrap_or_default())
}

fn replies(mut rest: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while let Some((reply, after)) = reply(rest) {
        rest = after;
        if reply.status != 100 {
            replies.push(reply);
        }
    }
    replies
}

fn reply(bytes: &[u8]) -> Option<(Reply, &[u8])> {
    let (head, rest) = split(bytes, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let mut reply = Reply { status, headers, body: Vec::new() };
    let mut rest = rest;
    if matches!(status, 100 | 204 | 304) {
        return Some((reply, rest));
    }
    if reply.header("transfer-encoding") == Some("chunked") {
        while let Some((chunk, after)) = chunk(rest) {
            reply.body.extend(chunk);
            rest = after;
            if chunk.is_empty() {
                return Some((reply, rest));
            }
        }
        return Some((reply, b""));
    }
    let length = reply.header("content-length").and_then(|length| length.parse().ok());
    let (body, rest) = rest.split_at(length.unwrap_or(rest.len()).min(rest.len()));
    reply.body = body.to_vec();
    Some((reply, rest))
}

fn chunk(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = split(bytes, b"\r\n")?;
    let length = usize::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 16).ok()?;
    let (chunk, rest) = rest.split_at_checked(length)?;
    Some((chunk, rest.strip_prefix(b"\r\n").unwrap_or(rest)))
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = bytes.windows(at.len()).position(|window| window == at)?;
    let (before, after) = bytes.split_at(place);
    Some((before, after.get(at.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::replies;

    #[test]
    fn answers_that_follow_each_other_are_told_apart() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 101 UPGRADED\r\n\r\nraw";
        let told: Vec<_> = replies(bytes).into_iter().map(|reply| (reply.status, reply.body)).collect();
        assert_eq!(told, [(200, b"ab".to_vec()), (404, b"x".to_vec()), (101, b"raw".to_vec())]);
    }
}
