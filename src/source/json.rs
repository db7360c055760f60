//! Tolerant types for the JSON of the sources: lists with a malformed item, missing values, text in
//! place of numbers, times in several formats.

use super::SourceError;
use crate::domain::Timestamp;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;

/// The largest value that counts as a measurement; a larger one is a fault.
const ABSURD: f64 = 1e15;
/// The last second of the year 9999, Unix seconds; a later time is a fault.
const LAST_SECOND: f64 = 253_402_300_799.0;
/// 2^53: whole numbers up to this are exact in a 64-bit float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Parses a whole body. Fails with `Malformed`; the error names line and column, but does not quote
/// the body, which may be long.
///
/// A bare `NaN` or `Infinity`, which Python's encoder writes although JSON does not allow it, is
/// read as null. Bytes that are not UTF-8 are read as U+FFFD. Both affect only the value that holds
/// them, not the rest of the reply.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, SourceError> {
    let read = serde_json::from_slice(body).or_else(|error| {
        let again = repaired(body).and_then(|body| serde_json::from_slice(&body).ok());
        again.ok_or(error)
    });
    read.map_err(|error| {
        let why = match error.classify() {
            serde_json::error::Category::Eof => "the JSON ends in the middle",
            serde_json::error::Category::Data => "the JSON is not of the shape that was agreed",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
                "it is not JSON"
            }
        };
        SourceError::malformed(format!("{why} (line {}, column {})", error.line(), error.column()))
    })
}

/// Returns the body as valid UTF-8, with null in place of each bare `NaN`, `Infinity` and
/// `-Infinity`; `None` if there is nothing to repair.
fn repaired(body: &[u8]) -> Option<Vec<u8>> {
    const NO_NUMBERS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let text = String::from_utf8_lossy(body);
    let mut changed = text.as_bytes() != body;
    let mut out = Vec::with_capacity(text.len());
    let (mut rest, mut in_string, mut escaped) = (text.as_bytes(), false, false);
    while let Some((&byte, after)) = rest.split_first() {
        let word = NO_NUMBERS.into_iter().find(|word| !in_string && rest.starts_with(word));
        if let Some(word) = word {
            out.extend_from_slice(b"null");
            changed = true;
            rest = &rest[word.len()..];
            continue;
        }
        in_string ^= byte == b'"' && !escaped;
        escaped = in_string && byte == b'\\' && !escaped;
        out.push(byte);
        rest = after;
    }
    changed.then_some(out)
}

/// Returns the value if it can be a measurement: finite, from 0 to 10^15. Every other value is
/// unknown.
pub fn sane(value: f64) -> Option<f64> {
    (value.is_finite() && (0.0..=ABSURD).contains(&value)).then_some(value)
}

/// A list whose items are read one by one. An item that cannot be read is counted and does not
/// affect the others. Null is an empty list.
#[derive(Clone, Debug, PartialEq)]
pub struct Items<T> {
    /// The items that could be read, in their order.
    pub read: Vec<T>,
    /// Number of items that could not be read.
    pub odd: usize,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { read: Vec::new(), odd: 0 }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemsVisitor(PhantomData))
    }
}

struct ItemsVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for ItemsVisitor<T> {
    type Value = Items<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Items<T>, E> {
        Ok(Items::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<T>, A::Error> {
        let mut items = Items::default();
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            match serde_json::from_str(raw.get()) {
                Ok(item) => items.read.push(item),
                Err(_) => items.odd += 1,
            }
        }
        Ok(items)
    }
}

/// A member of an object; `None` if its value does not have the expected type.
#[derive(Clone, Debug, PartialEq)]
pub struct Member<T>(pub Option<T>);

impl<T> Default for Member<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(raw.get()).ok()))
    }
}

/// A scalar of any type, as it was sent.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Loose {
    /// A number within the range of a 64-bit float.
    Number(f64),
    /// A string, possibly of digits.
    Text(String),
    /// Everything else: null, a boolean, a list, an object, a number out of range.
    #[default]
    Nothing,
}

