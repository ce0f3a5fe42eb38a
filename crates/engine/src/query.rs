//! Query parameters, typed by the endpoint's row.

use crate::{Param, ParamKind, json, uri};
use doorward_policy::{BUILDKIT_REFUSED, Reason, Refusal};
use serde_json::{Map, Value, json};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// How an image is built with the classic builder, whatever else the client has.
pub(crate) const CLASSIC_BUILD: &str = "DOCKER_BUILDKIT=0 docker build";

/// Longest query that is read, in bytes.
const MAX_QUERY: usize = 16 * 1024;

/// A query's typed values, by the table's names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(BTreeMap<&'static str, Typed>);

/// One typed value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Typed {
    Flag(bool),
    Number(i64),
    Text(String),
    Filters(BTreeMap<String, BTreeSet<String>>),
    /// In the order in which they came.
    Texts(Vec<String>),
    /// An object; whether its values are secrets.
    Object(Map<String, Value>, bool),
}

impl Query {
    /// Reads what follows the `?`.
    pub(crate) fn read(text: &str, params: &'static [Param]) -> Result<Query, Refusal> {
        if text.len() > MAX_QUERY {
            return Err(Refusal::new(Reason::TooLarge, "the query is too long"));
        }
        let mut query = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pair.contains(';') {
                return Err(Refusal::new(Reason::BadRequest, "a query is not separated by ';'"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (uri::decode(name, true)?, uri::decode(value, true)?);
            let param =
                params.iter().find(|param| param.name == name).ok_or_else(|| unknown(&name, params))?;
            let typed =
                param.kind.read(&value).map_err(|refusal| refusal.path(format!("?{}", param.name)))?;
            let refuse =
                |why: String| Err(Refusal::new(Reason::BadRequest, why).path(format!("?{}", param.name)));
            match (param.kind, query.entry(param.name), typed) {
                (ParamKind::Texts(_, most), Entry::Occupied(mut known), Some(Typed::Texts(more))) => {
                    if let Some(Typed::Texts(texts)) = known.get_mut() {
                        texts.extend(more);
                        if texts.len() > most {
                            return refuse(format!("the query names {} more than {most} times", param.name));
                        }
                    }
                }
                (_, Entry::Occupied(_), _) => {
                    return refuse(format!("the query names {} twice", param.name));
                }
                (_, Entry::Vacant(free), typed) => {
                    free.insert(typed);
                }
            }
        }
        Ok(Query(query.into_iter().filter_map(|(name, typed)| Some((name, typed?))).collect()))
    }

    /// A flag's value; absent is false.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Typed::Flag(true)))
    }

    /// A number's value.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(Typed::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// A text's value.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Typed::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A repeated text's values.
    pub(crate) fn texts(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(Typed::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// An object's entries.
    pub(crate) fn object(&self, name: &str) -> Map<String, Value> {
        match self.0.get(name) {
            Some(Typed::Object(map, _)) => map.clone(),
            _ => Map::new(),
        }
    }

    /// The canonical query, with its `?`, without the parameters in `but`; empty when there is none.
    pub(crate) fn render(&self, but: &[&str]) -> String {
        let mut out = String::new();
        for (name, typed) in self.0.iter().filter(|(name, _)| !but.contains(name)) {
            out.push(if out.is_empty() { '?' } else { '&' });
            out.push_str(&uri::encode(name, ""));
            out.push('=');
            out.push_str(&uri::encode(&typed.canonical(), ""));
        }
        out
    }

    /// The values of one filter.
    pub(crate) fn filters(&self, key: &str) -> impl Iterator<Item = &str> {
        let values = match self.0.get("filters") {
            Some(Typed::Filters(filters)) => filters.get(key),
            _ => None,
        };
        values.into_iter().flatten().map(String::as_str)
    }

    /// The same with one more value of a filter.
    pub(crate) fn with_filter(&self, key: &str, value: String) -> Query {
        let mut query = self.clone();
        let filters = query.0.entry("filters").or_insert_with(|| Typed::Filters(BTreeMap::new()));
        if let Typed::Filters(filters) = filters {
            filters.entry(key.to_owned()).or_default().insert(value);
        }
        query
    }

    /// As data, for the audit log.
    pub(crate) fn record(&self) -> Value {
        self.0.iter().map(|(name, typed)| ((*name).to_owned(), typed.record())).collect::<Map<_, _>>().into()
    }
}

impl Typed {
    fn canonical(&self) -> String {
        match self {
            Typed::Flag(flag) => if *flag { "1" } else { "0" }.to_owned(),
            Typed::Number(number) => number.to_string(),
            Typed::Text(text) => text.clone(),
            Typed::Filters(_) => self.record().to_string(),
            Typed::Texts(texts) => texts.join(" "),
            Typed::Object(map, _) => Value::Object(map.clone()).to_string(),
        }
    }

    fn record(&self) -> Value {
        match self {
            Typed::Flag(flag) => json!(flag),
            Typed::Number(number) => json!(number),
            Typed::Text(text) => json!(text),
            Typed::Texts(texts) => json!(texts),
            Typed::Object(map, false) => map.clone().into(),
            Typed::Object(map, true) => {
                map.keys().map(|name| (name.clone(), json!("[redacted]"))).collect::<Map<_, _>>().into()
            }
            Typed::Filters(filters) => filters
                .iter()
                .map(|(key, values)| {
                    let values: Map<_, _> = values.iter().map(|value| (value.clone(), json!(true))).collect();
                    (key.clone(), values.into())
                })
                .collect::<Map<_, _>>()
                .into(),
        }
    }
}

impl ParamKind {
    /// The typed value; `None` when it says no more than an absent one.
    fn read(self, value: &str) -> Result<Option<Typed>, Refusal> {
        if value.chars().any(char::is_control) {
            return Err(Refusal::new(Reason::BadEncoding, "the query holds control characters"));
        }
        let text = |good: bool, want: &str| match (value.is_empty(), good) {
            (true, _) => Ok(None),
            (false, true) => Ok(Some(Typed::Text(value.to_owned()))),
            (false, false) => Err(Refusal::new(Reason::BadRequest, format!("this must be {want}"))),
        };
        match self {
            ParamKind::Flag => flag(value).map(|flag| flag.then_some(Typed::Flag(true))),
            ParamKind::FlagOn => flag(value).map(|flag| (!flag).then_some(Typed::Flag(false))),
            ParamKind::Never(why) => match flag(value)? {
                false => Ok(None),
                true => Err(Refusal::new(Reason::FieldNotAllowed, why)),
            },
            ParamKind::Number(least, most) => number(value, least, most),
            ParamKind::OneOf(words) => text(words.contains(&value), &format!("one of {}", words.join(", "))),
            ParamKind::Time => text(is_time(value), "a Unix time like 1700000000 or 1700000000.5"),
            ParamKind::Tail => text(value == "all" || is_digits(value, 9), "all or a number of lines"),
            ParamKind::Signal => text(is_signal(value), "a signal's name or number"),
            ParamKind::PsArgs => {
                text(is_ps_args(value), "-ef, aux, or -eo with columns like pid,user,pcpu,comm,args")
            }
            ParamKind::Text(most) => text(value.len() <= most, &format!("at most {most} bytes")),
            ParamKind::Empty(why) => match value {
                "" => Ok(None),
                _ => Err(Refusal::new(Reason::FieldNotAllowed, why)),
            },
            ParamKind::Neutral(words, why) => match value.is_empty() || words.contains(&value) {
                true => Ok(None),
                false => Err(Refusal::new(Reason::FieldNotAllowed, why)),
            },
            ParamKind::ClassicBuilder(words) => match value.is_empty() || words.contains(&value) {
                true => Ok(None),
                false => Err(Refusal::new(Reason::EndpointRefused, BUILDKIT_REFUSED).nearest(CLASSIC_BUILD)),
            },
            ParamKind::Texts(most, _) => {
                let typed = text(value.len() <= most, &format!("at most {most} bytes"))?;
                Ok(typed.map(|_| Typed::Texts(vec![value.to_owned()])))
            }
            ParamKind::Arguments(most) => object(value, most, true),
            ParamKind::Labels(most) => object(value, most, false),
            ParamKind::Filters(keys) => filters(value, keys),
        }
    }
}

/// Whether a text is a signal's name or number, as the engine takes it.
pub(crate) fn is_signal(text: &str) -> bool {
    let name = text.strip_prefix("SIG").unwrap_or(text);
    is_digits(text, 2)
        || (name.len() <= 10
            && name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "+-".contains(c)))
}

/// Columns that `ps` may show.
const PS_COLUMNS: &[&str] = &[
    "%cpu", "%mem", "args", "c", "cmd", "comm", "command", "cputime", "etime", "etimes", "gid", "group",
    "lstart", "maj_flt", "min_flt", "ni", "nice", "nlwp", "pcpu", "pgid", "pid", "pmem", "ppid", "pri",
    "psr", "rss", "rssize", "ruser", "s", "sid", "size", "start", "stat", "state", "stime", "sz", "tid",
    "time", "tname", "tt", "tty", "uid", "user", "vsize", "vsz", "wchan",
];

/// Whether a text is options of `ps` that list processes and not their environment, as a BSD-style `e` would.
/// The engine needs the column of process numbers.
fn is_ps_args(text: &str) -> bool {
    const WHOLE: &[&str] =
        &["-e", "-f", "-ef", "-efww", "-eF", "-ely", "aux", "-aux", "auxw", "auxww", "ax", "axu", "u"];
    let columns = |list: &str| {
        list.split(',').all(|column| PS_COLUMNS.contains(&column))
            && list.split(',').any(|column| column == "pid")
    };
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [one] => {
            WHOLE.contains(one) || ["-o", "-eo"].iter().any(|o| one.strip_prefix(o).is_some_and(columns))
        }
        ["-o" | "-eo", list] | ["-e", "-o", list] => columns(list),
        _ => false,
    }
}

fn flag(value: &str) -> Result<bool, Refusal> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "" | "0" | "false" => Ok(false),
        _ => Err(Refusal::new(Reason::BadRequest, "a flag is 1, 0, true or false")),
    }
}

