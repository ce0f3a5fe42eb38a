//! A run's saved output: one zstd file of tagged pieces, so that stdout and stderr keep their order.
//!
//! Piece: one byte of stream (1 stdout, 2 stderr), `u32` big-endian length, that many bytes. Written as it
//! comes and read back piece by piece: neither side ever holds a whole output.

use super::redact::LineRedactor;
use doorward_policy::Redactor;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Fast and small enough; text shrinks about fivefold at it.
const LEVEL: i32 = 1;
/// Longest piece that is written or read back.
const LONGEST_PIECE: usize = 256 * 1024;
/// An output up to here is compressed in one go at its end: setting up a stream costs more than that.
const SMALL: usize = 64 * 1024;

/// Which of a command's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

impl Stream {
    fn tag(self) -> u8 {
        match self {
            Stream::Out => 1,
            Stream::Err => 2,
        }
    }
}

/// Where the output of run `id` is kept.
pub(super) fn path_of(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.zst"))
}

/// Compresses small outputs; kept between them.
pub(super) type Compressor = zstd::bulk::Compressor<'static>;

/// # Errors
/// When there is no memory for it.
pub(super) fn compressor() -> io::Result<Compressor> {
    Compressor::new(LEVEL)
}

/// Saves the output of one run, redacted. There is no file before there is something to save.
pub(super) struct OutputWriter {
    path: PathBuf,
    /// Pieces that wait to be more than a small output; empty once there is an encoder.
    pending: Vec<u8>,
    encoder: Option<zstd::Encoder<'static, File>>,
    out: LineRedactor,
    err: LineRedactor,
}

impl OutputWriter {
    pub(super) fn new(path: PathBuf) -> Self {
        let (out, err) = (LineRedactor::default(), LineRedactor::default());
        OutputWriter { path, pending: Vec::new(), encoder: None, out, err }
    }

    pub(super) fn write(&mut self, redactor: &Redactor, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut clean = Vec::with_capacity(bytes.len());
        match stream {
            Stream::Out => self.out.push(redactor, bytes, &mut clean),
            Stream::Err => self.err.push(redactor, bytes, &mut clean),
        }
        self.put(stream, &clean)
    }

    /// Writes what the redactors hold and ends the file.
    pub(super) fn finish(mut self, redactor: &Redactor, compressor: &mut Compressor) -> io::Result<()> {
        for stream in [Stream::Out, Stream::Err] {
            let mut clean = Vec::new();
            match stream {
                Stream::Out => self.out.finish(redactor, &mut clean),
                Stream::Err => self.err.finish(redactor, &mut clean),
            }
            self.put(stream, &clean)?;
        }
        match self.encoder.take() {
            Some(encoder) => encoder.finish().map(drop),
            None if self.pending.is_empty() => Ok(()),
            None => create(&self.path)?.write_all(&compressor.compress(&self.pending)?),
        }
    }

