//! From an entry to its cases: one for every combination of its axes.

use crate::case::{Bare, Case, Http, Message, Step, Told};
use crate::form::{Axis, CorpusError, Entry, StepForm, Steps};
use crate::{Framing, Spelling};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Named lists of values that entries share.
pub(crate) type Lists = BTreeMap<String, Vec<Value>>;

/// A value of an axis and how the case's id calls it.
type Choice = (String, String, Value);

/// All cases of an entry.
pub(crate) fn expand(entry: &Entry, lists: &Lists) -> Result<Vec<Case>, CorpusError> {
    let wrong = |what: String| CorpusError::Entry(format!("{}/{}", entry.row, entry.name), what);
    let mut combinations: Vec<Vec<Choice>> = vec![Vec::new()];
    for (axis, values) in &entry.each {
        let values = match values {
            Axis::Values(values) => values,
            Axis::List(list) => lists.get(list).ok_or_else(|| wrong(format!("there is no list {list}")))?,
        };
        let choices: Vec<Choice> = values.iter().map(|value| choice(axis, value)).collect();
        combinations = combinations
            .iter()
            .flat_map(|made| {
                choices.iter().map(|choice| [made.as_slice(), std::slice::from_ref(choice)].concat())
            })
            .collect();
    }
    combinations.iter().map(|choices| one(entry, choices).map_err(wrong)).collect()
}

/// `{"as": "name", "is": value}`, or a value that names itself.
fn choice(axis: &str, value: &Value) -> Choice {
    if let (Some(Value::String(name)), Some(is)) = (value.get("as"), value.get("is")) {
        return (axis.to_owned(), name.clone(), is.clone());
    }
    let name = match value {
        Value::String(text) => text.strip_prefix('/').unwrap_or(text).to_owned(),
        other => other.to_string(),
    };
    (axis.to_owned(), if name.is_empty() { "none".to_owned() } else { name }, value.clone())
}

fn one(entry: &Entry, choices: &[Choice]) -> Result<Case, String> {
    let mut id = format!("{}/{}", entry.row, entry.name);
    for (_, name, _) in choices {
        id = format!("{id}/{name}");
    }
    let forms = match &entry.steps {
        Steps::Many(forms) => forms.clone(),
        Steps::One(form) => vec![form.clone()],
    };
    let last = forms.len().saturating_sub(1);
    let steps = forms.into_iter().enumerate().map(|(n, form)| {
        let form = serde_json::from_value(chosen(form, choices)).map_err(|error| error.to_string())?;
        let told = if n == last { entry.told.as_deref() } else { None };
        step(form, told.map(|told| chosen_text(told, choices)))
    });
    let setup = entry.setup.iter().map(|object| chosen(object.clone(), choices)).collect();
    Ok(Case {
        row: entry.row.clone(),
        what: chosen_text(&entry.what, choices),
        policy: entry.policy.clone().unwrap_or_else(|| "default".to_owned()),
        setup,
        never: entry.never.iter().map(|text| chosen_text(text, choices)).collect(),
        steps: steps.collect::<Result<_, String>>().map_err(|error| format!("{id}: {error}"))?,
        bare: bare(&chosen_text(entry.bare.as_deref().unwrap_or("bites"), choices))
            .ok_or("`bare` is unclear")?,
        id,
    })
}

fn bare(text: &str) -> Option<Bare> {
    match text.split_once(": ") {
        _ if text == "bites" => Some(Bare::Bites),
        Some(("harmless", why)) => Some(Bare::Harmless(why.to_owned())),
        Some(("skip", why)) => Some(Bare::Skipped(why.to_owned())),
        _ => None,
    }
}

/// The value with the axes' words replaced; a text that is nothing but such a word becomes the value itself.
fn chosen(value: Value, choices: &[Choice]) -> Value {
    match value {
        Value::String(text) => {
            let whole = choices.iter().find(|(axis, _, _)| text == format!("${{{axis}}}"));
            match whole {
                Some((_, _, value)) => value.clone(),
                None => Value::String(chosen_text(&text, choices)),
            }
        }
        Value::Array(list) => list.into_iter().map(|value| chosen(value, choices)).collect(),
        Value::Object(map) => {
            let members =
                map.into_iter().map(|(key, value)| (chosen_text(&key, choices), chosen(value, choices)));
            Value::Object(members.collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn chosen_text(text: &str, choices: &[Choice]) -> String {
    let mut text = text.to_owned();
    for (axis, name, value) in choices {
        let plain = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text = text.replace(&format!("${{{axis}}}"), &plain).replace(&format!("${{{axis}.as}}"), name);
    }
    text
}

fn step(form: StepForm, told: Option<String>) -> Result<Step, String> {
    let told = form.told.clone().or(told).filter(|told| told != "any").map(|told| Told::read(&told));
    let keep = form.keep.clone();
    Ok(Step { message: message(form)?, keep, told })
}

fn message(mut form: StepForm) -> Result<Message, String> {
    let then = std::mem::take(&mut form.then);
    let first = match (form.raw, form.docker) {
        (Some(raw), _) => Message::Raw(raw),
        (None, Some(words)) => Message::Docker(words),
        (None, None) => Message::Http(http(StepForm { raw: None, docker: None, ..form })?),
    };
    if then.is_empty() {
        return Ok(first);
    }
    let rest = then.into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
    Ok(Message::Pipelined([vec![first], rest].concat()))
}

fn http(form: StepForm) -> Result<Http, String> {
    let version = form.version.as_deref().unwrap_or("/v1.41");
    let added = |body: Value, key: &str, word: &str| match body {
        Value::Object(mut map) => {
            map.entry(key).or_insert_with(|| word.into());
            Value::Object(map)
        }
        other => other,
    };
    let create = format!("{version}/containers/create?name=${{fresh}}");
    let (method, target, json) = if let Some(host) = form.host {
        ("POST".into(), create, Some(added(json!({"HostConfig": host}), "Image", "${image}")))
    } else if let Some(body) = form.create {
        ("POST".into(), form.target.unwrap_or(create), Some(added(body, "Image", "${image}")))
    } else if let Some(body) = form.network {
        ("POST".into(), format!("{version}/networks/create"), Some(added(body, "Name", "${fresh}")))
    } else if let Some(body) = form.volume {
        ("POST".into(), format!("{version}/volumes/create"), Some(added(body, "Name", "${fresh}")))
    } else if let Some(target) = form.get {
        ("GET".into(), format!("{version}{target}"), form.json)
    } else if let Some(target) = form.post {
        ("POST".into(), format!("{version}{target}"), form.json)
    } else if let Some(target) = form.delete {
        ("DELETE".into(), format!("{version}{target}"), form.json)
    } else if let Some(target) = form.put {
        ("PUT".into(), format!("{version}{target}"), form.json)
    } else {
        let method = form.method.ok_or("a step says nothing to send")?;
        (method, form.target.ok_or("a step with a method has no target")?, form.json)
    };
    let spelling = Spelling::named(form.spelling.as_deref().unwrap_or("plain")).ok_or("no such spelling")?;
    let framing = Framing::named(form.framing.as_deref().unwrap_or("length")).ok_or("no such framing")?;
    let mut headers = Vec::new();
    if json.is_some() && !form.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    headers.extend(form.headers.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let body = form.body.or_else(|| json.as_ref().map(|json| spelling.write(json)));
    Ok(Http { method, target, headers, json, body, spelling, framing })
}
