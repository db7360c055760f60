//! How long data is kept: observations for some weeks, their hourly summaries and the finished
//! deliveries for about a year, incidents for good.

use super::noun::{Writes, noun};
use super::{Observations, StoreError};
use crate::domain::time::{DAY, HOUR};
use crate::domain::{Seconds, Series, Timestamp};
use rusqlite::{OptionalExtension, named_params};

noun! {
    /// Pruning of old data, and access to the summaries that it leaves.
    Retention
}

/// How long data is kept, in days, as configured; 45 and 400 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Days for observations as they were received.
    pub raw_days: u32,
    /// Days for their hourly summaries, and for finished deliveries with their notices and cards.
    pub hourly_days: u32,
}

impl Default for Keep {
    fn default() -> Self {
        Self { raw_days: 45, hourly_days: 400 }
    }
}

/// The summary of one hour of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hourly {
    /// Start of the hour.
    pub hour: Timestamp,
    /// How many bins had a value; at least 1.
    pub count: u32,
    /// The lowest value.
    pub low: f64,
    /// The median; for an even count the mean of the two middle values.
    pub median: f64,
    /// The highest value.
    pub high: f64,
}

/// The result of one pruning step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// How many rows were deleted.
    pub rows: usize,
    /// Whether there may be more to prune, by another call in another transaction.
    pub more: bool,
}

impl<A> Retention<'_, A> {
    /// Returns the summaries of the hours that start in `[from, until)`, oldest first.
    pub fn hourly(
        &self,
        series: &Series,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Hourly>, StoreError> {
        let Some(id) = Observations::<A>::new(self.connection).series_id(series)? else {
            return Ok(Vec::new());
        };
        let mut select = self.connection.prepare_cached(
            "SELECT hour, count, low, median, high FROM hourly
             WHERE series_id = :series AND hour >= :from AND hour < :until ORDER BY hour",
        )?;
        let rows = select.query_map(
            named_params! { ":series": id, ":from": from, ":until": until },
            |row| {
                Ok(Hourly {
                    hour: row.get(0)?,
                    count: row.get(1)?,
                    low: row.get(2)?,
                    median: row.get(3)?,
                    high: row.get(4)?,
                })
            },
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Retention<'_, Writes> {
    /// Takes one small step: summarizes and deletes whole hours of observations that are too old,
    /// and old summaries, until about `at_most` rows are gone; then deletes batches without
    /// observations. Never touches batches that are newer than the checkpoint.
    pub fn prune(&self, now: Timestamp, keep: Keep, at_most: usize) -> Result<Pruned, StoreError> {
        let Some(held) = self.checkpointed()? else { return Ok(Pruned { rows: 0, more: false }) };
        let cutoff = (now - Seconds::from(keep.raw_days) * DAY).floor_to(HOUR);
        let mut rows = 0;
        for series in self.series()? {
            while rows < at_most {
                let Some(hour) = self.oldest_hour(series, cutoff)? else { break };
                if self.newest_batch_in(series, hour)? > held {
                    break;
                }
                self.sum_up(series, hour)?;
                rows += self.connection.prepare_cached(DELETE_HOUR)?.execute(
                    named_params! { ":series": series, ":from": hour, ":until": hour + HOUR },
                )?;
            }
            if rows < at_most {
                rows += self.delete_hourly(
                    series,
                    now - Seconds::from(keep.hourly_days) * DAY,
                    at_most - rows,
                )?;
            }
        }
        if rows < at_most {
            rows += self
                .connection
                .prepare_cached(DELETE_BATCHES)?
                .execute(named_params! { ":cutoff": cutoff, ":held": held, ":at_most": (at_most - rows) as i64 })?;
        }
        Ok(Pruned { rows, more: rows >= at_most && at_most > 0 })
    }

    /// Does the same for deliveries, notices and cards. Keeps every delivery that is still owed,
    /// and those of an incident that goes on.
    pub fn prune_told(
        &self,
        now: Timestamp,
        keep: Keep,
        at_most: usize,
    ) -> Result<Pruned, StoreError> {
        let before = now - Seconds::from(keep.hourly_days) * DAY;
        let mut rows = 0;
        // The order matters: a notice can go after its last delivery, a card after its incident's
        // last notice.
        for delete in [DELETE_DELIVERIES, DELETE_NOTICES, DELETE_CARDS] {
            let params = named_params! { ":before": before, ":at_most": (at_most - rows) as i64 };
            rows += self.connection.prepare_cached(delete)?.execute(params)?;
        }
        Ok(Pruned { rows, more: rows >= at_most && at_most > 0 })
    }

    /// Returns the newest batch in the checkpoint. Without a checkpoint every batch may still be
    /// needed.
    fn checkpointed(&self) -> Result<Option<i64>, StoreError> {
        let held = self
            .connection
            .query_row("SELECT batch_id FROM checkpoint", [], |row| row.get(0))
            .optional()?;
        Ok(held)
    }

    fn series(&self) -> Result<Vec<i64>, StoreError> {
        let mut select = self.connection.prepare_cached("SELECT id FROM series ORDER BY id")?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the start of the oldest hour with observations before `cutoff`.
    fn oldest_hour(&self, series: i64, cutoff: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let oldest: Option<Timestamp> = self
            .connection
            .prepare_cached(OLDEST)?
            .query_row(named_params! { ":series": series }, |row| row.get(0))?;
        Ok(oldest.filter(|at| *at < cutoff).map(|at| at.floor_to(HOUR)))
    }

    fn newest_batch_in(&self, series: i64, hour: Timestamp) -> Result<i64, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT max(batch_id) FROM observation
             WHERE series_id = :series AND observed_at >= :from AND observed_at < :until",
        )?;
        let params = named_params! { ":series": series, ":from": hour, ":until": hour + HOUR };
        Ok(select.query_row(params, |row| row.get::<_, Option<i64>>(0))?.unwrap_or_default())
    }

    fn sum_up(&self, series: i64, hour: Timestamp) -> Result<(), StoreError> {
        let mut select = self.connection.prepare_cached(super::observation::VALUES)?;
        let params = named_params! { ":series": series, ":from": hour, ":until": hour + HOUR };
        let mut values = select
            .query_map(params, |row| row.get::<_, Option<f64>>(1))?
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>, _>>()?;
        values.sort_by(f64::total_cmp);
        let (Some(low), Some(high)) = (values.first(), values.last()) else { return Ok(()) };
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            values[middle - 1].midpoint(values[middle])
        };
        // A bin that arrives after its hour was summarized does not replace the summary of the
        // whole hour.
        self.connection
            .prepare_cached(
                "INSERT INTO hourly (series_id, hour, count, low, median, high)
                 VALUES (:series, :hour, :count, :low, :median, :high) ON CONFLICT DO NOTHING",
            )?
            .execute(named_params! { ":series": series, ":hour": hour, ":count": values.len() as i64, ":low": low,
            ":median": median, ":high": high })?;
        Ok(())
    }

    fn delete_hourly(
        &self,
        series: i64,
        before: Timestamp,
        at_most: usize,
    ) -> Result<usize, StoreError> {
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM hourly WHERE series_id = :series AND hour IN (
                 SELECT hour FROM hourly WHERE series_id = :series AND hour < :before ORDER BY hour LIMIT :at_most)",
        )?;
        Ok(delete.execute(
            named_params! { ":series": series, ":before": before, ":at_most": at_most as i64 },
        )?)
    }
}

