//! The state of each chat's deliveries, as `linkdown deliveries` and `/subscriptions` show it.

use super::chat::{Place, place};
use super::{Deliveries, StoreError};
use crate::domain::{Tally, Timestamp};
use rusqlite::{Row, named_params};

/// The state of the deliveries of one chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// The chat.
    pub place: Place,
    /// The counts, times and last error of its deliveries.
    pub tally: Tally,
}

impl<A> Deliveries<'_, A> {
    /// Returns the overview of every chat, ordered by number, or of one chat.
    pub fn overview(&self, chat: Option<i64>) -> Result<Vec<Overview>, StoreError> {
        let which = if chat.is_some() { "WHERE c.id = :chat" } else { "WHERE :chat IS NULL" };
        let mut select = self
            .connection
            .prepare_cached(&format!("{OVERVIEW} {which} GROUP BY c.id ORDER BY c.id"))?;
        let rows = select.query_map(named_params! { ":chat": chat }, overview)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// The unsent deliveries to the chats of one platform that can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The platform's name.
    pub platform: String,
    /// How many deliveries are owed or being sent; held ones are not counted.
    pub count: u32,
    /// The time at which the oldest of their notices was stored.
    pub oldest: Timestamp,
    /// The error of a failed attempt at one of them, if there is any.
    pub error: Option<String>,
}

impl<A> Deliveries<'_, A> {
    /// Returns the unsent deliveries of each platform that has any. Runs every minute, so it reads
    /// no finished deliveries.
    pub fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let mut select = self.connection.prepare_cached(WAITING)?;
        let rows = select.query_map([], |row| {
            Ok(Waiting {
                platform: row.get(0)?,
                count: row.get(1)?,
                oldest: row.get(2)?,
                error: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

pub(super) const WAITING: &str = "
    SELECT d.platform, count(*), min(n.created_at), max(d.error)
    FROM delivery d JOIN notice n ON n.id = d.notice_id JOIN chat c ON c.id = d.chat_id
    WHERE d.state IN ('owed', 'held', 'sending') AND d.state IN ('owed', 'sending') AND c.suspended_at IS NULL
    GROUP BY d.platform";

const OVERVIEW: &str = "
    SELECT c.id, c.platform, c.address, c.home, c.owner, c.suspended_at, c.suspended_why,
           coalesce(sum(d.state IN ('owed', 'sending')), 0), coalesce(sum(d.state = 'held'), 0),
           min(CASE WHEN d.state IN ('owed', 'sending') THEN n.created_at END), max(d.sent_at),
           (SELECT e.error FROM delivery e
            WHERE e.chat_id = c.id AND e.error IS NOT NULL AND e.state <> 'sent' ORDER BY e.id DESC LIMIT 1),
           coalesce(sum(d.doubts), 0), coalesce(sum(d.state = 'given_up'), 0)
    FROM chat c LEFT JOIN delivery d ON d.chat_id = c.id LEFT JOIN notice n ON n.id = d.notice_id";

fn overview(row: &Row<'_>) -> rusqlite::Result<Overview> {
    let tally = Tally {
        owed: row.get(7)?,
        held: row.get(8)?,
        oldest: row.get(9)?,
        last_sent: row.get(10)?,
        last_error: row.get(11)?,
        doubts: row.get(12)?,
        given_up: row.get(13)?,
    };
    Ok(Overview { place: place(row)?, tally })
}
