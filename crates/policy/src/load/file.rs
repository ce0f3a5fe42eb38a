//! One policy file as parsed TOML, with the place of everything in it.

use crate::{Location, PolicyError, Source};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// A parsed file.
pub(super) struct File<'t> {
    path: &'t str,
    text: &'t str,
    /// Byte offsets where lines start, rising.
    lines: Vec<usize>,
    root: Spanned<DeTable<'t>>,
}

/// A value with the byte offset where it stands.
pub(super) type At<T> = (T, usize);

impl<'t> File<'t> {
    /// Parses; on a syntax error all of them that the parser finds.
    pub(super) fn parse(source: &'t Source) -> Result<File<'t>, Vec<PolicyError>> {
        let (root, errors) = DeTable::parse_recoverable(&source.text);
        let newlines = source.text.match_indices('\n').map(|(at, _)| at.saturating_add(1));
        let lines = std::iter::once(0).chain(newlines).collect();
        let file = File { path: &source.path, text: &source.text, lines, root };
        if errors.is_empty() {
            return Ok(file);
        }
        let told = |error: toml::de::Error| {
            let at = file.location(error.span().map_or(0, |span| span.start));
            PolicyError::new(at, format!("not valid TOML: {}", error.message().replace('\n', ", ")))
        };
        Err(errors.into_iter().map(told).collect())
    }

    pub(super) fn path(&self) -> &'t str {
        self.path
    }

    /// Line and column of a byte offset.
    pub(super) fn location(&self, offset: usize) -> Location {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = line.checked_sub(1).and_then(|above| self.lines.get(above)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).unwrap_or_default().chars().count().saturating_add(1);
        Location { file: self.path.to_owned(), line, column }
    }

    /// The place `inside` bytes into the text of the string value at `offset`; a string with escapes or of
    /// several lines is pointed at as a whole.
    pub(super) fn inside_text(&self, offset: usize, inside: usize, value: &str) -> Location {
        let literal = self.text.get(offset.saturating_add(1)..).is_some_and(|rest| rest.starts_with(value));
        self.location(if literal { offset.saturating_add(1).saturating_add(inside) } else { offset })
    }

    pub(super) fn root(&self) -> Entry<'_> {
        Entry { file: self, table: self.root.get_ref(), at: 0 }
    }
}

/// A table of a file. Values of a wrong type read as absent: the shape check has told them already.
#[derive(Clone, Copy)]
pub(super) struct Entry<'f> {
    pub(super) file: &'f File<'f>,
    table: &'f DeTable<'f>,
    /// Byte offset of the key that names the table.
    pub(super) at: usize,
}

impl<'f> Entry<'f> {
    /// Keys and values in the file's order, each with the offset of its key.
    pub(super) fn pairs(&self) -> Vec<(At<&'f str>, &'f Spanned<DeValue<'f>>)> {
        let mut pairs: Vec<_> = self
            .table
            .iter()
            .map(|(key, value)| ((key.get_ref().as_ref(), key.span().start), value))
            .collect();
        pairs.sort_by_key(|((_, at), _)| *at);
        pairs
    }

    fn value(&self, key: &str) -> Option<(&'f Spanned<DeValue<'f>>, usize)> {
        let (found, value) = self.table.get_key_value(key)?;
        Some((value, found.span().start))
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The offset of a key, or of this table when the key is absent.
    pub(super) fn key_at(&self, key: &str) -> usize {
        self.value(key).map_or(self.at, |(_, at)| at)
    }

    pub(super) fn text(&self, key: &str) -> Option<At<&'f str>> {
        let (value, _) = self.value(key)?;
        text(value)
    }

