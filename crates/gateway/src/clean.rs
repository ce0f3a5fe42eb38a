//! Control and escape sequences, taken out of what commands write: a log's author must not be able to act on
//! the reader's terminal, to hide text from an agent, or to hide a secret from the patterns that redact.
//!
//! What comes out is valid UTF-8 without any [hidden](is_hidden) character but tab and newline, whatever
//! went in and however it was cut. Clean text comes out as it is, byte for byte.

use doorward_policy::is_hidden;

/// A sequence that has not ended after so many bytes ends there: one that is never ended must not swallow
/// what follows. A line's end ends it as well.
const LONGEST_SEQUENCE: u32 = 4096;
/// Text is looked at in windows of so many bytes: a sequence after every character must not make the whole
/// rest be looked at again each time.
const WINDOW: usize = 128;
/// Stands for bytes that are no UTF-8, one for each part that could have been a character.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// Where in a sequence the stream is. Source: ECMA-48, 5th edition, sections 5.3 to 5.6; that BEL ends a
/// string is xterm's.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In none.
    #[default]
    Text,
    /// After ESC and perhaps intermediate bytes.
    Escape,
    /// After the introducer of a control sequence (CSI).
    Control,
    /// In a command or device string (OSC, DCS, APC, PM, SOS).
    String,
    /// There, after the first of the two bytes of ST as a C1 character.
    StringEnd,
}

/// Cleans one stream.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    state: State,
    /// Bytes of the sequence so far.
    length: u32,
    /// The begin of a character whose rest has not come.
    held: Vec<u8>,
    /// The last thing given out stands for a carriage return: a newline after it is the same line's end.
    after_return: bool,
    taken: u64,
    kept: u64,
}

impl Cleaner {
    /// Takes `bytes`; what is clean is appended to `out`. Holds back at most three bytes.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.taken = self.taken.saturating_add(length(bytes));
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.state {
                State::Text => self.text(rest, out),
                _ => self.sequence(rest),
            };
        }
    }

    /// The end of the stream: gives out what is held.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.replace_held(out);
        self.state = State::Text;
    }

    /// Bytes taken out or replaced so far.
    pub(crate) fn removed(&self) -> u64 {
        self.taken.saturating_sub(self.kept).saturating_sub(length(&self.held))
    }

    /// Text up to the next control byte or the begin of a sequence; gives what is left.
    fn text<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        if !self.held.is_empty() {
            return self.join_held(bytes, out);
        }
        let window = bytes.get(..WINDOW).unwrap_or(bytes);
        let (plain, _) = window.split_at(first_control(window));
        if plain.is_empty() {
            return self.control(bytes, out);
        }
        let done = if plain.is_ascii() {
            self.give(plain, out);
            plain.len()
        } else {
            self.characters(plain, plain.len() == bytes.len(), out)
        };
        bytes.get(done..).unwrap_or_default()
    }

    /// One control byte of ASCII.
    fn control<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        let Some((byte, rest)) = bytes.split_first() else { return bytes };
        match *byte {
            ESC => self.enter(State::Escape),
            // It would write over the line: what it hides is shown as a line of its own.
            b'\r' if !self.after_return => {
                out.push(b'\n');
                self.after_return = true;
            }
            _ => {}
        }
        rest
    }

    /// Text that is not ASCII alone; gives how many of its bytes are done with: all, up to the begin of a
    /// sequence, or up to a character that the window cut. The stream's `last` bytes may be one that is held.
    fn characters(&mut self, bytes: &[u8], last: bool, out: &mut Vec<u8>) -> usize {
        let (text, bad) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => (valid_part(bytes, error.valid_up_to()), Some(error.error_len())),
        };
        let mut given = 0;
        for (at, hidden) in text.char_indices().filter(|(_, c)| is_hidden(*c) && !matches!(c, '\t' | '\n')) {
            self.give(bytes.get(given..at).unwrap_or_default(), out);
            given = at.saturating_add(hidden.len_utf8());
            self.enter(introduced_by(hidden));
            if self.state != State::Text {
                return given;
            }
        }
        self.give(bytes.get(given..text.len()).unwrap_or_default(), out);
        let left = bytes.len().saturating_sub(text.len());
        match bad {
            None => bytes.len(),
            Some(None) if last => {
                self.held = bytes.get(text.len()..).unwrap_or_default().to_vec();
                bytes.len()
            }
            Some(None) if bytes.len() == WINDOW => text.len(),
            Some(wrong) => {
                self.replace(out);
                text.len().saturating_add(wrong.unwrap_or(left))
            }
        }
    }

    /// Goes on with a character that was cut.
    fn join_held<'b>(&mut self, bytes: &'b [u8], out: &mut Vec<u8>) -> &'b [u8] {
        let Some((byte, rest)) = bytes.split_first() else { return bytes };
        self.held.push(*byte);
        let held = std::mem::take(&mut self.held);
        match std::str::from_utf8(&held) {
            Ok(_) => {
                self.characters(&held, true, out);
                rest
            }
            Err(error) if error.error_len().is_none() => {
                self.held = held;
                rest
            }
            // The byte is not of this character: it begins something new.
            Err(_) => {
                self.replace(out);
                bytes
            }
        }
    }

    /// One byte of a sequence. A byte that cannot be of it ends it, and is looked at again as text.
    fn sequence<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some((byte, rest)) = bytes.split_first() else { return bytes };
        self.length = self.length.saturating_add(1);
        let next = if self.length > LONGEST_SEQUENCE { None } else { step(self.state, *byte) };
        match next {
            Some(state) => self.state = state,
            None => self.state = State::Text,
        }
        match (next, *byte) {
            (None, _) => bytes,
            (Some(_), ESC) => {
                self.enter(State::Escape);
                rest
            }
            (Some(_), _) => rest,
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.length = 0;
    }

    fn give(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let new = match bytes.split_first() {
            Some((b'\n', after)) if self.after_return => after,
            _ => bytes,
        };
        if !bytes.is_empty() {
            self.after_return = false;
        }
        self.kept = self.kept.saturating_add(length(bytes));
        out.extend_from_slice(new);
    }

    fn replace(&mut self, out: &mut Vec<u8>) {
        self.after_return = false;
        out.extend_from_slice(REPLACEMENT);
    }

    fn replace_held(&mut self, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.held).is_empty() {
            self.replace(out);
        }
    }
}

