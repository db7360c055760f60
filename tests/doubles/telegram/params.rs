//! What a method was given, in whichever of the forms that Telegram takes: JSON, urlencoded, multipart, or the query.

use crate::doubles::web::Request;
use serde_json::{Map, Value};

#[derive(Debug)]
pub struct Params(Map<String, Value>);

impl Params {
    pub fn read(request: &Request) -> Self {
        let mut given = urlencoded(&request.query);
        let kind = request.headers.get("content-type").map(String::as_str).unwrap_or_default();
        let body = String::from_utf8_lossy(&request.body);
        if let Some((_, boundary)) = kind.split_once("boundary=") {
            given.append(&mut multipart(&body, boundary.trim_matches('"')));
        } else if kind.starts_with("application/x-www-form-urlencoded") {
            given.append(&mut urlencoded(&body));
        } else if let Value::Object(mut fields) = request.json() {
            given.append(&mut fields);
        }
        Self(given)
    }

    pub fn whole(&self) -> Value {
        Value::Object(self.0.clone())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    pub fn text(&self, name: &str) -> String {
        match self.0.get(name) {
            Some(Value::String(text)) => text.clone(),
            None | Some(Value::Null) => String::new(),
            Some(other) => other.to_string(),
        }
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.text(name).to_lowercase().as_str(), "true" | "yes" | "1")
    }

    /// An object or a list, which forms carry as text.
    pub fn json(&self, name: &str) -> Value {
        match self.0.get(name) {
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
            Some(other) => other.clone(),
            None => Value::Null,
        }
    }
}

fn urlencoded(text: &str) -> Map<String, Value> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), Value::String(decoded(value)))).collect()
}

pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = (first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(if first == b'+' { b' ' } else { first });
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The fields that are text; files are of no interest here.
fn multipart(body: &str, boundary: &str) -> Map<String, Value> {
    let boundary = format!("--{boundary}");
    let parts = body.split(&boundary).filter_map(|part| part.split_once("\r\n\r\n"));
    let field = |(head, value): (&str, &str)| {
        let (_, name) = head.split_once("name=\"")?;
        let (name, _) = name.split_once('"')?;
        Some((name.to_owned(), Value::String(value.trim_end_matches("\r\n").to_owned())))
    };
    parts.filter_map(field).collect()
}
