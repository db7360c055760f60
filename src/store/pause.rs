//! Pauses that a platform requested; they survive a restart.

use super::StoreError;
use super::noun::{Writes, noun};
use crate::domain::{Seconds, Timestamp};
use rusqlite::named_params;

noun! {
    /// Access to the pauses.
    Pauses
}

/// A platform, or one place on it, that is not called before `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The unit that the platform limits, such as a group; `None` is the whole platform.
    pub place: Option<String>,
    /// The end of the pause.
    pub until: Timestamp,
}

impl Pause {
    /// Returns a pause of `seconds` that was requested at `now`, plus one second: the second of
    /// `now` may be almost over, and a pause that is resumed after a restart must end late rather
    /// than early.
    pub fn asked_for(place: Option<String>, seconds: Seconds, now: Timestamp) -> Self {
        Self { place, until: now + seconds + 1 }
    }
}

impl<A> Pauses<'_, A> {
    /// Returns the pauses of `platform` that are in effect at `now`.
    pub fn of(&self, platform: &str, now: Timestamp) -> Result<Vec<Pause>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT place, until FROM pause WHERE platform = :platform AND until > :now",
        )?;
        let rows =
            select.query_map(named_params! { ":platform": platform, ":now": now }, |row| {
                let place: String = row.get(0)?;
                Ok(Pause {
                    place: Some(place).filter(|place| !place.is_empty()),
                    until: row.get(1)?,
                })
            })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

impl Pauses<'_, Writes> {
    /// Stores a pause of `platform`, unless a longer one is stored. Removes the pauses that are
    /// over at `now`.
    pub fn keep(&self, platform: &str, pause: &Pause, now: Timestamp) -> Result<(), StoreError> {
        self.connection
            .execute("DELETE FROM pause WHERE until <= :now", named_params! { ":now": now })?;
        self.connection.execute(
            "INSERT INTO pause (platform, place, until) VALUES (:platform, :place, :until)
             ON CONFLICT (platform, place) DO UPDATE SET until = max(until, excluded.until)",
            named_params! {
                ":platform": platform,
                ":place": pause.place.as_deref().unwrap_or_default(),
                ":until": pause.until,
            },
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn the_longest_pause_of_a_place_is_kept_until_it_is_over() {
        let store = Store::in_memory().unwrap();
        let at = Timestamp::from_unix;
        let pause = move |place: Option<&str>, until| Pause {
            place: place.map(str::to_owned),
            until: at(until),
        };
        let (group, whole) = (pause(Some("-100"), 90), pause(None, 30));
        let keep = store.write(move |tx| {
            for known in [&group, &pause(Some("-100"), 50), &whole] {
                tx.pauses().keep("telegram", known, at(10))?;
            }
            tx.pauses().keep("discord", &whole, at(10))
        });
        keep.await.unwrap();
        let of =
            async |now| store.read(move |db| db.pauses().of("telegram", at(now))).await.unwrap();
        assert_eq!(of(10).await, [pause(None, 30), pause(Some("-100"), 90)]);
        assert_eq!(of(30).await, [pause(Some("-100"), 90)]);
        assert_eq!(of(90).await, []);
    }
}
