//! The outbox: notices, and what is owed of them to which chat.

use super::session::{Writes, noun};
use super::subscription::chat_at;
use super::value::{from_json, to_json, word_column};
use super::{IncidentId, StoreError};
use crate::domain::{Chat, HeldFor, Owing, Phase, Seconds, Timestamp};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Params, Row, named_params};
use serde_json::Value;
use std::collections::BTreeSet;
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
    /// Until quiet hours or a mute end.
    Held,
    /// Handed to the platform; how that ended is not known yet.
    Sending,
    Sent,
    /// Told in one line with others, or overtaken by a newer one.
    Summed,
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

/// What a chat is still to be told, as far as deciding what to sum up takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub id: DeliveryId,
    /// The incident, the number of its transition, and where the incident stands now, for an alert.
    pub alert: Option<(IncidentId, u32, Phase)>,
    pub is_start: bool,
    pub held_for: Option<HeldFor>,
    pub owed_at: Timestamp,
    /// An earlier attempt's outcome is unknown: the chat may have it already.
    pub in_doubt: bool,
    /// The body of a summary that is still to be sent: more may be added to it.
    pub summary: Option<Value>,
}

/// One notice owed to one chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub chat: Chat,
    pub notice: Notice,
    pub created_at: Timestamp,
    /// The first that the chat hears of the incident.
    pub is_start: bool,
    pub state: DeliveryState,
    pub held_for: Option<HeldFor>,
    /// An earlier attempt's outcome is unknown: the chat may have it already.
    pub in_doubt: bool,
    /// When the first such attempt was made.
    pub doubt_since: Option<Timestamp>,
    /// How often it was sent again without knowing.
    pub doubts: u32,
    /// To be sent as plain text, since the platform could not read it as it was written.
    pub plain: bool,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Since when it may go: what is told long after is late.
    pub owed_at: Timestamp,
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

    /// How much else the chat is owed, though it may not go yet.
    pub fn others(&self, chat: i64, but: DeliveryId) -> Result<u32, StoreError> {
        let mut select = self.connection.prepare_cached(OTHERS)?;
        Ok(select.query_row(named_params! { ":chat": chat, ":but": but.0 }, |row| row.get(0))?)
    }

    /// Some chats of `platform` whose hold has ended: what was held back must be summed up.
    pub fn released(&self, platform: &str, now: Timestamp, at_most: usize) -> Result<Vec<i64>, StoreError> {
        let mut select = self.connection.prepare_cached(RELEASED)?;
        let params = named_params! { ":platform": platform, ":now": now, ":at_most": at_most as i64 };
        let rows = select.query_map(params, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All that a chat is owed or that is held back for it.
    pub fn pending_at_all(&self, chat: i64) -> Result<Vec<Pending>, StoreError> {
        self.pending(chat, Timestamp::from_unix(i64::MAX))
    }

    /// What a chat is owed, and what is held back for it no longer, in the order in which it came to be owed.
    pub fn pending(&self, chat: i64, now: Timestamp) -> Result<Vec<Pending>, StoreError> {
        let mut select = self.connection.prepare_cached(PENDING)?;
        let rows = select.query_map(named_params! { ":chat": chat, ":now": now }, |row| {
            let incident: Option<IncidentId> = row.get(1)?;
            let alert = match incident {
                Some(incident) => Some((incident, row.get(2)?, row.get(3)?)),
                None => None,
            };
            Ok(Pending {
                id: DeliveryId(row.get(0)?),
                alert,
                is_start: row.get(4)?,
                held_for: row.get(5)?,
                owed_at: row.get(6)?,
                in_doubt: row.get(8)?,
                summary: row.get_ref(7)?.as_str_or_null()?.and_then(|text| serde_json::from_str(text).ok()),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
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

    /// Chats that were sent, or are still owed, any alert of `incident`, and can be told more.
    pub fn heard(&self, incident: IncidentId) -> Result<BTreeSet<i64>, StoreError> {
        let mut select = self.connection.prepare_cached(HEARD)?;
        let rows = select.query_map(named_params! { ":incident": incident }, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether the chat was sent, or is still owed, this change of the incident.
    pub fn knows(&self, incident: IncidentId, number: u32, chat: i64) -> Result<bool, StoreError> {
        let mut select = self.connection.prepare_cached(KNOWS)?;
        Ok(select.exists(named_params! { ":incident": incident, ":number": number, ":chat": chat })?)
    }

    /// Whether the chat was owed any alert of the incident, whatever came of it.
    pub fn was_owed(&self, incident: IncidentId, chat: i64) -> Result<bool, StoreError> {
        let mut select = self.connection.prepare_cached(WAS_OWED)?;
        Ok(select.exists(named_params! { ":incident": incident, ":chat": chat })?)
    }

    pub fn by_id(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        Ok(self.select(&format!("{WHOLE} WHERE d.id = :id"), named_params! { ":id": id.0 })?.pop())
    }

    /// The delivery of the notice that is known by `once` to a chat.
    pub fn of_notice(&self, once: &str, chat: i64) -> Result<Option<Delivery>, StoreError> {
        let sql = format!("{WHOLE} WHERE n.once = :once AND d.chat_id = :chat");
        Ok(self.select(&sql, named_params! { ":once": once, ":chat": chat })?.pop())
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
    /// Owes the notice to each of the chats, to be sent from `at` on, or when its hold ends, and no sooner than `apart`
    /// after what the chat was last told of the same incident. What is owed, or was ever owed, is not owed again.
    pub fn owe(&self, new: &NewNotice, owings: &[Owing], at: Timestamp, apart: Seconds) -> Result<(), StoreError> {
        if owings.is_empty() {
            return Ok(());
        }
        let notice = self.notice(new, at)?;
        let mut insert = self.connection.prepare_cached(INSERT_DELIVERY)?;
        for Owing { chat, is_start, hold } in owings {
            insert.execute(named_params! {
                ":notice": notice,
                ":chat": chat,
                ":is_start": is_start,
                ":state": if hold.is_some() { DeliveryState::Held } else { DeliveryState::Owed },
                ":held_for": hold.map(|hold| hold.why),
                ":at": hold.map_or(at, |hold| hold.until),
                ":apart": apart,
            })?;
        }
        Ok(())
    }

    /// Owes an alert to a chat that may have been owed it before, and never got it.
    pub fn owe_again(&self, new: &NewNotice, chat: i64, at: Timestamp) -> Result<(), StoreError> {
        self.owe(new, &[Owing::now(chat, true)], at, 0)?;
        let notice = self.notice(new, at)?;
        self.connection.execute(
            "UPDATE delivery SET state = 'owed', owed_at = :at, next_at = :at, attempts = 0, is_start = 1, error = NULL,
                    held_for = NULL
             WHERE notice_id = :notice AND chat_id = :chat AND state = 'given_up'",
            named_params! { ":notice": notice, ":chat": chat, ":at": at },
        )?;
        Ok(())
    }

    /// Takes back the sums that were given up when the chat shut the bot out: their bodies, to be told in another.
    pub fn take_given_up_sums(&self, chat: i64) -> Result<Vec<Value>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT d.id, n.body FROM delivery d JOIN notice n ON n.id = d.notice_id
             WHERE d.chat_id = :chat AND d.state = 'given_up' AND n.kind = 'summary' ORDER BY d.id",
        )?;
        let rows = select.query_map(named_params! { ":chat": chat }, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let given_up: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        let mut bodies = Vec::new();
        for (id, body) in given_up {
            self.connection
                .execute("UPDATE delivery SET state = 'summed' WHERE id = :id", named_params! { ":id": id })?;
            bodies.push(from_json("a notice", &body)?);
        }
        Ok(bodies)
    }

    /// The chat hears of this change in another way: it need not be told it again.
    pub fn told_otherwise(
        &self,
        incident: IncidentId,
        number: u32,
        chat: i64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let alert = NewNotice::alert(incident, number);
        self.owe(&alert, &[Owing::now(chat, false)], at, 0)?;
        let notice = self.notice(&alert, at)?;
        self.connection.execute(
            "UPDATE delivery SET state = 'summed', held_for = NULL
             WHERE notice_id = :notice AND chat_id = :chat AND state IN ('owed', 'held', 'given_up')",
            named_params! { ":notice": notice, ":chat": chat },
        )?;
        Ok(())
    }

    /// The notice's number; it is written down if it is new.
    fn notice(&self, new: &NewNotice, at: Timestamp) -> Result<i64, StoreError> {
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
        Ok(match &new.once {
            Some(once) => self
                .connection
                .prepare_cached("SELECT id FROM notice WHERE once = :once")?
                .query_row(named_params! { ":once": once }, |row| row.get(0))?,
            None => self
                .connection
                .prepare_cached(ALERT_ID)?
                .query_row(named_params! { ":incident": incident, ":number": number }, |row| row.get(0))?,
        })
    }

    /// Told in one line with others, or overtaken.
    pub fn sum_up(&self, id: DeliveryId) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'summed', held_for = NULL WHERE id = :id AND state IN ('owed', 'held')",
            named_params! { ":id": id.0 },
        )?;
        one(changed, id, "summed up")
    }

    /// It tells for others as well: held no longer, and perhaps the first that the chat hears of the incident.
    pub fn tell(&self, id: DeliveryId, is_start: bool, at: Timestamp) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE delivery
             SET state = 'owed', is_start = max(is_start, :is_start), held_for = NULL,
                 owed_at = iif(state = 'held', :at, owed_at), next_at = iif(state = 'held', :at, next_at)
             WHERE id = :id AND state IN ('owed', 'held')",
            named_params! { ":id": id.0, ":is_start": is_start, ":at": at },
        )?;
        Ok(())
    }

    /// The next attempt is made in plain text.
    pub fn make_plain(&self, id: DeliveryId, at: Timestamp, error: &str) -> Result<(), StoreError> {
        self.put_off(id, at, error, Attempt::Refused)?;
        self.connection.execute("UPDATE delivery SET plain = 1 WHERE id = :id", named_params! { ":id": id.0 })?;
        Ok(())
    }

    /// To be committed before the platform is called: a crash in between leaves it in doubt, not forgotten. Says whether it
    /// is still owed: a chat may have been forgotten or suspended meanwhile.
    pub fn mark_sending(&self, id: DeliveryId, at: Timestamp) -> Result<bool, StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'sending', sending_at = :at, attempts = attempts + 1,
                    doubts = doubts + in_doubt
             WHERE id = :id AND state = 'owed'",
            named_params! { ":id": id.0, ":at": at },
        )?;
        Ok(changed > 0)
    }

    /// What of an incident is owed, was not tried yet and is overtaken by its transition `number` is not told by itself.
    pub fn overtake(&self, incident: IncidentId, number: u32) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE delivery SET state = 'summed'
             WHERE notice_id IN (SELECT id FROM notice WHERE incident_id = :incident AND transition_number < :number)
               AND state = 'owed' AND attempts = 0 AND NOT is_start",
            named_params! { ":incident": incident, ":number": number },
        )?;
        Ok(())
    }

    /// A start that was to be told only later, and is not worth telling any more, was never owed.
    pub fn withdraw_later_starts(&self, incident: IncidentId, now: Timestamp) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE delivery SET state = 'given_up', error = 'it was over before it was to be told'
             WHERE notice_id IN (SELECT id FROM notice WHERE incident_id = :incident)
               AND state = 'owed' AND attempts = 0 AND is_start AND owed_at > :now",
            named_params! { ":incident": incident, ":now": now },
        )?;
        Ok(())
    }

    /// The platform is back: what waits for a further attempt need not wait longer.
    pub fn pull_forward(&self, platform: &str, now: Timestamp) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE delivery SET next_at = :now
             WHERE platform = :platform AND state = 'owed' AND attempts > 0 AND next_at > :now",
            named_params! { ":platform": platform, ":now": now },
        )?;
        Ok(())
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
            "UPDATE delivery SET state = 'owed', next_at = :next_at, error = :error, in_doubt = max(in_doubt, :in_doubt),
                    doubt_since = iif(:in_doubt, coalesce(doubt_since, sending_at), doubt_since)
             WHERE id = :id AND state IN ('owed', 'sending')",
            named_params! { ":id": id.0, ":next_at": next_at, ":error": error,
            ":in_doubt": attempt == Attempt::InDoubt },
        )?;
        one(changed, id, "put off")
    }

    /// It is owed no longer. If the chat so never hears that the incident started, it is not told how it goes on.
    pub fn give_up(&self, id: DeliveryId, error: &str) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'given_up', error = :error, held_for = NULL
             WHERE id = :id AND state IN ('owed', 'held', 'sending')",
            named_params! { ":id": id.0, ":error": error },
        )?;
        one(changed, id, "given up")?;
        self.connection.execute(GIVE_UP_THE_REST, named_params! { ":id": id.0 })?;
        Ok(())
    }
}

