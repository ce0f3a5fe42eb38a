//! Redaction of output before it is stored: line by line, in bounded memory, whatever the chunks are.

use doorward_policy::Runs;

/// A line is looked through as a whole up to here; a longer one in pieces.
const LONGEST: usize = 64 * 1024;
/// Bytes at the end of a piece that are looked through again with the next piece.
const OVERLAP: usize = 4 * 1024;
/// Stands for what could not be looked through.
const DROPPED: &[u8] = b"[redacted: the rest of a line too long to look through]";

/// How a private key begins and ends in its text form (RFC 7468), and how long its lines and how many they
/// are at most.
const KEY_BEGIN: &[u8] = b"-----BEGIN ";
const KEY_NAME: &[u8] = b"PRIVATE KEY";
const KEY_END: &[u8] = b"-----END ";
const KEY_LINE: usize = 128;
const KEY_LINES: usize = 1000;

/// Redacts one stream.
///
/// Invariant: nothing leaves before every pattern was tried on a window of at least [`OVERLAP`] bytes around
/// it, or on its whole line. Where a match would span two pieces, the rest of the line is dropped instead.
#[derive(Debug, Default)]
pub(crate) struct LineRedactor {
    held: Vec<u8>,
    dropping: bool,
    /// Lines of a private key that may still come.
    key_lines: usize,
}

impl LineRedactor {
    /// Takes `bytes`; what is ready is appended to `clean`. Holds back at most one line or [`LONGEST`] bytes.
    pub(crate) fn push(&mut self, runs: &Runs, bytes: &[u8], clean: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.end_line(runs, line, clean);
            clean.push(b'\n');
            rest = after.get(1..).unwrap_or_default();
        }
        if !self.dropping {
            self.held.extend_from_slice(rest);
            if self.held.len() > LONGEST {
                self.split(runs, clean);
            }
        }
    }

    /// The end of the stream: gives out what is held.
    pub(crate) fn finish(&mut self, runs: &Runs, clean: &mut Vec<u8>) {
        self.end_line(runs, &[], clean);
    }

    fn end_line(&mut self, runs: &Runs, line: &[u8], clean: &mut Vec<u8>) {
        if std::mem::take(&mut self.dropping) {
            return;
        }
        if self.held.is_empty() {
            self.put_line(runs, line, clean);
        } else {
            self.held.extend_from_slice(line);
            let held = std::mem::take(&mut self.held);
            self.put_line(runs, &held, clean);
        }
    }

    /// A private key is the one secret that is known to span lines: its lines are left out up to its end.
    fn put_line(&mut self, runs: &Runs, line: &[u8], clean: &mut Vec<u8>) {
        if self.key_lines > 0 {
            let ends = contains(line, KEY_END);
            self.key_lines = if ends || line.len() > KEY_LINE { 0 } else { self.key_lines.saturating_sub(1) };
            if ends || line.len() <= KEY_LINE {
                return;
            }
        }
        if contains(line, KEY_BEGIN) && contains(line, KEY_NAME) {
            self.key_lines = KEY_LINES;
            clean.extend_from_slice(b"[redacted: a private key]");
            return;
        }
        clean.extend_from_slice(&redact_bytes(runs, line));
    }

    /// Gives out the front of an overlong line, cut where no match spans the cut: there, redacting both
    /// sides gives the same as redacting the whole.
    fn split(&mut self, runs: &Runs, clean: &mut Vec<u8>) {
        let whole = redact_bytes(runs, &self.held);
        for overlap in [OVERLAP, OVERLAP * 2, OVERLAP * 4, OVERLAP * 8] {
            let cut = char_start(&self.held, self.held.len().saturating_sub(overlap));
            let (front, back) = self.held.split_at(cut);
            let redacted = redact_bytes(runs, front);
            let same =
                whole.strip_prefix(redacted.as_slice()).is_some_and(|end| end == redact_bytes(runs, back));
            if same {
                clean.extend_from_slice(&redacted);
                self.held.drain(..cut);
                return;
            }
        }
        clean.extend_from_slice(DROPPED);
        self.held = Vec::new();
        self.dropping = true;
    }
}

fn contains(line: &[u8], part: &[u8]) -> bool {
    line.windows(part.len()).any(|window| window == part)
}

/// The nearest position at or before `at` that is no continuation byte of UTF-8.
fn char_start(bytes: &[u8], at: usize) -> usize {
    let back = (0..4).find(|back| {
        let byte = at.checked_sub(*back).and_then(|place| bytes.get(place));
        byte.is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000)
    });
    at.saturating_sub(back.unwrap_or(0))
}

