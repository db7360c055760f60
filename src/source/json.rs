//! What the sources' JSON has in common: values that may be missing, text where a number was promised, loose times.

use super::SourceError;
use crate::domain::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A value above this is nobody's measurement, but a fault.
const ABSURD: f64 = 1e15;

/// Reads a whole body. The error says where, but not what stood there: bodies are long.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, SourceError> {
    serde_json::from_slice(body).map_err(|error| {
        let why = match error.classify() {
            serde_json::error::Category::Eof => "the JSON ends in the middle",
            serde_json::error::Category::Data => "the JSON is not of the shape that was agreed",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
        };
        SourceError::malformed(format!("{why} (line {}, column {})", error.line(), error.column()))
    })
}

/// A measurement that can be one: finite, not negative, not absurd. Everything else is unknown.
pub fn sane(value: f64) -> Option<f64> {
    (value.is_finite() && (0.0..=ABSURD).contains(&value)).then_some(value)
}

/// What stands where a scalar is due: a number, a text, or something of no use (null, a list, an object).
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Loose {
    Number(f64),
    Text(String),
    #[default]
    Nothing,
}

impl Loose {
    /// The number, also where it came as text.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Nothing => None,
        }
    }

    pub fn whole(&self) -> Option<u32> {
        self.number().filter(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n)).map(|n| n as u32)
    }

    /// An instant: ISO 8601 taken as UTC, or Unix seconds.
    pub fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Number(number) => sane(*number).map(|n| Timestamp::from_unix(n as i64)),
            Self::Text(text) => Timestamp::parse(text),
            Self::Nothing => None,
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Loose, E> {
        Ok(Loose::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Nothing)
    }
}

/// The first words of a text from outside, on one line, without control characters: fit for a log or a chat.
pub fn excerpt(text: &str) -> String {
    const LONGEST: usize = 160;
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.is_empty() => "no reason given".to_owned(),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loose_value_is_a_number_a_text_or_nothing() {
        let all: Vec<Loose> = parse(br#"[4, "131279", null, [{"a":1}], {"b":[2]}, true, -1.5]"#).unwrap();
        let numbers: Vec<_> = all.iter().map(Loose::number).collect();
        assert_eq!(numbers, [Some(4.0), Some(131_279.0), None, None, None, None, Some(-1.5)]);
    }

    #[test]
    fn what_cannot_be_measured_is_unknown() {
        assert_eq!(sane(0.0), Some(0.0));
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e16] {
            assert_eq!(sane(wrong), None);
        }
    }

    #[test]
    fn a_text_from_outside_is_cut_and_put_on_one_line() {
        assert_eq!(excerpt("bad\n\tinput\u{7}"), "bad input");
        assert_eq!(excerpt("  "), "no reason given");
        assert_eq!(excerpt(&"é".repeat(500)).chars().count(), 161);
    }
}
