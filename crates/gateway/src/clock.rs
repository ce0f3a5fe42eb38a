//! Times and sizes, as they are stored and as people read them.

use jiff::Timestamp;

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// `2026-01-31 23:59:59`, UTC.
pub(crate) fn shown(millis: i64) -> String {
    Timestamp::from_millisecond(millis)
        .map_or_else(|_| "?".into(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// `64 MiB`, `1.5 GiB`, `12 bytes`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
        None => format!("{bytes} bytes"),
        Some((unit, name)) => {
            let (whole, rest) = (bytes / unit, bytes % unit);
            match rest.saturating_mul(10) / unit {
                0 => format!("{whole} {name}"),
                tenths => format!("{whole}.{tenths} {name}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_a_policy_writes_them() {
        let cases = [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (64 << 20, "64 MiB")];
        for (bytes, shown) in cases {
            assert_eq!(size(bytes), shown);
        }
        assert_eq!(size(u64::MAX), "17179869183.9 GiB");
    }

    #[test]
    fn times_are_shown_in_utc() {
        assert_eq!(shown(0), "1970-01-01 00:00:00");
        assert_eq!(shown(i64::MAX), "?");
    }
}
