//! Paths and queries: decoded once, encoded canonically.

use doorward_policy::{Reason, Refusal};

/// Decodes `%XX` once. `plus` says whether `+` is a space, as in a query.
pub(crate) fn decode(text: &str, plus: bool) -> Result<String, Refusal> {
    let bad =
        || Refusal::new(Reason::BadEncoding, "the request's path or query is not cleanly percent-encoded");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let high = rest.next().and_then(hex).ok_or_else(bad)?;
                let low = rest.next().and_then(hex).ok_or_else(bad)?;
                high << 4 | low
            }
            b'+' if plus => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// Percent-encodes all but unreserved characters; `keep` adds some that may stand (like `/` and `:`).
pub(crate) fn encode(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = char::from(byte);
        if plain.is_ascii_alphanumeric()
            || "-._~".contains(plain)
            || (byte.is_ascii() && keep.contains(plain))
        {
            out.push(plain);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Whether a decoded path is already what cleaning would make of it: absolute, no empty, `.` or `..`
/// component, no trailing slash, no control characters.
pub(crate) fn is_clean(path: &str) -> bool {
    match path.strip_prefix('/') {
        Some(rest) => {
            rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
                && !path.chars().any(|c| c.is_control() || c == '\\')
        }
        None => false,
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_done_once_and_strictly() {
        assert_eq!(decode("a%2Fb%252F+", false).unwrap(), "a/b%2F+");
        assert_eq!(decode("a+b", true).unwrap(), "a b");
        for bad in ["%", "%2", "%zz", "%ff", "a%c3"] {
            assert!(decode(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_clean_paths_are_clean() {
        for dirty in ["", "x", "/", "//x", "/x/", "/./x", "/a/../x", "/a//b", "/a\0", "/a\n", "/a\\b"] {
            assert!(!is_clean(dirty), "{dirty}");
        }
        assert!(is_clean("/containers/a:b/json"));
    }

    #[test]
    fn encoding_leaves_nothing_that_could_end_a_header_line() {
        assert_eq!(encode("a b\r\n/é:?", "/:"), "a%20b%0D%0A/%C3%A9:%3F");
    }
}