pub(super) const OLDEST: &str =
    "SELECT min(observed_at) FROM observation WHERE series_id = :series";

const DELETE_HOUR: &str = "
    DELETE FROM observation WHERE series_id = :series AND observed_at >= :from AND observed_at < :until";

// The facts of a batch are deleted with it.
pub(super) const DELETE_BATCHES: &str = "
    DELETE FROM batch WHERE id IN (
        SELECT id FROM batch
        WHERE received_at < :cutoff AND id <= :held
          AND NOT EXISTS (SELECT 1 FROM observation WHERE batch_id = batch.id)
        ORDER BY received_at LIMIT :at_most)";

// Starts from the few notices instead of the many deliveries.
pub(super) const DELETE_DELIVERIES: &str = "
    DELETE FROM delivery WHERE id IN (
        SELECT d.id FROM notice n CROSS JOIN delivery d ON d.notice_id = n.id LEFT JOIN incident i ON i.id = n.incident_id
        WHERE n.created_at < :before AND d.state IN ('sent', 'summed', 'given_up')
          AND (i.id IS NULL OR i.phase IN ('recovered', 'retracted'))
        LIMIT :at_most)";

const DELETE_NOTICES: &str = "
    DELETE FROM notice WHERE id IN (
        SELECT id FROM notice n
        WHERE created_at < :before AND NOT EXISTS (SELECT 1 FROM delivery WHERE notice_id = n.id)
        LIMIT :at_most)";

pub(super) const DELETE_CARDS: &str = "
    DELETE FROM card WHERE (incident_id, chat_id) IN (
        SELECT c.incident_id, c.chat_id FROM incident i CROSS JOIN card c ON c.incident_id = i.id
        WHERE i.started_at < :before AND i.phase IN ('recovered', 'retracted')
          AND NOT EXISTS (SELECT 1 FROM notice WHERE incident_id = c.incident_id)
        LIMIT :at_most)";
