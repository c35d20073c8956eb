//! A configuration file as keys of the table with their values and lines.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::keys::{self, Key, Value};
use super::{ConfigError, Origin};

/// The entries of a file, in order of their keys.
///
/// # Errors
/// [`ConfigError::Syntax`], [`ConfigError::UnknownKey`], or
/// [`ConfigError::WrongValue`] where a section is none.
pub(super) fn entries(path: &Path, text: &str) -> Result<Vec<(&'static Key, Value, Origin)>, ConfigError> {
    let origin = |span: Range<usize>| {
        let before = &text.as_bytes()[..span.start.min(text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        Origin::File { path: path.to_owned(), line }
    };
    let root = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let line_start = text.get(..span.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        let column = 1 + text.get(line_start..span.start).map_or(0, |before| before.chars().count());
        ConfigError::Syntax { origin: origin(span), column, message: error.message().to_owned() }
    })?;
    let unknown = |span, key: &str| ConfigError::UnknownKey {
        origin: origin(span),
        key: key.to_owned(),
        meant: keys::nearest(key),
    };
    let mut found = Vec::new();
    for (section, value) in root.get_ref() {
        let is_known = keys::is_section(section.get_ref());
        let DeValue::Table(table) = value.get_ref() else {
            let (origin, key) = (origin(section.span()), section.get_ref().to_string());
            let wrong = ConfigError::WrongValue { origin, key, expected: "a section" };
            return Err(if is_known { wrong } else { unknown(section.span(), section.get_ref()) });
        };
        if table.is_empty() && !is_known {
            return Err(unknown(section.span(), section.get_ref()));
        }
        for (name, value) in table {
            let full = format!("{}.{}", section.get_ref(), name.get_ref());
            let key = keys::find(&full).ok_or_else(|| unknown(name.span(), &full))?;
            found.push((key, take(value.get_ref()), origin(name.span())));
        }
    }
    Ok(found)
}

fn take(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(truth) => Value::Truth(*truth),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Other, Value::Integer)
        }
        DeValue::Array(list) => {
            let texts = list.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<Vec<String>>>().map_or(Value::Other, Value::List)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Value::Other,
    }
}