/// The state after one more byte of a sequence; `None`: the byte is not of it.
fn step(state: State, byte: u8) -> Option<State> {
    match (state, byte) {
        (_, b'\n' | b'\r') => None,
        (_, CAN | SUB) => Some(State::Text),
        (_, ESC) => Some(State::Escape),
        (State::Text, _) => None,
        (State::Escape, b'[') => Some(State::Control),
        (State::Escape, b']' | b'P' | b'_' | b'^' | b'X') => Some(State::String),
        (State::Escape, 0x20..=0x2f) => Some(State::Escape),
        (State::Escape, 0x30..=0x7e) => Some(State::Text),
        (State::Escape, _) => None,
        (State::Control, 0x20..=0x3f) => Some(State::Control),
        (State::Control, 0x40..=0x7e) => Some(State::Text),
        (State::Control, _) => None,
        (State::String | State::StringEnd, BEL) | (State::StringEnd, 0x9c) => Some(State::Text),
        (State::String | State::StringEnd, 0xc2) => Some(State::StringEnd),
        (State::String | State::StringEnd, _) => Some(State::String),
    }
}

/// What a hidden character begins: C1 controls are introducers as well.
fn introduced_by(hidden: char) -> State {
    match hidden {
        '\u{9b}' => State::Control,
        '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => State::String,
        _ => State::Text,
    }
}

/// Where the first control byte of ASCII is that is neither tab nor newline; the length without one.
fn first_control(window: &[u8]) -> usize {
    // The fold has no way out half-way, so the compiler looks at many bytes at once.
    match window.iter().fold(false, |any, byte| any | is_control(*byte)) {
        false => window.len(),
        true => window.iter().position(|byte| is_control(*byte)).unwrap_or(window.len()),
    }
}

fn is_control(byte: u8) -> bool {
    ((byte < 0x20) & (byte != b'\t') & (byte != b'\n')) | (byte == 0x7f)
}