impl Loose {
    /// Returns the number, even if it was sent as text.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            Self::Nothing => None,
        }
    }

    /// Returns a whole number from 0 to 2^32 - 1, even if it was sent as text.
    pub fn whole(&self) -> Option<u32> {
        self.number()
            .filter(|n| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n))
            .map(|n| n as u32)
    }

    /// Returns a whole number of either sign up to 2^53, even if it was sent as text.
    pub fn integer(&self) -> Option<i64> {
        self.number().filter(|n| n.fract() == 0.0 && n.abs() <= EXACT).map(|n| n as i64)
    }

    /// Returns the text; `None` for a number.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Nothing => None,
        }
    }

    /// Returns an instant from 1970 to 9999: text in ISO 8601, read as UTC, or a number of Unix
    /// seconds.
    pub fn time(&self) -> Option<Timestamp> {
        let at = match self {
            Self::Number(number) => sane(*number).map(|n| Timestamp::from_unix(n as i64)),
            Self::Text(text) => Timestamp::parse(text),
            Self::Nothing => None,
        };
        at.filter(|at| (0.0..=LAST_SECOND).contains(&(at.unix() as f64)))
    }

    fn of(json: &str) -> Self {
        match json.as_bytes().first() {
            Some(b'"') => serde_json::from_str(json).map_or(Self::Nothing, Self::Text),
            Some(b'-' | b'0'..=b'9') => {
                serde_json::from_str(json).map_or(Self::Nothing, Self::Number)
            }
            _ => Self::Nothing,
        }
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'de RawValue>::deserialize(deserializer).map(|raw| Self::of(raw.get()))
    }
}

/// Returns the first 160 characters of a foreign text, on one line and without control characters,
/// fit for a log or a chat.
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
        let all: Vec<Loose> =
            parse(br#"[4, "131279", null, [{"a":1}], {"b":[2]}, true, -1.5]"#).unwrap();
        let numbers: Vec<_> = all.iter().map(Loose::number).collect();
        assert_eq!(numbers, [Some(4.0), Some(131_279.0), None, None, None, None, Some(-1.5)]);
    }

    #[test]
    fn a_malformed_item_does_not_spoil_the_others() {
        #[derive(Deserialize, Debug, PartialEq)]
        struct Item {
            a: u32,
            #[serde(default)]
            b: Member<String>,
        }
        let body = br#"[{"a":1,"b":"x"},{"a":-1},{"a":"1"},null,5,[],{"a":1e999},{"b":"\ud800"},{"a":2,"b":7},{"a":3,"b":"\ud800"}]"#;
        let items: Items<Item> = parse(body).unwrap();
        let read: Vec<_> = items.read.iter().map(|item| (item.a, item.b.0.as_deref())).collect();
        assert_eq!((read, items.odd), (vec![(1, Some("x")), (2, None), (3, None)], 7));
        assert_eq!(parse::<Items<Item>>(b"null").unwrap(), Items::default());
        assert!(parse::<Items<Item>>(b"{}").is_err(), "something else than a list");
    }

    #[test]
    fn a_bare_nan_and_bytes_that_are_not_utf_8_spoil_their_own_value_alone() {
        let all: Vec<Loose> =
            parse(b"[1, NaN, -Infinity, Infinity, 1e999, \"NaN \\\" Infinity\", \"\xff\", 2]")
                .unwrap();
        let text = |text: &str| Loose::Text(text.to_owned());
        let nothing = Loose::Nothing;
        assert_eq!(
            all,
            [
                Loose::Number(1.0),
                nothing.clone(),
                nothing.clone(),
                nothing.clone(),
                nothing,
                text("NaN \" Infinity"),
                text("\u{fffd}"),
                Loose::Number(2.0)
            ]
        );
        assert!(parse::<Vec<Loose>>(b"[1, NaM]").is_err());
        assert!(parse::<Vec<Loose>>(b"[1, NaN").is_err());
    }

    #[test]
    fn a_time_beyond_the_year_9999_is_none() {
        for wrong in ["1e15", "-5", "\"+12025-01-01\"", "\"yesterday\"", "null", "[1]"] {
            assert_eq!(parse::<Loose>(wrong.as_bytes()).unwrap().time(), None, "{wrong}");
        }
        assert!(parse::<Loose>(b"1749231000").unwrap().time().is_some());
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
