//! The ways to write the keys of one JSON body that the engine reads alike.

use serde_json::{Map, Value};

/// How keys are written. A key with a word of the scene in it stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// As the schema has them.
    Plain,
    /// In lower case.
    Lower,
    /// In upper case.
    Upper,
    /// The first s as U+017F, which folds to it.
    LongS,
    /// The first k as U+212A, which folds to it.
    Kelvin,
    /// The first letter as an escape.
    Escaped,
    /// Each object twice: as it is, then empty.
    EmptyAfter,
    /// Each object twice: empty, then as it is in lower case.
    LowerAfter,
    /// Each true twice: true in lower case after false.
    FalseBefore,
    /// A second document after the first.
    Trailing,
    /// With a byte order mark.
    Marked,
}

impl Spelling {
    /// By the name that the files use.
    pub fn named(name: &str) -> Option<Spelling> {
        Some(match name {
            "plain" => Spelling::Plain,
            "lower" => Spelling::Lower,
            "upper" => Spelling::Upper,
            "long-s" => Spelling::LongS,
            "kelvin" => Spelling::Kelvin,
            "escaped" => Spelling::Escaped,
            "empty-after" => Spelling::EmptyAfter,
            "lower-after" => Spelling::LowerAfter,
            "false-before" => Spelling::FalseBefore,
            "trailing" => Spelling::Trailing,
            "marked" => Spelling::Marked,
            _ => return None,
        })
    }

    /// The body as text.
    pub fn write(self, body: &Value) -> String {
        let mut text = String::new();
        if self == Spelling::Marked {
            text.push('\u{feff}');
        }
        self.value(body, &mut text);
        if self == Spelling::Trailing {
            text.push_str(" {}");
        }
        text
    }

    fn value(self, value: &Value, text: &mut String) {
        match value {
            Value::Object(map) => self.object(map, text),
            Value::Array(list) => {
                text.push('[');
                for (n, value) in list.iter().enumerate() {
                    text.push_str(if n == 0 { "" } else { "," });
                    self.value(value, text);
                }
                text.push(']');
            }
            other => text.push_str(&other.to_string()),
        }
    }

    fn object(self, map: &Map<String, Value>, text: &mut String) {
        text.push('{');
        for (n, (key, value)) in map.iter().enumerate() {
            text.push_str(if n == 0 { "" } else { "," });
            let plain = Value::from(key.as_str()).to_string();
            let spelled = self.key(key);
            match (self, value) {
                (Spelling::EmptyAfter, Value::Object(_)) => {
                    self.member(&plain, value, text);
                    text.push_str(&format!(",{plain}:{{}}"));
                }
                (Spelling::LowerAfter, Value::Object(_)) => {
                    text.push_str(&format!("{plain}:{{}},"));
                    self.member(&plain.to_lowercase(), value, text);
                }
                (Spelling::FalseBefore, Value::Bool(true)) => {
                    text.push_str(&format!("{plain}:false,{}:true", plain.to_lowercase()));
                }
                _ => self.member(&spelled, value, text),
            }
        }
        text.push('}');
    }

    fn member(self, key: &str, value: &Value, text: &mut String) {
        text.push_str(key);
        text.push(':');
        self.value(value, text);
    }

    /// The key with its quotes.
    fn key(self, key: &str) -> String {
        let plain = Value::from(key).to_string();
        if key.contains("${") || key == "Image" {
            return plain;
        }
        match self {
            Spelling::Lower => plain.to_lowercase(),
            Spelling::Upper => plain.to_uppercase(),
            Spelling::LongS => plain.replacen(['s', 'S'], "\u{17f}", 1),
            Spelling::Kelvin => plain.replacen(['k', 'K'], "\u{212a}", 1),
            Spelling::Escaped => match key.chars().next() {
                Some(first) => plain.replacen(first, &format!("\\u{:04x}", u32::from(first)), 1),
                None => plain,
            },
            _ => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spelling;
    use serde_json::json;

    #[test]
    fn keys_are_written_in_every_way() {
        let body = json!({"HostConfig": {"Privileged": true, "Links": []}});
        let written = |name| Spelling::named(name).unwrap().write(&body);
        assert_eq!(written("plain"), r#"{"HostConfig":{"Links":[],"Privileged":true}}"#);
        assert_eq!(written("lower"), r#"{"hostconfig":{"links":[],"privileged":true}}"#);
        assert_eq!(written("long-s"), "{\"Ho\u{17f}tConfig\":{\"Link\u{17f}\":[],\"Privileged\":true}}");
        assert_eq!(written("kelvin"), "{\"HostConfig\":{\"Lin\u{212a}s\":[],\"Privileged\":true}}");
        assert_eq!(written("escaped"), r#"{"\u0048ostConfig":{"\u004cinks":[],"\u0050rivileged":true}}"#);
        assert_eq!(
            written("empty-after"),
            r#"{"HostConfig":{"Links":[],"Privileged":true},"HostConfig":{}}"#
        );
        assert_eq!(
            written("false-before"),
            r#"{"HostConfig":{"Links":[],"Privileged":false,"privileged":true}}"#
        );
    }
}