fn valid_part(bytes: &[u8], end: usize) -> &str {
    bytes.get(..end).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default()
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_chunks(input: &[u8], size: usize) -> (Vec<u8>, u64) {
        let (mut cleaner, mut out) = (Cleaner::default(), Vec::new());
        input.chunks(size.max(1)).for_each(|chunk| cleaner.push(chunk, &mut out));
        cleaner.finish(&mut out);
        (out, cleaner.removed())
    }

    fn cleaned(input: &[u8]) -> String {
        String::from_utf8(in_chunks(input, usize::MAX).0).unwrap()
    }

    #[test]
    fn sequences_go_and_the_text_around_them_stays() {
        let cases: &[(&str, &str)] = &[
            ("a\x1b[31;1mred\x1b[0m b", "ared b"),
            ("a\x1b[?25l\x1b[2Kb", "ab"),
            ("a\x1b]0;title\x07b", "ab"),
            ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
            ("a\x1bPq#0;1\x1b\\b\x1b_apc\x1b\\c\x1b^pm\x1b\\d\x1bXsos\x1b\\e", "abcde"),
            ("a\x1b(Bb\x1b#8c\x1b7d\x1bce", "abcde"),
            ("a\u{9b}31mb\u{9d}0;title\u{9c}c", "abc"),
            ("a\u{85}b\u{200b}c\u{202e}d\u{2066}e\u{feff}f\u{e0041}g\u{2028}h", "abcdefgh"),
            ("pass\u{ad}wo\u{200d}rd\u{fe0f}\u{e0100}\u{34f}=x\u{3164}\u{fff9}\u{115f}", "password=x"),
            ("a\0b\x08c\x07d\x7fe\x0bf\x0cg", "abcdefg"),
            ("tab\tand\nnewline and ünïcödé 🦀 stay", "tab\tand\nnewline and ünïcödé 🦀 stay"),
        ];
        for (input, wanted) in cases {
            assert_eq!(cleaned(input.as_bytes()), *wanted, "{input:?}");
        }
    }

    #[test]
    fn returns_end_lines_so_that_nothing_is_written_over() {
        let cases: &[(&str, &str)] = &[
            ("one\r\ntwo\r\n", "one\ntwo\n"),
            ("pwned\rnothing here\n", "pwned\nnothing here\n"),
            ("10%\r50%\r100%\n", "10%\n50%\n100%\n"),
            ("a\r\r\nb", "a\nb"),
            ("a\r\x1b[K\nb\n\nc", "a\nb\n\nc"),
        ];
        for (input, wanted) in cases {
            assert_eq!(cleaned(input.as_bytes()), *wanted, "{input:?}");
        }
    }

    #[test]
    fn a_sequence_without_an_end_swallows_no_more_than_its_line() {
        assert_eq!(cleaned(b"a\x1b]0;no end\nb"), "a\nb");
        assert_eq!(cleaned(b"a\x1b[12\nb"), "a\nb");
        assert_eq!(cleaned(b"a\x1b\nb\x1b"), "a\nb");
        assert_eq!(cleaned(b"a\x1b]0;x\x18b\x1b[1\x1ac"), "abc");
        assert_eq!(cleaned(b"a\x1b]no end\x1b[31mb"), "ab");
        let endless = ["\x1bP".as_bytes(), &vec![b'x'; 10_000]].concat();
        assert_eq!(cleaned(&endless).len(), 10_001 - usize::try_from(LONGEST_SEQUENCE).unwrap());
        let nested = "\x1b]x".repeat(5000) + "\nend";
        assert_eq!(cleaned(nested.as_bytes()), "\nend");
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced_and_act_on_nothing() {
        assert_eq!(cleaned(b"a\x9b31mb\xff\xfec"), "a\u{fffd}31mb\u{fffd}\u{fffd}c");
        assert_eq!(cleaned(b"caf\xe9 ok"), "caf\u{fffd} ok");
        assert_eq!(cleaned(b"cut \xf0\x9f\xa6"), "cut \u{fffd}");
        assert_eq!(cleaned(b"\xe2\x80\x1b[m\x8e"), "\u{fffd}\u{fffd}");
        assert_eq!(cleaned(b"\xef\x1b[m\xbb\xbf"), "\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn what_was_taken_out_is_counted() {
        assert_eq!(in_chunks("plain ü\n".as_bytes(), 3).1, 0);
        assert_eq!(in_chunks(b"a\x1b[31mb\r\n\xff", 2).1, 5 + 1 + 1);
    }

    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            4 => prop::sample::select(vec![
                "\x1b", "[", "]", "\\", "\x07", "\r", "\n", "\t", "m", "3", ";", "\u{9b}", "\u{9c}", "\u{9d}",
                "\u{202e}", "\u{feff}", "ü", "🦀", "P", "(", "\x18", "\0",
            ]).prop_map(|text| text.as_bytes().to_vec()),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
            1 => prop::sample::select(vec![0x80_u8, 0x9b, 0x9c, 0xc2, 0xe2, 0xef, 0xf0, 0xbb, 0xbf])
                .prop_map(|byte| vec![byte]),
        ];
        prop::collection::vec(part, 0..200).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(input in hostile(), size in 1_usize..9) {
            prop_assert_eq!(in_chunks(&input, size), in_chunks(&input, usize::MAX));
        }

        #[test]
        fn what_comes_out_is_clean_and_stays_as_it_is(input in hostile()) {
            let text = cleaned(&input);
            prop_assert!(!text.chars().any(|c| is_hidden(c) && !matches!(c, '\t' | '\n')), "{:?}", text);
            prop_assert_eq!(cleaned(text.as_bytes()), text);
        }

        #[test]
        fn clean_text_is_unchanged(text in "[ -~\t\näß中🦀\u{a0}]{0,300}", size in 1_usize..40) {
            prop_assert_eq!(in_chunks(text.as_bytes(), size), (text.into_bytes(), 0));
        }
    }
}