fn number(value: &str, least: i64, most: i64) -> Result<Option<Typed>, Refusal> {
    if value.is_empty() {
        return Ok(None);
    }
    match value.parse::<i64>() {
        Ok(number) if (least..=most).contains(&number) && number.to_string() == value => {
            Ok(Some(Typed::Number(number)))
        }
        _ => Err(Refusal::new(Reason::BadRequest, format!("a number from {least} to {most}"))),
    }
}

fn is_digits(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_time(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    is_digits(whole, 12) && is_digits(part, 9)
}

/// `{"key":["value"]}` or the older `{"key":{"value":true}}`; both mean the same.
fn filters(text: &str, keys: &[&str]) -> Result<Option<Typed>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let bad = || Refusal::new(Reason::BadRequest, r#"filters are written {"key":["value"]}"#);
    let Value::Object(given) = json::read(text.as_bytes())? else { return Err(bad()) };
    let mut typed = BTreeMap::new();
    for (key, values) in given {
        if !keys.contains(&key.as_str()) {
            let message = format!("the filter '{}' is not known here", shown(&key));
            return Err(Refusal::new(Reason::UnknownField, message).nearest(keys.join(", ")));
        }
        let values: BTreeSet<String> = match values {
            Value::Array(values) => {
                values.into_iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(bad)).collect()
            }
            Value::Object(values) => values
                .into_iter()
                .map(|(value, on)| (on == json!(true)).then_some(value).ok_or_else(bad))
                .collect(),
            _ => Err(bad()),
        }?;
        if values.iter().any(|value| value.len() > 512 || value.chars().any(char::is_control)) {
            return Err(bad());
        }
        if !values.is_empty() {
            typed.insert(key, values);
        }
    }
    Ok((!typed.is_empty()).then_some(Typed::Filters(typed)))
}

