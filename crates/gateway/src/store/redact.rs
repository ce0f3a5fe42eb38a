//! Redaction of output before it is stored: line by line, in bounded memory, whatever the chunks are.

use doorward_policy::Redactor;

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
/// A longer line is of a key when it ends in so much base64: all of it on one line, or others' words before.
const KEY_TAIL: usize = 16;

/// Bytes that are looked through at once.
const MANY: usize = 64 * 1024;
const FEW: usize = 2 * 1024;

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
    /// The line before was of a private key, and much stood before that.
    key_is_prefixed: bool,
}

impl LineRedactor {
    /// Takes `bytes`; what is ready is appended to `clean`. Holds back at most one line or [`LONGEST`] bytes.
    pub(crate) fn push(&mut self, redactor: &Redactor, bytes: &[u8], clean: &mut Vec<u8>) {
        let mut rest = bytes;
        if !self.held.is_empty() || self.dropping {
            let Some((line, after)) = first_line(rest) else { return self.hold(redactor, rest, clean) };
            self.end_line(redactor, line, clean);
            clean.push(b'\n');
            rest = after;
        }
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end.saturating_add(1));
        let (lines, begun) = rest.split_at(whole);
        self.put_lines(redactor, lines, &[MANY, FEW], clean);
        self.hold(redactor, begun, clean);
    }

    /// The begin of a line.
    fn hold(&mut self, redactor: &Redactor, begun: &[u8], clean: &mut Vec<u8>) {
        if !self.dropping {
            self.held.extend_from_slice(begun);
            if self.held.len() > LONGEST {
                self.split(redactor, clean);
            }
        }
    }

    /// Whole lines, with their ends, in blocks of about the first of `sizes`: a block is looked through at once,
    /// and only where there is something in it in smaller ones, and at last line by line.
    fn put_lines(&mut self, redactor: &Redactor, lines: &[u8], sizes: &[usize], clean: &mut Vec<u8>) {
        let (size, smaller) = sizes.split_first().map_or((0, sizes), |(size, smaller)| (*size, smaller));
        let mut rest = lines;
        while !rest.is_empty() {
            let (block, after) = rest.split_at(block_end(rest, size));
            rest = after;
            if self.key_lines == 0 && is_clean(redactor, block) {
                clean.extend_from_slice(block);
            } else if size > 0 {
                self.put_lines(redactor, block, smaller, clean);
            } else {
                self.put_line(redactor, block.strip_suffix(b"\n").unwrap_or(block), clean);
                clean.push(b'\n');
            }
        }
    }

    /// The end of the stream: gives out what is held.
    pub(crate) fn finish(&mut self, redactor: &Redactor, clean: &mut Vec<u8>) {
        self.end_line(redactor, &[], clean);
    }

    fn end_line(&mut self, redactor: &Redactor, line: &[u8], clean: &mut Vec<u8>) {
        if std::mem::take(&mut self.dropping) {
            return;
        }
        if self.held.is_empty() {
            self.put_line(redactor, line, clean);
        } else {
            self.held.extend_from_slice(line);
            let held = std::mem::take(&mut self.held);
            self.put_line(redactor, &held, clean);
        }
    }

    /// A private key is the one secret that is known to span lines: its lines are left out up to its end.
    fn put_line(&mut self, redactor: &Redactor, line: &[u8], clean: &mut Vec<u8>) {
        if self.key_lines > 0 {
            let ends = contains(line, KEY_END);
            let tail = base64_tail(line);
            let least = if self.key_is_prefixed { 1 } else { KEY_TAIL };
            let within = line.len() <= KEY_LINE || tail >= least;
            self.key_is_prefixed = line.len() > KEY_LINE && tail > 0;
            self.key_lines = if ends || !within { 0 } else { self.key_lines.saturating_sub(1) };
            if ends || within {
                return;
            }
        }
        if contains(line, KEY_BEGIN) && contains(line, KEY_NAME) {
            self.key_lines = if contains(line, KEY_END) { 0 } else { KEY_LINES };
            self.key_is_prefixed = false;
            clean.extend_from_slice(b"[redacted: a private key]");
            return;
        }
        clean.extend_from_slice(&redact_bytes(redactor, line));
    }

    /// Gives out the front of an overlong line, cut where no match spans the cut: there, redacting both
    /// sides gives the same as redacting the whole.
    fn split(&mut self, redactor: &Redactor, clean: &mut Vec<u8>) {
        if self.key_lines > 0 {
            return self.drop_rest(clean);
        }
        let whole = redact_bytes(redactor, &self.held);
        for overlap in [OVERLAP, OVERLAP * 2, OVERLAP * 4, OVERLAP * 8] {
            let cut = char_start(&self.held, self.held.len().saturating_sub(overlap));
            let (front, back) = self.held.split_at(cut);
            let redacted = redact_bytes(redactor, front);
            let same = whole
                .strip_prefix(redacted.as_slice())
                .is_some_and(|end| end == redact_bytes(redactor, back));
            if same {
                clean.extend_from_slice(&redacted);
                self.held.drain(..cut);
                return;
            }
        }
        self.drop_rest(clean);
    }

    fn drop_rest(&mut self, clean: &mut Vec<u8>) {
        clean.extend_from_slice(DROPPED);
        self.held = Vec::new();
        self.dropping = true;
    }
}

