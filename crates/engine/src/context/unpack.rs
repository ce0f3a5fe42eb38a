//! From the bytes that come to those of the archive.

use super::bad;
use doorward_policy::{Reason, Refusal};
use flate2::write::GzDecoder;
use std::io::Write;

/// How other packings begin, which are not read: each would be one more reader of a worker's bytes.
const OTHERS: &[&[u8]] = &[b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
const GZIP: &[u8] = &[0x1f, 0x8b];
/// So many bytes tell which it is.
const TELLING: usize = 6;

#[derive(Debug, Default)]
pub(super) enum Unpack {
    /// Not yet known.
    #[default]
    Nothing,
    /// Too few bytes to know.
    First(Vec<u8>),
    Plain,
    Gzip(Box<GzDecoder<Vec<u8>>>),
}

impl Unpack {
    /// The archive's bytes in `bytes`.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        match self {
            Unpack::Plain => Ok(bytes.to_vec()),
            Unpack::Gzip(gzip) => {
                gzip.write_all(bytes).map_err(|_| damaged())?;
                Ok(std::mem::take(gzip.get_mut()))
            }
            Unpack::Nothing | Unpack::First(_) => {
                let mut first = match std::mem::take(self) {
                    Unpack::First(first) => first,
                    _ => Vec::new(),
                };
                first.extend_from_slice(bytes);
                if first.len() < TELLING {
                    *self = Unpack::First(first);
                    return Ok(Vec::new());
                }
                self.begin(&first)
            }
        }
    }

    fn begin(&mut self, first: &[u8]) -> Result<Vec<u8>, Refusal> {
        if OTHERS.iter().any(|other| first.starts_with(other)) {
            return Err(Refusal::new(
                Reason::FieldNotAllowed,
                "the context is packed in a way that is not read here",
            )
            .path("context")
            .nearest("a tar archive, plain or in gzip"));
        }
        *self = match first.starts_with(GZIP) {
            true => Unpack::Gzip(Box::new(GzDecoder::new(Vec::new()))),
            false => Unpack::Plain,
        };
        self.push(first)
    }

    /// The last of them.
    pub(super) fn end(&mut self) -> Result<Vec<u8>, Refusal> {
        match self {
            Unpack::Gzip(gzip) => {
                gzip.try_finish().map_err(|_| damaged())?;
                Ok(std::mem::take(gzip.get_mut()))
            }
            Unpack::Nothing => Err(bad("there is no context")),
            Unpack::First(_) => Err(bad("the context is no archive")),
            Unpack::Plain => Ok(Vec::new()),
        }
    }
}

fn damaged() -> Refusal {
    bad("the context's gzip is damaged, or something follows it")
}