/// `{"name":"value"}`; of secrets a value may also be null.
fn object(text: &str, most: usize, secret: bool) -> Result<Option<Typed>, Refusal> {
    if matches!(text, "" | "null") {
        return Ok(None);
    }
    let bad = || Refusal::new(Reason::BadRequest, r#"this is written {"name":"value"}"#);
    let Value::Object(map) = json::read(text.as_bytes())? else { return Err(bad()) };
    let name = |name: &String| {
        !name.is_empty() && name.len() <= 256 && !name.chars().any(|c| c.is_control() || c == '=')
    };
    let value = |value: &Value| match value {
        Value::String(text) => !text.contains('\0'),
        Value::Null => secret,
        _ => false,
    };
    if map.len() > most || !map.keys().all(name) || !map.values().all(value) {
        return Err(bad());
    }
    Ok((!map.is_empty()).then_some(Typed::Object(map, secret)))
}

fn unknown(name: &str, params: &[Param]) -> Refusal {
    let refusal = Refusal::new(
        Reason::UnknownField,
        format!("the query parameter '{}' is not known here", shown(name)),
    );
    match params {
        [] => refusal.nearest("no query parameter"),
        _ => refusal.nearest(params.iter().map(|param| param.name).collect::<Vec<_>>().join(", ")),
    }
}

/// A worker's text, fit for a message: printable ASCII, at most 64 characters.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect()
}
