//! The ways to cut one request into bytes.

/// How a request is cut into bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// With its length.
    Length,
    /// In one chunk.
    Chunked,
    /// In chunks of seven bytes.
    Chunks,
    /// In one chunk with an extension.
    Extension,
    /// In one chunk, with a header after it.
    Trailer,
    /// With its length, and `Expect: 100-continue`.
    Expect,
    /// As HTTP/1.0, with its length.
    Http10,
    /// With its length, and a target with scheme and host.
    Absolute,
    /// With its length, and no carriage return in its head.
    LineFeeds,
}

impl Framing {
    /// By the name that the files use.
    pub fn named(name: &str) -> Option<Framing> {
        Some(match name {
            "length" => Framing::Length,
            "chunked" => Framing::Chunked,
            "chunks" => Framing::Chunks,
            "extension" => Framing::Extension,
            "trailer" => Framing::Trailer,
            "expect" => Framing::Expect,
            "http10" => Framing::Http10,
            "absolute" => Framing::Absolute,
            "lf" => Framing::LineFeeds,
            _ => return None,
        })
    }

    /// The request's bytes. `headers` are sent as they stand; `Host` and `Connection: close` unless they have them.
    pub(crate) fn write(
        self,
        method: &str,
        target: &[u8],
        headers: &[(String, Vec<u8>)],
        body: Option<&[u8]>,
    ) -> Vec<u8> {
        let mut bytes = format!("{method} ").into_bytes();
        if self == Framing::Absolute {
            bytes.extend(b"http://docker");
        }
        bytes.extend(target);
        bytes.extend(if self == Framing::Http10 { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" });
        let mut header = |name: &str, value: &[u8]| {
            bytes.extend(name.as_bytes());
            bytes.extend(b": ");
            bytes.extend(value);
            bytes.extend(b"\r\n");
        };
        let has = |name: &str| headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        if !has("Host") {
            header("Host", b"docker");
        }
        if !has("Connection") {
            header("Connection", b"close");
        }
        for (name, value) in headers {
            header(name, value);
        }
        let length = body.map(|body| body.len().to_string());
        match (self, &length) {
            (Framing::Chunked | Framing::Chunks | Framing::Extension, Some(_)) => {
                header("Transfer-Encoding", b"chunked");
            }
            (Framing::Trailer, Some(_)) => {
                header("Trailer", b"X-Registry-Auth");
                header("Transfer-Encoding", b"chunked");
            }
            (_, Some(length)) if !has("Content-Length") && !has("Transfer-Encoding") => {
                header("Content-Length", length.as_bytes());
            }
            _ => {}
        }
        if self == Framing::Expect {
            header("Expect", b"100-continue");
        }
        bytes.extend(b"\r\n");
        if self == Framing::LineFeeds {
            bytes.retain(|byte| *byte != b'\r');
        }
        bytes.extend(body.map(|body| self.body(body)).unwrap_or_default());
        bytes
    }

    fn body(self, body: &[u8]) -> Vec<u8> {
        let chunk = |bytes: &[u8], more: &str| {
            let mut chunk = format!("{:x}{more}\r\n", bytes.len()).into_bytes();
            chunk.extend(bytes);
            chunk.extend(b"\r\n");
            chunk
        };
        match self {
            Framing::Chunked => [chunk(body, ""), b"0\r\n\r\n".to_vec()].concat(),
            Framing::Chunks => {
                let chunks: Vec<_> = body.chunks(7).flat_map(|bytes| chunk(bytes, "")).collect();
                [chunks, b"0\r\n\r\n".to_vec()].concat()
            }
            Framing::Extension => [chunk(body, ";name=value"), b"0;last\r\n\r\n".to_vec()].concat(),
            Framing::Trailer => [chunk(body, ""), b"0\r\nX-Registry-Auth: e30=\r\n\r\n".to_vec()].concat(),
            _ => body.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Framing;

    #[test]
    fn a_body_is_cut_in_every_way() {
        let written = |name| {
            let framing = Framing::named(name).unwrap();
            String::from_utf8(framing.write("POST", b"/x", &[], Some(b"12345678"))).unwrap()
        };
        assert!(written("length").ends_with("Content-Length: 8\r\n\r\n12345678"));
        assert!(written("chunks").ends_with("chunked\r\n\r\n7\r\n1234567\r\n1\r\n8\r\n0\r\n\r\n"));
        assert!(written("trailer").ends_with("0\r\nX-Registry-Auth: e30=\r\n\r\n"));
        assert!(written("http10").starts_with("POST /x HTTP/1.0\r\n"));
        assert!(written("absolute").starts_with("POST http://docker/x HTTP/1.1\r\n"));
    }
}
