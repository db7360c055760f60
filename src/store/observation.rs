//! Batches as they were received, and the series that their observations form.

use super::StoreError;
use super::noun::{Writes, noun};
use super::value::{from_json, to_json};
use crate::domain::{Batch, Fact, FactKind, Observation, Series, Timestamp};
use rusqlite::{CachedStatement, OptionalExtension, Row, named_params};
use std::collections::HashMap;
use std::sync::Arc;

noun! {
    /// Access to the batches, observations and facts.
    Observations
}

/// A batch's place in the order in which all batches were received. The default precedes the first
/// batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub i64);

impl<A> Observations<'_, A> {
    /// Returns at most `limit` batches after `after`, in the order in which they were received,
    /// each equal to the batch that was passed to [`append`](Observations::append).
    pub fn batches_after(
        &self,
        after: BatchId,
        limit: usize,
    ) -> Result<Vec<(BatchId, Batch)>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT id, received_at, arrival FROM batch WHERE id > :after ORDER BY id LIMIT :limit",
        )?;
        let mut batches = select
            .query_map(named_params! { ":after": after.0, ":limit": limit as i64 }, |row| {
                let batch = Batch {
                    received_at: row.get(1)?,
                    arrival: row.get(2)?,
                    observations: Vec::new(),
                    facts: Vec::new(),
                };
                Ok((BatchId(row.get(0)?), batch))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        if let Some((last, _)) = batches.last() {
            let last = *last;
            self.read_observations(after, last, &mut batches)?;
            self.read_facts(after, last, &mut batches)?;
        }
        Ok(batches)
    }

    fn read_observations(
        &self,
        after: BatchId,
        last: BatchId,
        batches: &mut [(BatchId, Batch)],
    ) -> Result<(), StoreError> {
        let series = self.series()?;
        let mut select = self.connection.prepare_cached(OF_BATCHES)?;
        let mut rows = select.query(named_params! { ":after": after.0, ":last": last.0 })?;
        let mut current = batches.iter_mut();
        let mut batch = current.next();
        while let Some(row) = rows.next()? {
            let id = BatchId(row.get(0)?);
            while batch.as_ref().is_some_and(|(here, _)| *here < id) {
                batch = current.next();
            }
            let series = series.get(&row.get(1)?).ok_or_else(|| missing("series"))?;
            let (_, batch) = batch.as_mut().ok_or_else(|| missing("batch"))?;
            batch.observations.push(Observation {
                series: Arc::clone(series),
                observed_at: row.get(2)?,
                value: row.get(3)?,
            });
        }
        Ok(())
    }

    fn read_facts(
        &self,
        after: BatchId,
        last: BatchId,
        batches: &mut [(BatchId, Batch)],
    ) -> Result<(), StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT batch_id, detail FROM fact WHERE batch_id > :after AND batch_id <= :last ORDER BY batch_id, position",
        )?;
        let mut rows = select.query(named_params! { ":after": after.0, ":last": last.0 })?;
        while let Some(row) = rows.next()? {
            let id = BatchId(row.get(0)?);
            let fact =
                from_json("a fact", row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
            let place =
                batches.binary_search_by_key(&id, |(id, _)| *id).map_err(|_| missing("batch"))?;
            batches[place].1.facts.push(fact);
        }
        Ok(())
    }

    /// Returns every stored series by its number.
    fn series(&self) -> Result<HashMap<i64, Arc<Series>>, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT id, entity, source, signal FROM series")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, Arc::new(series_at(row, 1)?))))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the number of the newest batch, or the default if there is none.
    pub fn newest_batch(&self) -> Result<BatchId, StoreError> {
        let id: Option<i64> =
            self.connection.query_row("SELECT max(id) FROM batch", [], |row| row.get(0))?;
        Ok(id.map(BatchId).unwrap_or_default())
    }

    /// Returns the newest batch that was received before `instant`, or the default if there is
    /// none.
    pub fn last_batch_before(&self, instant: Timestamp) -> Result<BatchId, StoreError> {
        let id: Option<i64> = self.connection.query_row(
            "SELECT max(id) FROM batch WHERE received_at < :instant",
            named_params! { ":instant": instant },
            |row| row.get(0),
        )?;
        Ok(id.map(BatchId).unwrap_or_default())
    }

    /// Returns the observations of `polled` that are new: those that differ from the newest stored
    /// revision of the same bin. Observations of our own series ([`Series::is_our_own`]) always
    /// count as new: these repeat a time only if the clock was ahead the first time.
    pub fn fresh(&self, polled: Vec<Observation>) -> Result<Vec<Observation>, StoreError> {
        let mut ids: HashMap<Arc<Series>, Option<i64>> = HashMap::new();
        let mut newest = self.connection.prepare_cached(NEWEST_REVISION)?;
        let mut fresh = Vec::new();
        for observation in polled {
            let series = if let Some(series) = ids.get(&observation.series) {
                *series
            } else {
                let found = self.series_id(&observation.series)?;
                ids.insert(Arc::clone(&observation.series), found);
                found
            };
            let stored: Option<Option<f64>> = match series {
                Some(series) => newest
                    .query_row(
                        named_params! { ":series": series, ":at": observation.observed_at },
                        |row| row.get(0),
                    )
                    .optional()?,
                None => None,
            };
            if observation.series.is_our_own() || stored != Some(known(observation.value)) {
                fresh.push(observation);
            }
        }
        Ok(fresh)
    }

    /// Returns the facts of `polled` that are new. A fact that holds until it changes (a report,
    /// being part of something) is compared with the newest of its kind at any time; a fact about
    /// an instant, with the newest about the same instant.
    pub fn fresh_facts(&self, polled: Vec<Fact>) -> Result<Vec<Fact>, StoreError> {
        let mut newest = self.connection.prepare_cached(NEWEST_FACT)?;
        let mut fresh = Vec::new();
        for fact in polled {
            let (from, until) = if holds_until_changed(&fact.kind) {
                (Timestamp::from_unix(i64::MIN), Timestamp::from_unix(i64::MAX))
            } else {
                (fact.observed_at, fact.observed_at)
            };
            let stored: Option<String> = newest
                .query_row(
                    named_params! { ":entity": fact.entity, ":source": fact.source, ":word": fact.kind.word(),
                    ":key": fact.kind.key(), ":from": from, ":until": until },
                    |row| row.get(0),
                )
                .optional()?;
            let stored: Option<Fact> = stored.map(|text| from_json("a fact", &text)).transpose()?;
            if stored.is_none_or(|stored| stored.kind != fact.kind) {
                fresh.push(fact);
            }
        }
        Ok(fresh)
    }

    /// Returns, for each series of `source`, the start of the newest bin with a value.
    pub fn newest(&self, source: &str) -> Result<Vec<(Series, Timestamp)>, StoreError> {
        let mut select = self.connection.prepare_cached(NEWEST_BINS)?;
        let rows = select.query_map(named_params! { ":source": source }, |row| {
            Ok((series_at(row, 1)?, row.get(0)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the newest revision of each bin that starts in `[from, until)`, oldest first. `None`
    /// is an unknown value.
    pub fn series_values(
        &self,
        series: &Series,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(Timestamp, Option<f64>)>, StoreError> {
        let Some(id) = self.series_id(series)? else { return Ok(Vec::new()) };
        let mut select = self.connection.prepare_cached(VALUES)?;
        let rows = select
            .query_map(named_params! { ":series": id, ":from": from, ":until": until }, |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn series_id(&self, series: &Series) -> Result<Option<i64>, StoreError> {
        let mut select = self.connection.prepare_cached(SERIES_ID)?;
        let id = select
            .query_row(
                named_params! { ":entity": series.entity, ":source": series.source, ":signal": series.signal },
                |row| row.get(0),
            )
            .optional()?;
        Ok(id)
    }
}

impl Observations<'_, Writes> {
    /// Stores a batch after all earlier ones. A bin that is already stored gets another revision.
    pub fn append(&self, batch: &Batch) -> Result<BatchId, StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO batch (received_at, arrival) VALUES (:received_at, :arrival)",
            )?
            .execute(
                named_params! { ":received_at": batch.received_at, ":arrival": batch.arrival },
            )?;
        let id = self.connection.last_insert_rowid();
        let mut insert = self.connection.prepare_cached(INSERT_OBSERVATION)?;
        for (position, observation) in batch.observations.iter().enumerate() {
            let series = self.intern(&observation.series)?;
            insert.execute(
                named_params! { ":series": series, ":at": observation.observed_at, ":batch": id,
                ":position": position as i64, ":value": observation.value },
            )?;
        }
        self.append_facts(id, &batch.facts)?;
        Ok(BatchId(id))
    }

    fn append_facts(&self, batch: i64, facts: &[Fact]) -> Result<(), StoreError> {
        let mut insert: CachedStatement<'_> = self.connection.prepare_cached(
            "INSERT INTO fact (batch_id, position, entity, source, word, key, observed_at, detail)
             VALUES (:batch, :position, :entity, :source, :word, :key, :at, :detail)",
        )?;
        for (position, fact) in facts.iter().enumerate() {
            insert.execute(named_params! { ":batch": batch, ":position": position as i64, ":entity": fact.entity,
            ":source": fact.source, ":word": fact.kind.word(), ":key": fact.kind.key(), ":at": fact.observed_at,
            ":detail": to_json("a fact", fact)? })?;
        }
        Ok(())
    }

    /// Returns the number of a series, which is stored if it is new.
    fn intern(&self, series: &Series) -> Result<i64, StoreError> {
        if let Some(id) = self.series_id(series)? {
            return Ok(id);
        }
        self.connection
            .prepare_cached("INSERT INTO series (entity, source, signal) VALUES (:entity, :source, :signal)")?
            .execute(named_params! { ":entity": series.entity, ":source": series.source, ":signal": series.signal })?;
        Ok(self.connection.last_insert_rowid())
    }
}

pub(super) const OF_BATCHES: &str = "
    SELECT batch_id, series_id, observed_at, value FROM observation
    WHERE batch_id > :after AND batch_id <= :last
    ORDER BY batch_id, position";

pub(super) const NEWEST_REVISION: &str = "
    SELECT value FROM observation WHERE series_id = :series AND observed_at = :at ORDER BY revision DESC LIMIT 1";

const INSERT_OBSERVATION: &str = "
    INSERT INTO observation (series_id, observed_at, revision, batch_id, position, value)
    VALUES (:series, :at,
            1 + coalesce((SELECT max(revision) FROM observation WHERE series_id = :series AND observed_at = :at), -1),
            :batch, :position, :value)";

pub(super) const NEWEST_FACT: &str = "
    SELECT detail FROM fact
    WHERE entity = :entity AND source = :source AND word = :word AND key = :key
      AND observed_at BETWEEN :from AND :until
    ORDER BY observed_at DESC, id DESC LIMIT 1";

pub(super) const NEWEST_BINS: &str = "
    SELECT at, entity, source, signal
    FROM (SELECT entity, source, signal,
                 (SELECT observed_at FROM observation WHERE series_id = series.id AND value IS NOT NULL
                  ORDER BY observed_at DESC LIMIT 1) AS at
          FROM series WHERE source = :source)
    WHERE at IS NOT NULL
    ORDER BY entity, signal";

// With max(), SQLite takes the other columns from the row that holds the maximum.
pub(super) const VALUES: &str = "
    SELECT observed_at, value, max(revision) FROM observation
    WHERE series_id = :series AND observed_at >= :from AND observed_at < :until
    GROUP BY observed_at ORDER BY observed_at";

pub(super) const SERIES_ID: &str = "
    SELECT id FROM series WHERE entity = :entity AND source = :source AND signal = :signal AND vantage = 'local'";

fn series_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Series> {
    Ok(Series { entity: row.get(first)?, source: row.get(first + 1)?, signal: row.get(first + 2)? })
}

/// Returns a value as SQLite stores it: NaN becomes unknown.
fn known(value: Option<f64>) -> Option<f64> {
    value.filter(|value| !value.is_nan())
}

fn missing(what: &'static str) -> StoreError {
    StoreError::Unreadable {
        what: "a batch",
        why: format!("a row refers to a {what} that is not there"),
    }
}

fn holds_until_changed(kind: &FactKind) -> bool {
    match kind {
        FactKind::PartOf { .. }
        | FactKind::Report { .. }
        | FactKind::Hosts { .. }
        | FactKind::Certificate { .. }
        | FactKind::Uplink { .. } => true,
        FactKind::Gateway { .. }
        | FactKind::Peers { .. }
        | FactKind::Withdrawn { .. }
        | FactKind::PollFailed { .. } => false,
    }
}
