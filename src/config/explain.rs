//! Errors with their place: which line, in which table, and what was probably meant.

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
    let near = match did_you_mean(key, known.iter().copied()) {
        near if near.is_empty() => format!("; it takes {}", known.join(", ")),
        near => near,
    };
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