    fn put(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(LONGEST_PIECE) {
            let length = u32::try_from(piece.len()).map_err(io::Error::other)?;
            let header = [&[stream.tag()], length.to_be_bytes().as_slice()].concat();
            match &mut self.encoder {
                Some(encoder) => {
                    encoder.write_all(&header)?;
                    encoder.write_all(piece)?;
                }
                None => {
                    self.pending.extend_from_slice(&header);
                    self.pending.extend_from_slice(piece);
                    if self.pending.len() > SMALL {
                        self.stream()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// From here on the output is compressed as it comes.
    fn stream(&mut self) -> io::Result<()> {
        let mut encoder = zstd::Encoder::new(create(&self.path)?, LEVEL)?;
        encoder.write_all(&std::mem::take(&mut self.pending))?;
        self.encoder = Some(encoder);
        Ok(())
    }

    /// Brings to the file what there is so far, but for the last line of each stream when it has no end yet.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.encoder.is_none() && !self.pending.is_empty() {
            self.stream()?;
        }
        self.encoder.as_mut().map_or(Ok(()), Write::flush)
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Reads a saved output back.
pub(crate) struct SavedOutput {
    file: Option<Arc<File>>,
    decoder: Option<zstd::Decoder<'static, io::BufReader<FromBegin>>>,
}

/// A file that several read at one time, each from the begin.
struct FromBegin {
    file: Arc<File>,
    at: u64,
}

impl Read for FromBegin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

impl SavedOutput {
    /// A run without output has no file; that reads as empty.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => SavedOutput::of(Arc::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(SavedOutput { file: None, decoder: None })
            }
            Err(error) => Err(error),
        }
    }

    /// The same from its begin, to be read beside it or after it, also when its file was deleted meanwhile.
    pub(crate) fn twin(&self) -> io::Result<Self> {
        let Some(file) = &self.file else { return Ok(SavedOutput { file: None, decoder: None }) };
        SavedOutput::of(Arc::clone(file))
    }

    fn of(file: Arc<File>) -> io::Result<Self> {
        let decoder = zstd::Decoder::new(FromBegin { file: Arc::clone(&file), at: 0 })?;
        Ok(SavedOutput { file: Some(file), decoder: Some(decoder) })
    }

    /// The next piece; `None` at the end. A file that ends early, as that of a run that was cut off does,
    /// gives `UnexpectedEof` after its last whole piece.
    pub(crate) fn next(&mut self) -> io::Result<Option<(Stream, Vec<u8>)>> {
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        let mut tag = [0];
        if decoder.read(&mut tag)? == 0 {
            return Ok(None);
        }
        let stream = match tag {
            [1] => Stream::Out,
            [2] => Stream::Err,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let mut length = [0; 4];
        decoder.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST_PIECE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        decoder.read_exact(&mut bytes)?;
        Ok(Some((stream, bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(&doorward_policy::Runs { keep_days: 1, keep_size: 1, redact: Vec::new() })
    }

    #[test]
    fn output_comes_back_in_its_order_and_by_its_stream() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), "X");
        let mut writer = OutputWriter::new(path.clone());
        writer.write(&redactor(), Stream::Out, b"one\n").unwrap();
        writer.write(&redactor(), Stream::Err, b"two\n").unwrap();
        writer.write(&redactor(), Stream::Out, b"three without an end").unwrap();
        writer.finish(&redactor(), &mut compressor().unwrap()).unwrap();
        let mut saved = SavedOutput::open(&path).unwrap();
        let pieces: Vec<_> = std::iter::from_fn(|| saved.next().unwrap()).collect();
        assert_eq!(
            pieces,
            [
                (Stream::Out, b"one\n".to_vec()),
                (Stream::Err, b"two\n".to_vec()),
                (Stream::Out, b"three without an end".to_vec())
            ]
        );
    }

    #[test]
    fn an_output_of_any_size_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        for pieces in [1, 15, 16, 17, 200] {
            let path = path_of(folder.path(), &pieces.to_string());
            let mut writer = OutputWriter::new(path.clone());
            for number in 0..pieces {
                let line = format!("{number:4095}\n");
                writer.write(&redactor(), Stream::Out, line.as_bytes()).unwrap();
            }
            writer.finish(&redactor(), &mut compressor().unwrap()).unwrap();
            let mut saved = SavedOutput::open(&path).unwrap();
            let text: Vec<u8> =
                std::iter::from_fn(|| saved.next().unwrap()).flat_map(|(_, bytes)| bytes).collect();
            let expected: String = (0..pieces).map(|number| format!("{number:4095}\n")).collect();
            assert!(text == expected.as_bytes(), "{pieces} pieces");
        }
    }

    #[test]
    fn a_run_without_output_has_no_file_and_reads_as_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), "X");
        OutputWriter::new(path.clone()).finish(&redactor(), &mut compressor().unwrap()).unwrap();
        assert!(!path.exists());
        assert!(SavedOutput::open(&path).unwrap().next().unwrap().is_none());
    }

    #[test]
    fn what_was_flushed_of_a_file_that_ends_early_is_read_and_the_end_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), "X");
        let mut writer = OutputWriter::new(path.clone());
        writer.write(&redactor(), Stream::Out, b"kept\n").unwrap();
        writer.flush().unwrap();
        drop(writer);
        let mut saved = SavedOutput::open(&path).unwrap();
        assert_eq!(saved.next().unwrap(), Some((Stream::Out, b"kept\n".to_vec())));
        assert_eq!(saved.next().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_file_that_is_no_saved_output_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), "X");
        std::fs::write(&path, zstd::encode_all(&[9_u8, 0, 0, 0, 1, 7][..], 1).unwrap()).unwrap();
        assert!(SavedOutput::open(&path).unwrap().next().is_err());
        std::fs::write(&path, b"no zstd at all").unwrap();
        assert!(SavedOutput::open(&path).unwrap().next().is_err());
    }
}