fn first_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, after) = bytes.split_at(end);
    Some((line, after.get(1..).unwrap_or_default()))
}

/// Where the line ends that has the byte `size`, or the first line of all.
fn block_end(lines: &[u8], size: usize) -> usize {
    let from = size.min(lines.len());
    let end = lines.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n'));
    end.map_or(lines.len(), |end| from.saturating_add(end).saturating_add(1))
}

/// Whether it is sure that nothing in these lines is to be taken out. Only ASCII: patterns with word boundaries are
/// slow on other text, and looking at it once more as a block would cost more than it saves.
fn is_clean(redactor: &Redactor, lines: &[u8]) -> bool {
    let text = if lines.is_ascii() { std::str::from_utf8(lines).ok() } else { None };
    text.is_some_and(|text| redactor.is_clean(text) && !text.contains("-----BEGIN "))
}

/// How long the base64 is that a line ends in, before quotes, commas and escapes.
fn base64_tail(line: &[u8]) -> usize {
    let end =
        line.iter().rposition(|byte| !matches!(byte, b'"' | b'\'' | b',' | b'\\' | b' ' | b'\r' | b'\t'));
    let line = line.get(..end.map_or(0, |end| end.saturating_add(1))).unwrap_or_default();
    line.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte)).count()
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
fn redact_bytes(redactor: &Redactor, bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    match redactor.redact(&text) {
        std::borrow::Cow::Owned(redacted) if redacted != text => redacted.into_bytes(),
        _ => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorward_policy::Runs;
    use proptest::prelude::*;

    fn redactor() -> Redactor {
        let patterns = [r"(?i)(token|password|secret)[=: ]+\S+", "^From", "End$"];
        let redact = patterns.map(|pattern| regex::Regex::new(pattern).unwrap()).to_vec();
        Redactor::new(&Runs { keep_days: 1, keep_size: 1, redact })
    }

    fn in_chunks(input: &[u8], size: usize) -> Vec<u8> {
        let (mut redactor, mut clean, patterns) = (LineRedactor::default(), Vec::new(), redactor());
        input.chunks(size.max(1)).for_each(|chunk| redactor.push(&patterns, chunk, &mut clean));
        redactor.finish(&patterns, &mut clean);
        clean
    }

    /// Each line by itself, whatever it holds.
    fn line_by_line(input: &[u8]) -> Vec<u8> {
        let (mut redactor, mut clean, patterns) = (LineRedactor::default(), Vec::new(), redactor());
        let lines: Vec<_> = input.split(|byte| *byte == b'\n').collect();
        for (place, line) in lines.iter().enumerate() {
            if place > 0 {
                clean.push(b'\n');
            }
            redactor.put_line(&patterns, line, &mut clean);
        }
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
    fn a_private_key_is_left_out_however_long_its_lines_are() {
        let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
        let (body, prefix) = ("c2VjcmV0K2tleS9ieXRlcw".repeat(20), "Nov 24 03:00:00 host app[1]: ".repeat(6));
        let inputs = [
            format!("{begin}\n{body}==\n{end}\nafter\n"),
            format!("{begin}\\n{body}\\n{end}\\n\nafter\n"),
            format!(
                "{prefix}{begin}\n{prefix}{}\n{prefix}c2Vj\n{prefix}{end}\nafter\n",
                "c2VjcmV0K2tleS9ieXRlcw".repeat(3)
            ),
            format!("{begin}\n\"{body}\",\n{end}\nafter\n"),
        ];
        for input in inputs {
            for size in [1, 50, 100_000] {
                let text = String::from_utf8(in_chunks(input.as_bytes(), size)).unwrap();
                assert!(!text.contains("c2Vj"), "{text}");
                assert!(text.ends_with("\nafter\n"), "{text}");
            }
        }
    }

    #[test]
    fn what_only_begins_like_a_private_key_does_not_swallow_the_output() {
        let prose = "words of prose. ".repeat(KEY_LINE / 8);
        let input = format!("-----BEGIN PRIVATE KEY-----\nshort\n{prose}\nshort\n");
        let text = String::from_utf8(in_chunks(input.as_bytes(), 50)).unwrap();
        assert!(text.contains(prose.trim()) && text.ends_with("\nshort\n"), "{text}");
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
        let (mut redactor, mut clean, patterns) = (LineRedactor::default(), Vec::new(), redactor());
        for _ in 0..200 {
            redactor.push(&patterns, &[b'z'; 4096], &mut clean);
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
        fn blocks_are_redacted_as_their_lines_are(
            lines in prop::collection::vec(prop::sample::select(vec![
                "plain", "", "password=x y", "From a", "x From", "the End", "End it", "token", "= x", "\u{fc}", "sec",
                "-----BEGIN PRIVATE KEY-----", "c2VjcmV0", "-----END PRIVATE KEY-----",
                "a line of more words than the others have, so that blocks of few lines end at several places",
            ]), 0..120),
            repeat in 1_usize..6,
            size in 1_usize..9000,
        ) {
            let input = lines.join("\n").repeat(repeat);
            prop_assert_eq!(in_chunks(input.as_bytes(), size), line_by_line(input.as_bytes()));
        }

        #[test]
        fn what_holds_no_secret_is_unchanged(input in "[a-n0-9 \n]{0,400}", size in 1_usize..40) {
            prop_assert_eq!(in_chunks(input.as_bytes(), size), input.as_bytes());
        }
    }
}