/// What may go, but for the hour: nothing of the same incident stands before it, and nothing is on its way to the chat.
/// A state is asked for twice so that the partial index is known to hold every row that is wanted.
const MAY_GO: &str = "
    WHERE d.platform = :platform AND d.state = 'owed'
      AND NOT EXISTS (SELECT 1 FROM delivery s
                      WHERE s.state IN ('owed', 'held', 'sending') AND s.state = 'sending' AND s.chat_id = d.chat_id)
      AND NOT EXISTS (SELECT 1 FROM delivery e
                      WHERE e.state IN ('owed', 'held', 'sending') AND e.chat_id = d.chat_id
                        AND e.incident_id = d.incident_id AND e.transition_number < d.transition_number)";

/// Another of the same chat that may go and comes first.
const COMES_FIRST: &str = "
    SELECT 1 FROM delivery b
    WHERE b.state IN ('owed', 'held', 'sending') AND b.state = 'owed' AND b.chat_id = d.chat_id AND b.next_at <= :now
      AND (b.is_start > d.is_start
           OR b.is_start = d.is_start AND (b.notice_id < d.notice_id OR b.notice_id = d.notice_id AND b.id < d.id))
      AND NOT EXISTS (SELECT 1 FROM delivery f
                      WHERE f.state IN ('owed', 'held', 'sending') AND f.chat_id = b.chat_id
                        AND f.incident_id = b.incident_id AND f.transition_number < b.transition_number)";

