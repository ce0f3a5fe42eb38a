//! Judging an object by its table, and comparing two objects by it.

use crate::fields::{Compare, Field, Literal, Rule};
use crate::rules::{Mode, Wish};
use doorward_policy::{Reason, Refusal};
use serde_json::{Map, Value};

/// What is sent on of `object`: only fields of the table, each as its rule says.
pub(crate) fn judge_fields(
    fields: &'static [Field],
    object: Option<&Value>,
    wish: &Wish<'_>,
    path: &str,
) -> Result<Value, Refusal> {
    let mut made = Map::new();
    for field in fields {
        let given = object.and_then(|object| object.get(field.name)).filter(|value| !value.is_null());
        if wish.mode == Mode::Operator && field.operator {
            continue;
        }
        let place = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
        let value = judge_field(field, given, wish, &place).map_err(|refusal| match refusal.path {
            Some(_) => refusal,
            None => refusal.path(&place),
        })?;
        if wish.mode == Mode::Own
            && !matches!(field.rule, Rule::Parts(_))
            && !same(field, value.as_ref(), given)
        {
            return Err(outdated(&place));
        }
        if let Some(value) = value {
            made.insert(field.name.to_owned(), value);
        }
    }
    Ok(made.into())
}

fn judge_field(
    field: &Field,
    given: Option<&Value>,
    wish: &Wish<'_>,
    place: &str,
) -> Result<Option<Value>, Refusal> {
    let silent = |value: &&Value| {
        is_one_of(value, field.neutral) || (wish.mode != Mode::New && is_one_of(value, field.seen))
    };
    let said = given.filter(|value| !silent(value));
    match field.rule {
        Rule::Free => Ok(said.cloned()),
        Rule::Judged(judge) => judge(wish, said),
        Rule::Parts(fields) => {
            let made = judge_fields(fields, said, wish, place)?;
            Ok((!is_zero(&made)).then_some(made))
        }
        Rule::Neutral(why) => match said {
            Some(value) if !is_zero(value) => {
                Err(Refusal::new(Reason::FieldNotAllowed, format!("{place} is not allowed: {why}"))
                    .path(place))
            }
            _ => Ok(None),
        },
    }
}

fn outdated(place: &str) -> Refusal {
    let message = format!("the container's {place} is not what the policy now makes of it");
    Refusal::new(Reason::FieldNotAllowed, message).path(place).nearest("remove the container and run it anew")
}

/// Whether what the engine shows of a field is what was sent, by the field's way of comparing.
pub(crate) fn same(field: &Field, sent: Option<&Value>, got: Option<&Value>) -> bool {
    let sent = sent.filter(|value| !is_zero(value));
    let got = got.filter(|value| !is_zero(value));
    let equal = match (sent, got) {
        (None, None) => true,
        (None, Some(got)) => is_one_of(got, field.neutral) || is_one_of(got, field.seen),
        (Some(sent), Some(got)) => bare(sent) == bare(got),
        (Some(_), None) => false,
    };
    match field.compare {
        Compare::Equal => equal,
        Compare::OrSeen => equal || got.is_some_and(|got| is_one_of(got, field.seen)),
        Compare::Given => sent.is_none() || equal,
        Compare::Holds => sent.is_none_or(|sent| got.is_some_and(|got| holds(got, sent))),
        Compare::Apart => true,
    }
}

/// Whether a value says nothing: null, false, 0, empty, or made of nothing but such.
pub(crate) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.iter().all(|value| value.as_i64() == Some(0)),
        Value::Object(map) => map.values().all(is_zero),
    }
}

fn is_one_of(value: &Value, literals: &[Literal]) -> bool {
    literals.iter().any(|literal| match literal {
        Literal::Int(number) => value.as_i64() == Some(*number),
        Literal::Text(text) => value.as_str() == Some(*text),
    })
}

/// The value without members of objects that say nothing.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !is_zero(value))
            .map(|(key, value)| (key.clone(), bare(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(list) => list.iter().map(bare).collect(),
        other => other.clone(),
    }
}

fn holds(got: &Value, sent: &Value) -> bool {
    match (got, sent) {
        (Value::Object(got), Value::Object(sent)) => {
            sent.iter().all(|(key, value)| got.get(key).is_some_and(|got| bare(got) == bare(value)))
        }
        (Value::Array(got), Value::Array(sent)) => sent.iter().all(|value| got.contains(value)),
        _ => false,
    }
}
