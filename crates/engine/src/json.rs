//! A JSON reader that is stricter than Go's: what two readers could take differently is refused.
//!
//! Refused are duplicate keys, trailing data, numbers that are no 64-bit integers, more than [`MAX_DEPTH`]
//! levels, more than [`MAX_VALUES`] values, and bytes that are not UTF-8 or hold lone surrogates.

use doorward_policy::{Reason, Refusal};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::fmt;

/// Most levels of arrays and objects.
pub(crate) const MAX_DEPTH: usize = 32;
/// Most values in one document.
pub(crate) const MAX_VALUES: usize = 50_000;

/// Reads one whole document.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Refusal> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(Refusal::new(Reason::BadEncoding, "the body is not clean UTF-8"));
    }
    let left = Cell::new(MAX_VALUES);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: MAX_DEPTH, left: &left }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| Refusal::new(Reason::BadRequest, format!("the body is not strict JSON: {error}")))?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("too deeply nested"))?;
        Ok(Strict { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(D::Error::custom("too many values")),
        }
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value without fractions")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        i64::try_from(value).map(Value::from).map_err(|_| E::custom("number too large"))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Err(E::custom("number with a fraction or exponent, or too large"))
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }
    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut list = Vec::new();
        while let Some(value) = items.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_take_differently_is_refused() {
        let deep = "[".repeat(33) + &"]".repeat(33);
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            "{} {}",
            "{}x",
            "1.0",
            "1e3",
            "-0",
            "9223372036854775808",
            "1e400",
            "{\"a\":\"\\ud800\"}",
            "{'a':1}",
            "{\"a\":1,}",
            "NaN",
            "",
            " ",
            "{/**/}",
            deep.as_str(),
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"{\"a\":\"\xff\"}").is_err());
        assert!(read(b"\xef\xbb\xbf{}").is_err());
        let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
        assert!(read(many.as_bytes()).is_err());
    }

    #[test]
    fn escaped_keys_mean_what_they_spell() {
        assert_eq!(read(br#"{"Pr\u0069v":-3}"#).unwrap(), serde_json::json!({"Priv": -3}));
    }
}