/// One for each chat.
pub(super) fn due_sql() -> String {
    format!(
        "{WHOLE} {MAY_GO} AND d.next_at <= :now AND NOT EXISTS ({COMES_FIRST})
         ORDER BY d.is_start DESC, d.notice_id, d.id LIMIT :at_most"
    )
}

pub(super) fn in_doubt_sql() -> String {
    format!("{WHOLE} WHERE d.platform = :platform AND d.state = 'sending' ORDER BY d.id")
}

pub(super) fn next_due_sql() -> String {
    format!(
        "SELECT min(at) FROM (SELECT min(d.next_at) AS at FROM delivery d {MAY_GO}
         UNION ALL SELECT min(h.next_at) FROM delivery h WHERE h.platform = :platform AND h.state = 'held')"
    )
}

pub(super) const RELEASED: &str = "
    SELECT DISTINCT chat_id FROM delivery WHERE platform = :platform AND state = 'held' AND next_at <= :now
    LIMIT :at_most";

const PENDING: &str = "
    SELECT d.id, d.incident_id, d.transition_number, i.phase, d.is_start, d.held_for, d.owed_at,
           iif(n.kind = 'summary', n.body, NULL), d.in_doubt
    FROM delivery d JOIN notice n ON n.id = d.notice_id
    LEFT JOIN incident i ON i.id = d.incident_id
    WHERE d.state IN ('owed', 'held', 'sending') AND d.state IN ('owed', 'held')
      AND d.chat_id = :chat AND (d.state = 'owed' AND d.owed_at <= :now OR d.next_at <= :now)
    ORDER BY n.id";

