//! The outbox: notices, and what is owed of them to which chat.

use super::session::{Writes, noun};
use super::subscription::chat_at;
use super::value::{from_json, to_json, word_column};
use super::{IncidentId, StoreError};
use crate::domain::{Chat, Timestamp, TransitionKind};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Params, Row, named_params};
use serde_json::Value;
use std::fmt;

noun! {
    /// Notices and their deliveries.
    Deliveries
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub i64);

/// What is to be said. A body's shape is for those who write and render it to agree on.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A transition of an incident.
    Alert {
        incident: IncidentId,
        number: u32,
    },
    /// What a chat missed.
    Summary {
        body: Value,
    },
    Test {
        body: Value,
    },
    /// A word to the one who runs the bot.
    Operator {
        body: Value,
    },
}

/// A notice that may be owed already: an alert is known by its transition, all else by `once`.
#[derive(Clone, Debug, PartialEq)]
pub struct NewNotice {
    notice: Notice,
    once: Option<String>,
}

impl NewNotice {
    pub fn alert(incident: IncidentId, number: u32) -> Self {
        Self { notice: Notice::Alert { incident, number }, once: None }
    }

    pub fn summary(once: impl Into<String>, body: Value) -> Self {
        Self { notice: Notice::Summary { body }, once: Some(once.into()) }
    }

    pub fn test(once: impl Into<String>, body: Value) -> Self {
        Self { notice: Notice::Test { body }, once: Some(once.into()) }
    }

    pub fn operator(once: impl Into<String>, body: Value) -> Self {
        Self { notice: Notice::Operator { body }, once: Some(once.into()) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    Owed,
    /// Handed to the platform; how that ended is not known yet.
    Sending,
    Sent,
    GivenUp,
}

/// How an attempt that did not succeed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The platform refused it, or it never got there: the chat has nothing.
    Refused,
    /// Nobody knows: the chat may have it.
    InDoubt,
}

/// One notice owed to one chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub chat: Chat,
    pub notice: Notice,
    pub created_at: Timestamp,
    pub state: DeliveryState,
    /// An earlier attempt's outcome is unknown: the chat may have it already.
    pub in_doubt: bool,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Not to be tried before.
    pub next_at: Timestamp,
    /// When the last attempt began.
    pub sending_at: Option<Timestamp>,
    pub sent_at: Option<Timestamp>,
    /// The platform's id of the message.
    pub message_id: Option<String>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

impl<A> Deliveries<'_, A> {
    /// What is owed to `platform` and may go at `now`: starts before updates, oldest first, one for each chat, none for
    /// a chat to which one is being sent. What an incident owes a chat goes in the order of its transitions.
    pub fn due(&self, platform: &str, now: Timestamp, at_most: usize) -> Result<Vec<Delivery>, StoreError> {
        self.select(&due_sql(), named_params! { ":platform": platform, ":now": now, ":at_most": at_most as i64 })
    }

    /// When [`due`](Deliveries::due) next has something, if nothing changes: it may lie in the past. `None` while
    /// nothing is owed, or all that is waits for what is being sent.
    pub fn next_due(&self, platform: &str) -> Result<Option<Timestamp>, StoreError> {
        let mut select = self.connection.prepare_cached(&next_due_sql())?;
        Ok(select.query_row(named_params! { ":platform": platform }, |row| row.get(0))?)
    }

    /// What is being sent to `platform`. At a start: attempts that the process before this one did not see the end of.
    pub fn in_doubt(&self, platform: &str) -> Result<Vec<Delivery>, StoreError> {
        self.select(&in_doubt_sql(), named_params! { ":platform": platform })
    }

    /// Chats that were sent, or are still owed, an alert of `incident` of one of these `kinds`.
    pub fn heard_start(&self, incident: IncidentId, kinds: &[TransitionKind]) -> Result<Vec<i64>, StoreError> {
        let mut select = self.connection.prepare_cached(HEARD)?;
        let mut chats = Vec::new();
        for kind in kinds {
            let rows = select.query_map(named_params! { ":incident": incident, ":kind": kind }, |row| row.get(0))?;
            for chat in rows {
                chats.push(chat?);
            }
        }
        chats.sort_unstable();
        chats.dedup();
        Ok(chats)
    }

    /// The newest, whatever became of them; newest first.
    pub fn recent(&self, at_most: usize) -> Result<Vec<Delivery>, StoreError> {
        let sql = format!("{WHOLE} ORDER BY d.id DESC LIMIT :at_most");
        self.select(&sql, named_params! { ":at_most": at_most as i64 })
    }