/// Bytes that are not UTF-8 stay as they are unless a pattern matches their readable form.
fn redact_bytes(runs: &Runs, bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    match runs.redact(&text) {
        std::borrow::Cow::Owned(redacted) if redacted != text => redacted.into_bytes(),
        _ => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs() -> Runs {
        let pattern = regex::Regex::new(r"(?i)(token|password|secret)[=: ]+\S+").unwrap();
        Runs { keep_days: 1, keep_size: 1, redact: vec![pattern] }
    }

    fn in_chunks(input: &[u8], size: usize) -> Vec<u8> {
        let (mut redactor, mut clean) = (LineRedactor::default(), Vec::new());
        input.chunks(size.max(1)).for_each(|chunk| redactor.push(&runs(), chunk, &mut clean));
        redactor.finish(&runs(), &mut clean);
        clean
    }

    #[test]
    fn a_secret_is_redacted_wherever_the_chunks_are_cut() {
        let input = b"before\npassword: hunter2 after\nlast";
        for size in 1..=input.len() {
            let text = String::from_utf8(in_chunks(input, size)).unwrap();
            assert_eq!(text, "before\n[redacted] after\nlast", "chunks of {size}");
        }
    }

    #[test]
    fn a_private_key_is_left_out_to_its_end() {
        let body = "c2VjcmV0IGtleSBieXRlcyBvZiBhIHRlc3Q";
        let input = format!(
            "a\n-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n{body}==\n-----END OPENSSH PRIVATE KEY-----\nb\n"
        );
        for size in [1, 7, 1000] {
            let text = String::from_utf8(in_chunks(input.as_bytes(), size)).unwrap();
            assert!(!text.contains(body), "{text}");
            assert!(text.starts_with("a\n[redacted: a private key]\n") && text.ends_with("b\n"), "{text}");
        }
    }

    #[test]
    fn what_only_begins_like_a_private_key_does_not_swallow_the_output() {
        let prose = "x".repeat(KEY_LINE + 1);
        let input = format!("-----BEGIN PRIVATE KEY-----\nshort\n{prose}\nshort\n");
        let text = String::from_utf8(in_chunks(input.as_bytes(), 50)).unwrap();
        assert!(text.contains(&prose) && text.ends_with("\nshort\n"), "{text}");
    }

    #[test]
    fn a_secret_across_pieces_of_an_overlong_line_is_redacted() {
        for at in [LONGEST - OVERLAP - 12, LONGEST - OVERLAP - 3, LONGEST - 6, LONGEST - 1] {
            let mut input = vec![b'x'; at];
            input.extend_from_slice(b" password: hunter2 ");
            input.extend(vec![b'y'; LONGEST]);
            let text = String::from_utf8(in_chunks(&input, 1000)).unwrap();
            assert!(!text.contains("hunter2"), "secret at {at}");
            assert!(text.contains("[redacted] yyy"), "secret at {at}");
            assert!(text.starts_with("xxx") && text.len() < input.len());
        }
    }

    #[test]
    fn the_rest_of_a_line_is_dropped_when_a_secret_is_longer_than_a_piece() {
        let mut input = b"token=".to_vec();
        input.extend(vec![b'k'; LONGEST * 3]);
        input.extend_from_slice(b"\nnext\n");
        let text = String::from_utf8(in_chunks(&input, 4096)).unwrap();
        assert!(!text.contains("kkk"));
        assert!(text.ends_with("\nnext\n"));
    }

    #[test]
    fn memory_is_bounded_whatever_the_line() {
        let (mut redactor, mut clean) = (LineRedactor::default(), Vec::new());
        for _ in 0..200 {
            redactor.push(&runs(), &[b'z'; 4096], &mut clean);
            assert!(redactor.held.len() <= LONGEST + 4096);
        }
    }

    #[test]
    fn bytes_that_are_not_text_stay_as_they_are() {
        let input = [0xff, 0xfe, b'\n', 0x80, b'a', b'\n'];
        assert_eq!(in_chunks(&input, 3), input);
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            input in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'='), any::<u8>()], 0..300),
            size in 1_usize..40,
        ) {
            prop_assert_eq!(in_chunks(&input, size), in_chunks(&input, usize::MAX));
        }

        #[test]
        fn what_holds_no_secret_is_unchanged(input in "[a-n0-9 \n]{0,400}", size in 1_usize..40) {
            prop_assert_eq!(in_chunks(input.as_bytes(), size), input.as_bytes());
        }
    }
}