const OTHERS: &str = "
    SELECT count(*) FROM delivery d
    WHERE d.state IN ('owed', 'held', 'sending') AND d.state = 'owed' AND d.chat_id = :chat AND d.id <> :but";

const WHOLE: &str = "
    SELECT d.id, c.id, c.platform, c.address, n.kind, n.incident_id, n.transition_number, n.body, n.created_at,
           d.is_start, d.state, d.held_for, d.in_doubt, d.doubt_since, d.doubts, d.plain, d.attempts, d.owed_at, d.next_at,
           d.sending_at, d.sent_at, d.message_id, d.error
    FROM delivery d JOIN notice n ON n.id = d.notice_id JOIN chat c ON c.id = d.chat_id";

pub(super) const HEARD: &str = "
    SELECT DISTINCT d.chat_id
    FROM notice n JOIN delivery d ON d.notice_id = n.id JOIN chat c ON c.id = d.chat_id
    WHERE n.incident_id = :incident AND d.state <> 'given_up' AND c.suspended_at IS NULL";

const KNOWS: &str = "
    SELECT 1 FROM notice n JOIN delivery d ON d.notice_id = n.id AND d.chat_id = :chat
    WHERE n.incident_id = :incident AND n.transition_number = :number AND d.state <> 'given_up'";

