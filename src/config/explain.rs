//! Errors with their place: which line, in which table, and what was probably meant.

use std::net::IpAddr;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong, and the byte at which it stands.
#[derive(Debug)]
pub(super) struct Place {
    pub at: usize,
    pub message: String,
}

impl Place {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

/// The line of a byte, from 1.
pub(super) fn line_of(text: &[u8], at: usize) -> usize {
    1 + text.iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// Reads a file that the configuration names, beside it; `named` stands before its path in an error.
pub(super) fn read_beside<T>(
    file: &Spanned<String>,
    folder: &Path,
    named: &str,
    parse: impl FnOnce(&str) -> Result<T, Place>,
) -> Result<T, Place> {
    let failed = |message: String| Place::new(file.span().start, message);
    let path = folder.join(file.get_ref());
    let shown = format!("{named}{}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| failed(format!("{shown}: cannot be read: {error}")))?;
    parse(&text).map_err(|place| failed(format!("{shown}:{}: {}", line_of(text.as_bytes(), place.at), place.message)))
}

/// An address at its place in the file.
pub(super) fn address(text: &Spanned<String>) -> Result<IpAddr, Place> {
    let parsed = text.get_ref().parse();
    parsed.map_err(|_| Place::new(text.span().start, format!("`{}` is no IP address", text.get_ref())))
}

/// `; did you mean …?` with the nearest of the known words, or nothing where none is near.
pub(super) fn did_you_mean<'a>(said: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Less alike than this and the hint would mislead.
    const ALIKE: f64 = 0.7;
    let said = said.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&said, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map_or_else(String::new, |(_, word)| format!("; did you mean `{word}`?"))
}

/// The same; where nothing is near, what `otherwise` makes of the list of all.
pub(super) fn did_you_mean_or(said: &str, known: &[&str], otherwise: impl FnOnce(String) -> String) -> String {
    match did_you_mean(said, known.iter().copied()) {
        near if near.is_empty() => otherwise(known.join(", ")),
        near => near,
    }
}

/// An error of the TOML crate in our words, with the key and the table that it speaks of.
pub(super) fn toml_error(text: &str, error: &toml::de::Error) -> Place {
    let at = error.span().map_or(0, |span| span.start);
    let message = error.message().replace('\n', "; ");
    let path = DeTable::parse(text).map(|root| path_to(root.get_ref(), at)).unwrap_or_default();
    let Some((key, tables)) = path.split_last() else {
        // No path: the text is not even TOML.
        return Place::new(at, format!("not valid TOML: {message}"));
    };
    let table = if tables.is_empty() { "at the top level".to_owned() } else { format!("in [{}]", tables.join(".")) };
    let Some(fields) = message.strip_prefix("unknown field `") else {
        return Place::new(at, format!("`{key}` {table}: {message}"));
    };
    // "unknown field `a`, expected one of `b`, `c`": every second piece stands between backticks.
    let known = fields.split('`').skip(2).step_by(2).collect::<Vec<_>>();
    let near = did_you_mean_or(key, &known, |all| format!("; it takes {all}"));
    Place::new(at, format!("unknown key `{key}` {table}{near}"))
}

/// The keys that lead to the key or value at a byte, outermost first.
fn path_to(table: &DeTable<'_>, at: usize) -> Vec<String> {
    for (key, value) in table {
        let name = key.get_ref().to_string();
        if key.span().contains(&at) {
            return vec![name];
        }
        let inner = match value.get_ref() {
            DeValue::Table(inner) => path_to(inner, at),
            _ => Vec::new(),
        };
        if !inner.is_empty() {
            return std::iter::once(name).chain(inner).collect();
        }
        if value.span().contains(&at) {
            return vec![name];
        }
    }
    Vec::new()
}