    fn select(&self, sql: &str, params: impl Params) -> Result<Vec<Delivery>, StoreError> {
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query(params)?;
        let mut deliveries = Vec::new();
        while let Some(row) = rows.next()? {
            deliveries.push(delivery(row)?);
        }
        Ok(deliveries)
    }
}

impl Deliveries<'_, Writes> {
    /// Owes the notice to each of `chats`, to be sent from `at` on. What is owed, or was ever owed, is not owed again.
    pub fn owe(&self, new: &NewNotice, chats: &[i64], at: Timestamp) -> Result<(), StoreError> {
        let (kind, incident, number, body) = match &new.notice {
            Notice::Alert { incident, number } => ("alert", Some(*incident), Some(*number), None),
            Notice::Summary { body } => ("summary", None, None, Some(body)),
            Notice::Test { body } => ("test", None, None, Some(body)),
            Notice::Operator { body } => ("operator", None, None, Some(body)),
        };
        let body = body.map(|body| to_json("a notice", body)).transpose()?;
        self.connection
            .prepare_cached(INSERT_NOTICE)?
            .execute(named_params! { ":kind": kind, ":incident": incident,
            ":number": number, ":once": new.once, ":body": body, ":at": at })?;
        let notice: i64 = match &new.once {
            Some(once) => self
                .connection
                .prepare_cached("SELECT id FROM notice WHERE once = :once")?
                .query_row(named_params! { ":once": once }, |row| row.get(0))?,
            None => self
                .connection
                .prepare_cached(ALERT_ID)?
                .query_row(named_params! { ":incident": incident, ":number": number }, |row| row.get(0))?,
        };
        let mut insert = self.connection.prepare_cached(INSERT_DELIVERY)?;
        for chat in chats {
            insert.execute(named_params! { ":notice": notice, ":chat": chat, ":at": at })?;
        }
        Ok(())
    }

    /// To be committed before the platform is called: a crash in between leaves it in doubt, not forgotten.
    pub fn mark_sending(&self, id: DeliveryId, at: Timestamp) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'sending', sending_at = :at, attempts = attempts + 1
             WHERE id = :id AND state = 'owed'",
            named_params! { ":id": id.0, ":at": at },
        )?;
        one(changed, id, "sent")
    }

    /// The chat has it, as `message_id`.
    pub fn mark_sent(&self, id: DeliveryId, message_id: Option<&str>, at: Timestamp) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'sent', sent_at = :at, message_id = :message_id, error = NULL, in_doubt = 0
             WHERE id = :id AND state IN ('owed', 'sending')",
            named_params! { ":id": id.0, ":at": at, ":message_id": message_id },
        )?;
        one(changed, id, "marked as sent")
    }

    /// It stays owed, and is tried again from `next_at` on. Doubt, once there, stays until it is known to be sent.
    pub fn put_off(&self, id: DeliveryId, next_at: Timestamp, error: &str, attempt: Attempt) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'owed', next_at = :next_at, error = :error, in_doubt = max(in_doubt, :in_doubt)
             WHERE id = :id AND state IN ('owed', 'sending')",
            named_params! { ":id": id.0, ":next_at": next_at, ":error": error,
            ":in_doubt": attempt == Attempt::InDoubt },
        )?;
        one(changed, id, "put off")
    }

    /// It is owed no longer. If the chat so never hears that the incident started, it is not told how it goes on.
    pub fn give_up(&self, id: DeliveryId, error: &str) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'given_up', error = :error WHERE id = :id AND state IN ('owed', 'sending')",
            named_params! { ":id": id.0, ":error": error },
        )?;
        one(changed, id, "given up")?;
        self.connection.execute(GIVE_UP_THE_REST, named_params! { ":id": id.0 })?;
        Ok(())
    }
}

/// What may go, but for the hour: nothing of the same incident stands before it, and nothing is on its way to the chat.
/// The state is asked for twice so that the partial index is known to hold every row that is wanted.
const MAY_GO: &str = "
    FROM chat c CROSS JOIN delivery d ON d.chat_id = c.id
    WHERE c.platform = :platform
      AND d.state IN ('owed', 'sending') AND d.state = 'owed'
      AND NOT EXISTS (SELECT 1 FROM delivery s
                      WHERE s.state IN ('owed', 'sending') AND s.state = 'sending' AND s.chat_id = d.chat_id)
      AND NOT EXISTS (SELECT 1 FROM delivery e
                      WHERE e.state IN ('owed', 'sending') AND e.chat_id = d.chat_id
                        AND e.incident_id = d.incident_id AND e.transition_number < d.transition_number)";