const WAS_OWED: &str = "SELECT 1 FROM delivery WHERE chat_id = :chat AND incident_id = :incident";

const INSERT_NOTICE: &str = "
    INSERT INTO notice (kind, incident_id, transition_number, once, body, created_at)
    VALUES (:kind, :incident, :number, :once, :body, :at)
    ON CONFLICT DO NOTHING";

const ALERT_ID: &str = "
    SELECT id FROM notice WHERE kind = 'alert' AND incident_id = :incident AND transition_number = :number";

const INSERT_DELIVERY: &str = "
    INSERT INTO delivery (notice_id, chat_id, platform, incident_id, transition_number, is_start, state, held_for,
                          owed_at, next_at)
    SELECT id, chat_id, platform, incident_id, transition_number, :is_start, :state, :held_for, at, at
    FROM (SELECT n.id, c.id AS chat_id, c.platform, n.incident_id, n.transition_number,
                 iif(:apart = 0, :at, max(:at, coalesce(
                     (SELECT max(l.sent_at) + :apart FROM delivery l
                      WHERE l.chat_id = c.id AND l.incident_id = n.incident_id AND l.state = 'sent'), :at))) AS at
          FROM notice n, chat c WHERE n.id = :notice AND c.id = :chat)
    WHERE true
    ON CONFLICT (notice_id, chat_id) DO NOTHING";

const GIVE_UP_THE_REST: &str = "
    UPDATE delivery AS d SET state = 'given_up', error = 'the start of this incident never reached the chat'
    FROM delivery AS start
    WHERE start.id = :id AND start.is_start
      AND d.chat_id = start.chat_id AND d.incident_id = start.incident_id
      AND d.state IN ('owed', 'held', 'sending') AND d.state <> 'sending' AND NOT d.is_start
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
        is_start: row.get(9)?,
        state: row.get(10)?,
        held_for: row.get(11)?,
        in_doubt: row.get(12)?,
        doubt_since: row.get(13)?,
        doubts: row.get(14)?,
        plain: row.get(15)?,
        attempts: row.get(16)?,
        owed_at: row.get(17)?,
        next_at: row.get(18)?,
        sending_at: row.get(19)?,
        sent_at: row.get(20)?,
        message_id: row.get(21)?,
        error: row.get(22)?,
    })
}

fn one(changed: usize, id: DeliveryId, what: &str) -> Result<(), StoreError> {
    match changed {
        1 => Ok(()),
        _ => Err(StoreError::Inconsistent(format!("delivery {id} cannot be {what}: it is not owed any more"))),
    }
}

impl DeliveryState {
    const ALL: [Self; 6] = [Self::Owed, Self::Held, Self::Sending, Self::Sent, Self::Summed, Self::GivenUp];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Held => "held",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Summed => "summed",
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