    pub(super) fn texts(&self, key: &str) -> Vec<At<&'f str>> {
        self.value(key).map(|(value, _)| texts(value)).unwrap_or_default()
    }

    pub(super) fn whole(&self, key: &str) -> Option<At<i64>> {
        let (value, _) = self.value(key)?;
        Some((whole(value.get_ref())?, value.span().start))
    }

    pub(super) fn wholes(&self, key: &str) -> Vec<At<i64>> {
        let Some((value, _)) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else { return Vec::new() };
        array.iter().filter_map(|item| Some((whole(item.get_ref())?, item.span().start))).collect()
    }

    pub(super) fn boolean(&self, key: &str) -> Option<bool> {
        match self.value(key)?.0.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The digits of a number above zero, as written but without `_`.
    pub(super) fn digits(&self, key: &str) -> Option<&'f str> {
        digits(self.value(key)?.0.get_ref())
    }

    pub(super) fn size(&self, key: &str) -> Option<u64> {
        size(self.value(key)?.0.get_ref())
    }

    pub(super) fn seconds(&self, key: &str) -> Option<u64> {
        seconds(self.value(key)?.0.get_ref())
    }

    pub(super) fn table(&self, key: &str) -> Option<Entry<'f>> {
        let (value, at) = self.value(key)?;
        Entry::of(self.file, value, at)
    }

    /// The tables beneath a key, by name, in the file's order.
    pub(super) fn tables(&self, key: &str) -> Vec<(&'f str, Entry<'f>)> {
        let pairs = self.table(key).map(|table| table.pairs()).unwrap_or_default();
        pairs
            .into_iter()
            .filter_map(|((name, at), value)| Some((name, Entry::of(self.file, value, at)?)))
            .collect()
    }

    /// The tables of a list.
    pub(super) fn rows(&self, key: &str) -> Vec<Entry<'f>> {
        let Some((value, _)) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else { return Vec::new() };
        array.iter().filter_map(|item| Entry::of(self.file, item, item.span().start)).collect()
    }

    pub(super) fn of(file: &'f File<'f>, value: &'f Spanned<DeValue<'f>>, at: usize) -> Option<Entry<'f>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Entry { file, table, at }),
            _ => None,
        }
    }
}

pub(super) fn array<'f>(value: &'f DeValue<'f>) -> Option<&'f DeArray<'f>> {
    match value {
        DeValue::Array(array) => Some(array),
        _ => None,
    }
}

pub(super) fn text<'f>(value: &'f Spanned<DeValue<'f>>) -> Option<At<&'f str>> {
    match value.get_ref() {
        DeValue::String(text) => Some((text.as_ref(), value.span().start)),
        _ => None,
    }
}

pub(super) fn texts<'f>(value: &'f Spanned<DeValue<'f>>) -> Vec<At<&'f str>> {
    array(value.get_ref()).map(|array| array.iter().filter_map(text).collect()).unwrap_or_default()
}

pub(super) fn whole(value: &DeValue<'_>) -> Option<i64> {
    match value {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok(),
        _ => None,
    }
}

/// The digits of a decimal number above zero.
pub(super) fn digits<'f>(value: &'f DeValue<'f>) -> Option<&'f str> {
    let digits = match value {
        DeValue::Float(float) => float.as_str(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        _ => return None,
    };
    digits.parse::<f64>().is_ok_and(|number| number.is_finite() && number > 0.0).then_some(digits)
}

/// Bytes, above zero.
pub(super) fn size(value: &DeValue<'_>) -> Option<u64> {
    const UNITS: &[(&str, u64)] =
        &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];
    quantity(value, UNITS)
}

const TIMES: &[(&str, u64)] = &[("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

/// Seconds, above zero.
pub(super) fn seconds(value: &DeValue<'_>) -> Option<u64> {
    quantity(value, TIMES)
}

/// A duration as text, written as in a policy (`"90s"`, `"10m"`, `"24h"`, `"7d"`), in seconds above zero.
pub fn duration(text: &str) -> Option<u64> {
    counted(text, TIMES).filter(|amount| *amount > 0)
}

/// A whole number with one of the units, or a bare whole number; the engine counts in `i64`, so no more.
fn quantity(value: &DeValue<'_>, units: &[(&str, u64)]) -> Option<u64> {
    let amount = match value {
        DeValue::String(text) => counted(text, units)?,
        other => u64::try_from(whole(other)?).ok()?,
    };
    (amount > 0 && i64::try_from(amount).is_ok()).then_some(amount)
}

fn counted(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end(), *factor)))?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse::<u64>().ok()).flatten()?.checked_mul(factor)
}
