//! What an option's value may be.

/// What an option's value may be.
#[derive(Debug, PartialEq, Eq)]
pub enum Value {
    /// Anything: a pattern, a separator, a list.
    Any,
    /// Digits.
    Number,
    /// Digits after an optional `+` or `-`, and a multiplier like `K` or `MB`.
    Count,
    /// Digits and `%` or a multiplier.
    Size,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// Multipliers that coreutils know, read whole; `f` is not among them, which `tail` would take for `--follow`.
const MULTIPLIERS: &[&str] = &[
    "", "b", "k", "kB", "K", "KB", "KiB", "m", "M", "MB", "MiB", "G", "GB", "GiB", "T", "TB", "TiB", "P",
    "PB", "PiB", "E", "EB", "EiB",
];

/// Longest number: more digits fit no 64-bit integer.
const DIGITS: usize = 18;

impl Value {
    /// Whether `value` is one.
    pub fn allows(&self, value: &str) -> bool {
        match self {
            Value::Any => true,
            Value::Number => is_number(value),
            Value::Count => {
                let unsigned = value.strip_prefix(['+', '-']).unwrap_or(value);
                counted(unsigned, MULTIPLIERS)
            }
            Value::Size => counted(value, &["", "%", "b", "K", "M", "G"]),
            Value::OneOf(list) => list.contains(&value),
        }
    }

    /// For refusals and help.
    pub fn about(&self) -> String {
        match self {
            Value::Any => "any text".into(),
            Value::Number => "a number".into(),
            Value::Count => "a number like 20, +20, -20 or 4K".into(),
            Value::Size => "a size like 50%, 512K or 64M".into(),
            Value::OneOf(list) => list.join("|"),
        }
    }
}

/// Digits, and not more than a 64-bit integer holds.
pub(super) fn is_number(text: &str) -> bool {
    (1..=DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn counted(text: &str, multipliers: &[&str]) -> bool {
    let number = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let multiplier = text.strip_prefix(number).unwrap_or_default();
    is_number(number) && multipliers.contains(&multiplier)
}
