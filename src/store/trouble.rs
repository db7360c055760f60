//! What is wrong with the bot itself.

use super::StoreError;
use super::session::{Writes, noun};
use crate::domain::OperatorAlert;
use rusqlite::named_params;

noun! {
    /// What is wrong, while it is.
    Troubles
}

/// What has changed since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    pub begun: Vec<OperatorAlert>,
    pub over: Vec<OperatorAlert>,
}

impl<A> Troubles<'_, A> {
    /// The oldest first.
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
    /// These there are now. What goes on keeps the words with which it was told, and its age.
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
