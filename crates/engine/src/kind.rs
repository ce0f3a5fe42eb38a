//! Types of body fields, and the reading of a value as one.

use crate::fields::Field;
use crate::query::shown;
use doorward_policy::{Reason, Refusal};
use serde_json::{Map, Value};

/// What a field's value must look like. `null` counts as absent everywhere, as it does for the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number in this range.
    Int(i64, i64),
    /// Text without control characters, of at most so many bytes.
    Word(usize),
    /// Any text without NUL, of at most so many bytes.
    Text(usize),
    /// An object without fields.
    Nothing,
    /// A list of at most so many.
    List(&'static Kind, usize),
    /// An object with free keys, at most so many.
    Map(&'static Kind, usize),
    /// An object with exactly these fields.
    Object(&'static [Field]),
}

/// Longest key of a map, in bytes.
const MAX_KEY: usize = 512;

impl Kind {
    /// The value with absent parts left out, or a refusal that names the place.
    pub(crate) fn read(&self, value: Value, path: &str) -> Result<Value, Refusal> {
        match (self, value) {
            (Kind::Flag, value @ Value::Bool(_)) => Ok(value),
            (Kind::Int(least, most), Value::Number(number)) => match number.as_i64() {
                Some(whole) if (*least..=*most).contains(&whole) => Ok(Value::from(whole)),
                _ => Err(bad(path, &format!("must be a whole number from {least} to {most}"))),
            },
            (Kind::Word(most), Value::String(text)) => match text.chars().any(char::is_control) {
                true => {
                    Err(Refusal::new(Reason::BadEncoding, format!("{path} holds control characters"))
                        .path(path))
                }
                false => sized(text, *most, path),
            },
            (Kind::Text(most), Value::String(text)) => match text.contains('\0') {
                true => Err(Refusal::new(Reason::BadEncoding, format!("{path} holds a NUL")).path(path)),
                false => sized(text, *most, path),
            },
            (Kind::Nothing, Value::Object(map)) if map.is_empty() => Ok(Value::Object(map)),
            (Kind::List(kind, most), Value::Array(list)) => read_list(kind, *most, list, path),
            (Kind::Map(kind, most), Value::Object(map)) => read_map(kind, *most, map, path),
            (Kind::Object(fields), Value::Object(map)) => read_object(fields, map, path),
            (kind, _) => Err(bad(path, &format!("must be {}", kind.name()))),
        }
    }

    /// For messages and the documentation.
    pub(crate) fn name(&self) -> String {
        match self {
            Kind::Flag => "true or false".into(),
            Kind::Int(i64::MIN, i64::MAX) => "a whole number".into(),
            Kind::Int(least, i64::MAX) => format!("a whole number from {least}"),
            Kind::Int(least, most) => format!("a whole number {least}..{most}"),
            Kind::Word(_) | Kind::Text(_) => "text".into(),
            Kind::Nothing => "an empty object".into(),
            Kind::List(kind, _) => format!("a list of {}", kind.plural()),
            Kind::Map(kind, _) => format!("an object whose values are {}", kind.plural()),
            Kind::Object(_) => "an object".into(),
        }
    }

    fn plural(&self) -> String {
        match self {
            Kind::Word(_) | Kind::Text(_) => "texts".into(),
            Kind::Nothing => "empty objects".into(),
            Kind::Object(_) => "objects".into(),
            Kind::List(kind, _) => format!("lists of {}", kind.plural()),
            other => other.name(),
        }
    }
}

fn sized(text: String, most: usize, path: &str) -> Result<Value, Refusal> {
    match text.len() <= most {
        true => Ok(Value::String(text)),
        false => {
            Err(Refusal::new(Reason::TooLarge, format!("{path} is longer than {most} bytes")).path(path))
        }
    }
}

fn read_list(kind: &Kind, most: usize, list: Vec<Value>, path: &str) -> Result<Value, Refusal> {
    if list.len() > most {
        return Err(Refusal::new(Reason::TooLarge, format!("{path} has more than {most} entries")).path(path));
    }
    list.into_iter().enumerate().map(|(n, value)| kind.read(value, &format!("{path}[{n}]"))).collect()
}

fn read_map(kind: &Kind, most: usize, map: Map<String, Value>, path: &str) -> Result<Value, Refusal> {
    if map.len() > most {
        return Err(Refusal::new(Reason::TooLarge, format!("{path} has more than {most} entries")).path(path));
    }
    let mut typed = Map::new();
    for (key, value) in map {
        if key.len() > MAX_KEY || key.chars().any(char::is_control) {
            return Err(bad(path, "has a key that is too long or holds control characters"));
        }
        let value = kind.read(value, &format!("{path}.{}", shown(&key)))?;
        typed.insert(key, value);
    }
    Ok(typed.into())
}

fn read_object(fields: &'static [Field], map: Map<String, Value>, path: &str) -> Result<Value, Refusal> {
    let mut typed = Map::new();
    for (key, value) in map {
        let place = if path.is_empty() { shown(&key) } else { format!("{path}.{}", shown(&key)) };
        let Some(field) = fields.iter().find(|field| field.name == key) else {
            return Err(unknown(fields, &key, &place));
        };
        if !value.is_null() {
            typed.insert(key, field.kind.read(value, &place)?);
        }
    }
    Ok(typed.into())
}

fn unknown(fields: &[Field], key: &str, place: &str) -> Refusal {
    let refusal =
        Refusal::new(Reason::UnknownField, format!("the field {place} is not known here")).path(place);
    match fields.iter().find(|field| field.name.eq_ignore_ascii_case(key)) {
        Some(field) => refusal.nearest(format!("the exact spelling {}", field.name)),
        None => refusal,
    }
}

fn bad(path: &str, what: &str) -> Refusal {
    let path = if path.is_empty() { "the body" } else { path };
    Refusal::new(Reason::BadRequest, format!("{path} {what}")).path(path)
}