pub(super) fn due_sql() -> String {
    format!(
        "{WHOLE} WHERE d.id IN (SELECT id FROM (
             SELECT d.id AS id, d.is_start AS is_start, d.notice_id AS notice_id,
                    row_number() OVER (PARTITION BY d.chat_id ORDER BY d.is_start DESC, d.notice_id) AS place
             {MAY_GO} AND d.next_at <= :now)
         WHERE place = 1 ORDER BY is_start DESC, notice_id, id LIMIT :at_most)
         ORDER BY d.is_start DESC, d.notice_id, d.id"
    )
}

pub(super) fn in_doubt_sql() -> String {
    format!(
        "{WHOLE} WHERE c.platform = :platform AND d.state IN ('owed', 'sending') AND d.state = 'sending' ORDER BY d.id"
    )
}

pub(super) fn next_due_sql() -> String {
    format!("SELECT min(d.next_at) {MAY_GO}")
}

const WHOLE: &str = "
    SELECT d.id, c.id, c.platform, c.address, n.kind, n.incident_id, n.transition_number, n.body, n.created_at,
           d.state, d.in_doubt, d.attempts, d.next_at, d.sending_at, d.sent_at, d.message_id, d.error
    FROM delivery d JOIN notice n ON n.id = d.notice_id JOIN chat c ON c.id = d.chat_id";

pub(super) const HEARD: &str = "
    SELECT d.chat_id
    FROM notice n
    JOIN transition t ON t.incident_id = n.incident_id AND t.number = n.transition_number
    JOIN delivery d ON d.notice_id = n.id
    WHERE n.incident_id = :incident AND t.kind = :kind AND d.state IN ('sent', 'owed', 'sending')";

const INSERT_NOTICE: &str = "
    INSERT INTO notice (kind, incident_id, transition_number, once, body, created_at)
    VALUES (:kind, :incident, :number, :once, :body, :at)
    ON CONFLICT DO NOTHING";

const ALERT_ID: &str = "
    SELECT id FROM notice WHERE kind = 'alert' AND incident_id = :incident AND transition_number = :number";

const INSERT_DELIVERY: &str = "
    INSERT INTO delivery (notice_id, chat_id, incident_id, transition_number, is_start, next_at)
    SELECT n.id, :chat, n.incident_id, n.transition_number, coalesce(t.kind IN ('suspected', 'started'), 0), :at
    FROM notice n LEFT JOIN transition t ON t.incident_id = n.incident_id AND t.number = n.transition_number
    WHERE n.id = :notice
    ON CONFLICT (notice_id, chat_id) DO NOTHING";

const GIVE_UP_THE_REST: &str = "
    UPDATE delivery AS d SET state = 'given_up', error = 'the start of this incident never reached the chat'
    FROM delivery AS start
    WHERE start.id = :id AND start.is_start
      AND d.chat_id = start.chat_id AND d.incident_id = start.incident_id
      AND d.state IN ('owed', 'sending') AND d.state = 'owed' AND NOT d.is_start
      AND NOT EXISTS (SELECT 1 FROM notice n JOIN delivery h ON h.notice_id = n.id AND h.chat_id = start.chat_id
                      WHERE n.incident_id = start.incident_id AND h.is_start AND h.state <> 'given_up')";

fn delivery(row: &Row<'_>) -> Result<Delivery, StoreError> {
    let kind: String = row.get(4)?;
    let notice = if kind == "alert" {
        Notice::Alert { incident: row.get(5)?, number: row.get(6)? }
    } else {
        let body = from_json("a notice", row.get_ref(7)?.as_str().map_err(rusqlite::Error::from)?)?;
        match kind.as_str() {
            "summary" => Notice::Summary { body },
            "test" => Notice::Test { body },
            "operator" => Notice::Operator { body },
            _ => return Err(StoreError::Unreadable { what: "a notice", why: format!("unknown kind `{kind}`") }),
        }
    };
    Ok(Delivery {
        id: DeliveryId(row.get(0)?),
        chat: chat_at(row, 1)?,
        notice,
        created_at: row.get(8)?,
        state: row.get(9)?,
        in_doubt: row.get(10)?,
        attempts: row.get(11)?,
        next_at: row.get(12)?,
        sending_at: row.get(13)?,
        sent_at: row.get(14)?,
        message_id: row.get(15)?,
        error: row.get(16)?,
    })
}

fn one(changed: usize, id: DeliveryId, what: &str) -> Result<(), StoreError> {
    match changed {
        1 => Ok(()),
        _ => Err(StoreError::Inconsistent(format!("delivery {id} cannot be {what}: it is not owed any more"))),
    }
}

impl DeliveryState {
    const ALL: [Self; 4] = [Self::Owed, Self::Sending, Self::Sent, Self::GivenUp];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::GivenUp => "given_up",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

word_column!(DeliveryState);

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
