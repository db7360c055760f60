//! Current problems of the bot itself.

use super::StoreError;
use super::noun::{Writes, noun};
use crate::domain::OperatorAlert;
use rusqlite::named_params;

noun! {
    /// Access to the operator alerts that are active.
    Troubles
}

/// The change between two checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The alerts that are new.
    pub begun: Vec<OperatorAlert>,
    /// The alerts that have ended, as they were stored.
    pub over: Vec<OperatorAlert>,
}

impl<A> Troubles<'_, A> {
    /// Returns the active alerts, oldest first.
    pub fn all(&self) -> Result<Vec<OperatorAlert>, StoreError> {
        let mut select = self
            .connection
            .prepare_cached("SELECT what, since, said FROM trouble ORDER BY since, what")?;
        let rows = select.query_map([], |row| {
            Ok(OperatorAlert { what: row.get(0)?, since: row.get(1)?, said: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Troubles<'_, Writes> {
    /// Makes `now` the active alerts and returns the change. An alert that continues keeps its
    /// first text and its start.
    pub fn settle(&self, now: &[OperatorAlert]) -> Result<Settled, StoreError> {
        let known = self.all()?;
        let is_in = |list: &[OperatorAlert], trouble: &OperatorAlert| {
            list.iter().any(|other| other.what == trouble.what)
        };
        let begun: Vec<OperatorAlert> =
            now.iter().filter(|trouble| !is_in(&known, trouble)).cloned().collect();
        let over: Vec<OperatorAlert> =
            known.into_iter().filter(|trouble| !is_in(now, trouble)).collect();
        for OperatorAlert { what, since, said } in &begun {
            self.connection.execute(
                "INSERT INTO trouble (what, since, said) VALUES (:what, :since, :said)",
                named_params! { ":what": what, ":since": since, ":said": said },
            )?;
        }
        for trouble in &over {
            self.connection.execute(
                "DELETE FROM trouble WHERE what = :what",
                named_params! { ":what": trouble.what },
            )?;
        }
        Ok(Settled { begun, over })
    }
}
