//! Conversions between our types and columns.

use super::StoreError;
use crate::domain::{Arrival, Entity, HeldFor, Phase, Timestamp, TransitionKind};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.unix().into())
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self::from_unix)
    }
}

impl ToSql for Entity {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for Entity {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// A stored word of an enum that this version does not know.
#[derive(Debug, thiserror::Error)]
#[error("unknown word `{0}`")]
pub(super) struct UnknownWord(pub(super) String);

pub(super) fn word<T>(
    value: ValueRef<'_>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> FromSqlResult<T> {
    let text = value.as_str()?;
    parse(text).ok_or_else(|| FromSqlError::Other(Box::new(UnknownWord(text.to_owned()))))
}

/// Implements reading and writing of columns that hold an enum's word.
macro_rules! word_column {
    ($($name:ident),+) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                $crate::store::value::word(value, $name::parse)
            }
        }
    )+};
}
pub(super) use word_column;

word_column!(Arrival, HeldFor, Phase, TransitionKind);

/// Returns the value as text for a JSON column; `what` names it in the error.
pub(super) fn to_json(what: &'static str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Inconsistent(format!("{what} is not storable: {error}")))
}

/// Reads a value from the text of a JSON column; `what` names it in the error.
pub(super) fn from_json<T: DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Unreadable { what, why: error.to_string() })
}
