//! Errors with their place: the line, the table, and the word that was probably meant.

use std::net::IpAddr;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// An error and the place that it is about.
#[derive(Debug)]
pub(super) struct Place {
    /// The offset in bytes from the start of the file.
    pub at: usize,
    /// One line without the file and the line number.
    pub message: String,
}

impl Place {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// Returns the number of the line that holds the byte at `at`; lines count from 1.
pub(super) fn line_of(text: &[u8], at: usize) -> usize {
    1 + text.iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// Reads and parses a file that the configuration names, relative to `folder`. `named` is put
/// before its path in an error.
pub(super) fn read_beside<T>(
    file: &Spanned<String>,
    folder: &Path,
    named: &str,
    parse: impl FnOnce(&str) -> Result<T, Place>,
) -> Result<T, Place> {
    let failed = |message: String| Place::new(file.span().start, message);
    let path = folder.join(file.get_ref());
    let shown = format!("{named}{}", path.display());
    let text = std::fs::read_to_string(&path)
        .map_err(|error| failed(format!("{shown}: cannot be read: {error}")))?;
    parse(&text).map_err(|place| {
        failed(format!("{shown}:{}: {}", line_of(text.as_bytes(), place.at), place.message))
    })
}

/// Parses an IP address; an error carries its place in the file.
pub(super) fn address(text: &Spanned<String>) -> Result<IpAddr, Place> {
    let parsed = text.get_ref().parse();
    parsed.map_err(|_| {
        Place::new(text.span().start, format!("`{}` is no IP address", text.get_ref()))
    })
}

/// Returns `; did you mean …?` with the nearest of the known words, or an empty text if none is
/// near.
pub(super) fn did_you_mean<'a>(said: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let nearest = did_you_mean_scored(said, known.into_iter().map(|word| (word, word)));
    nearest.map_or_else(String::new, |(_, word)| format!("; did you mean `{word}`?"))
}

/// Returns the likeness (0 to 1) and the word whose key is most like `said`, or `None` if none is
/// near.
fn did_you_mean_scored<'a>(
    said: &str,
    known: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<(f64, &'a str)> {
    // A word that is less alike than this would be a misleading hint.
    const ALIKE: f64 = 0.7;
    let said = said.to_lowercase();
    known
        .map(|(key, word)| (strsim::jaro_winkler(&said, &key.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
}

/// Does the same as [`did_you_mean`]; if nothing is near, returns the text that `otherwise` makes
/// of the list of all words.
pub(super) fn did_you_mean_or(
    said: &str,
    known: &[&str],
    otherwise: impl FnOnce(String) -> String,
) -> String {
    match did_you_mean(said, known.iter().copied()) {
        near if near.is_empty() => otherwise(known.join(", ")),
        near => near,
    }
}

/// Abbreviations that are not names of zones, each with the zone that is probably meant.
const ABBREVIATED: [(&str, &str); 5] = [
    ("MSK", "Europe/Moscow"),
    ("KST", "Asia/Seoul"),
    ("JST", "Asia/Tokyo"),
    ("BST", "Europe/London"),
    ("CEST", "Europe/Berlin"),
];

/// Returns `; did you mean …?` with the nearest time zone, found by its whole name or by its city
/// alone.
pub(super) fn nearest_zone(said: &str) -> String {
    let said = said.trim().replace(' ', "_").to_lowercase();
    if let Some((_, zone)) = ABBREVIATED.iter().find(|(word, _)| word.to_lowercase() == said) {
        return format!("; did you mean `{zone}`?");
    }
    let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
    let city = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
    if let Some(zone) = names().find(|name| city(name).to_lowercase() == said) {
        return format!("; did you mean `{zone}`?");
    }
    let cities: Vec<(&str, &str)> = names().map(|name| (city(name), name)).collect();
    let by_city = did_you_mean_scored(&said, cities.iter().copied());
    let by_name = did_you_mean_scored(&said, names().map(|name| (name, name)));
    let best = by_city.into_iter().chain(by_name).max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map_or_else(String::new, |(_, zone)| format!("; did you mean `{zone}`?"))
}

/// Rewrites an error of the TOML crate in plain words, with the key and the table that it is about.
pub(super) fn toml_error(text: &str, error: &toml::de::Error) -> Place {
    let at = error.span().map_or(0, |span| span.start);
    let message = error.message().replace('\n', "; ");
    let found = DeTable::parse(text).ok().and_then(|root| {
        let (path, value) = path_to(root.get_ref(), at)?;
        Some((path, value.map(shown)))
    });
    let Some((path, value)) = found else {
        // There is no path, so the text is not even TOML.
        return Place::new(at, format!("not valid TOML: {message}"));
    };
    let Some((key, tables)) = path.split_last() else {
        return Place::new(at, format!("not valid TOML: {message}"));
    };
    let table = if tables.is_empty() {
        "at the top level".to_owned()
    } else {
        format!("in [{}]", tables.join("."))
    };
    if let Some(fields) = message.strip_prefix("unknown field `") {
        // In "unknown field `a`, expected one of `b`, `c`" every second piece is between backticks.
        let known = fields.split('`').skip(2).step_by(2).collect::<Vec<_>>();
        let near = did_you_mean_or(key, &known, |all| format!("; it takes {all}"));
        return Place::new(at, format!("unknown key `{key}` {table}{near}"));
    }
    let due = super::expected::of(key, &message);
    match (due, value) {
        (Some(due), Some(value)) => {
            Place::new(at, format!("`{key}` {table} must be {due}, not {value}"))
        }
        _ => Place::new(at, format!("`{key}` {table}: {message}")),
    }
}

/// Describes a value as it is written in the file, with the name of its type if the type is wrong.
fn shown(value: &DeValue<'_>) -> String {
    const LONGEST: usize = 40;
    match value {
        DeValue::String(text) if text.chars().count() > LONGEST => "a long text".to_owned(),
        DeValue::String(text) => format!("the text \"{}\"", text.escape_debug()),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(true) => "true".to_owned(),
        DeValue::Boolean(false) => "false".to_owned(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Returns the keys that lead to the key or value at a byte, outermost first, and the value; the
/// value is `None` if the byte is in a key.
fn path_to<'a>(
    table: &'a DeTable<'_>,
    at: usize,
) -> Option<(Vec<String>, Option<&'a DeValue<'a>>)> {
    for (key, value) in table {
        let name = key.get_ref().to_string();
        if key.span().contains(&at) {
            return Some((vec![name], None));
        }
        if let Some((inner, value)) = inside(value, at) {
            return Some((std::iter::once(name).chain(inner).collect(), value));
        }
    }
    None
}

/// Does the same inside one value; of a list it finds the item.
fn inside<'a>(
    value: &'a Spanned<DeValue<'_>>,
    at: usize,
) -> Option<(Vec<String>, Option<&'a DeValue<'a>>)> {
    let found = match value.get_ref() {
        DeValue::Table(table) => path_to(table, at),
        DeValue::Array(items) => items.iter().find_map(|item| inside(item, at)),
        _ => None,
    };
    found.or_else(|| value.span().contains(&at).then(|| (Vec::new(), Some(value.get_ref()))))
}
