//! The outbox: notices, and which chat each of them is owed to.

mod changes;

use super::noun::noun;
use super::subscription::chat_at;
use super::value::{from_json, word_column};
use super::{IncidentId, StoreError};
use crate::domain::{Chat, HeldFor, Phase, Timestamp};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Params, Row, named_params};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

noun! {
    /// Access to the notices and their deliveries.
    Deliveries
}

/// The number of a delivery in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub i64);

/// The content of a message. The code that writes and renders a body defines its JSON shape.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A transition of an incident.
    Alert {
        /// The incident that changed.
        incident: IncidentId,
        /// The number of the transition within its incident, from 1.
        number: u32,
    },
    /// The changes that a chat missed, in one message.
    Summary {
        /// The listed incidents, as the module `notify` writes them.
        body: Value,
    },
    /// A message that a person requested to see whether the chat can be reached.
    Test {
        /// The content of the test message.
        body: Value,
    },
    /// A message to the operator of the bot.
    Operator {
        /// The content of the message.
        body: Value,
    },
}

/// A notice to store, unless it is stored already: an alert is identified by its transition, any
/// other notice by `once`.
#[derive(Clone, Debug, PartialEq)]
pub struct NewNotice {
    notice: Notice,
    once: Option<String>,
}

impl NewNotice {
    /// Returns an alert about transition `number` of `incident`.
    pub fn alert(incident: IncidentId, number: u32) -> Self {
        Self { notice: Notice::Alert { incident, number }, once: None }
    }

    /// Returns a summary, which is stored only if no notice has the same `once`.
    pub fn summary(once: impl Into<String>, body: Value) -> Self {
        Self { notice: Notice::Summary { body }, once: Some(once.into()) }
    }

    /// Returns a test message, which is stored only if no notice has the same `once`.
    pub fn test(once: impl Into<String>, body: Value) -> Self {
        Self { notice: Notice::Test { body }, once: Some(once.into()) }
    }

    /// Returns a message to the operator, which is stored only if no notice has the same `once`.
    pub fn operator(once: impl Into<String>, body: Value) -> Self {
        Self { notice: Notice::Operator { body }, once: Some(once.into()) }
    }
}

/// The state of a delivery, stored as the word of [`DeliveryState::as_str`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// To be sent, once its `next_at` has come.
    Owed,
    /// Held back until quiet hours or a mute end.
    Held,
    /// Handed to the platform; the result is not known yet.
    Sending,
    /// Accepted by the platform.
    Sent,
    /// Reported in one line with others, or superseded by a newer one.
    Summed,
    /// No longer tried, unless it is owed again; the delivery's `error` is the reason.
    GivenUp,
}

/// The result of an attempt that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The platform refused the message or was never reached: the chat does not have it.
    Refused,
    /// The result is unknown: the chat may have the message.
    InDoubt,
}

/// A delivery that is owed or held, with the fields that decide which deliveries are summed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The delivery's number.
    pub id: DeliveryId,
    /// The incident, the number of its transition, and the incident's phase now; `None` if the
    /// notice is not an alert.
    pub alert: Option<(IncidentId, u32, Phase)>,
    /// Whether this is the first message to the chat about the incident.
    pub is_start: bool,
    /// Why it is held back, or `None` if it is not.
    pub held_for: Option<HeldFor>,
    /// The time from which it may be sent.
    pub owed_at: Timestamp,
    /// Whether the result of an earlier attempt is unknown: the chat may have the message already.
    pub in_doubt: bool,
    /// The body of a summary that is not sent yet: more incidents may be added to it.
    pub summary: Option<Value>,
}

/// One notice that is owed to one chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its number in the database; later deliveries have higher ones.
    pub id: DeliveryId,
    /// The recipient.
    pub chat: Chat,
    /// The content; one notice may have deliveries to many chats.
    pub notice: Notice,
    /// The time at which the notice was stored.
    pub created_at: Timestamp,
    /// Whether this is the first message to the chat about the incident.
    pub is_start: bool,
    /// Whether it is to be sent, in flight or finished.
    pub state: DeliveryState,
    /// Why it is held back, or `None` if it is not.
    pub held_for: Option<HeldFor>,
    /// Whether the result of an earlier attempt is unknown: the chat may have the message already.
    pub in_doubt: bool,
    /// The start of the first attempt whose result is unknown.
    pub doubt_since: Option<Timestamp>,
    /// How often it was sent again while the result of an earlier attempt was unknown.
    pub doubts: u32,
    /// Whether to send it as plain text, because the platform could not parse its markup.
    pub plain: bool,
    /// How many attempts were started.
    pub attempts: u32,
    /// How many attempts in a row failed through a fault of the platform or the network.
    pub failures: u32,
    /// The time from which it may be sent; a message that is sent long after it counts as late.
    pub owed_at: Timestamp,
    /// The earliest time of the next attempt.
    pub next_at: Timestamp,
    /// The start of the last attempt.
    pub sending_at: Option<Timestamp>,
    /// The time at which the platform accepted it.
    pub sent_at: Option<Timestamp>,
    /// The platform's id of the message, if it returned one.
    pub message_id: Option<String>,
    /// Why the last attempt failed, or why the delivery was given up.
    pub error: Option<String>,
}

impl<A> Deliveries<'_, A> {
    /// Returns up to `at_most` deliveries to `platform` that may be sent at `now`: at most one per
    /// chat, and none for a chat with a send in flight. Starts owed after `fresh_since` come first,
    /// then older starts, then everything else, each by age. A chat gets the alerts of one incident
    /// in the order of its transitions.
    pub fn due(
        &self,
        platform: &str,
        now: Timestamp,
        fresh_since: Timestamp,
        at_most: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let mut due = Vec::new();
        for sql in [fresh_sql(), rest_sql()] {
            due.extend(self.select(
                &sql,
                named_params! { ":platform": platform, ":now": now, ":fresh_since": fresh_since,
                ":at_most": (at_most - due.len()) as i64 },
            )?);
        }
        Ok(due)
    }

    /// Returns the delivery to `chat` that [`due`](Deliveries::due) would return.
    pub fn due_of(
        &self,
        chat: i64,
        now: Timestamp,
        fresh_since: Timestamp,
    ) -> Result<Option<Delivery>, StoreError> {
        let params = named_params! { ":chat": chat, ":now": now, ":fresh_since": fresh_since };
        Ok(self.select(&due_of_sql(), params)?.pop())
    }

    /// Counts the deliveries owed to the chat other than `but`, including those that may not be
    /// sent yet.
    pub fn others(&self, chat: i64, but: DeliveryId) -> Result<u32, StoreError> {
        let mut select = self.connection.prepare_cached(OTHERS)?;
        Ok(select.query_row(named_params! { ":chat": chat, ":but": but.0 }, |row| row.get(0))?)
    }

    /// Returns up to `at_most` chats of `platform` with deliveries whose hold has ended; these must
    /// be summed up.
    pub fn released(
        &self,
        platform: &str,
        now: Timestamp,
        at_most: usize,
    ) -> Result<Vec<i64>, StoreError> {
        let mut select = self.connection.prepare_cached(RELEASED)?;
        let params =
            named_params! { ":platform": platform, ":now": now, ":at_most": at_most as i64 };
        let rows = select.query_map(params, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns all deliveries that are owed to the chat or held back for it.
    pub fn pending_at_all(&self, chat: i64) -> Result<Vec<Pending>, StoreError> {
        self.pending(chat, Timestamp::from_unix(i64::MAX))
    }

    /// Returns the deliveries that are owed to the chat by `now`, and the held ones whose hold has
    /// ended, in the order in which their notices were stored.
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
                summary: row
                    .get_ref(7)?
                    .as_str_or_null()?
                    .and_then(|text| serde_json::from_str(text).ok()),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns when [`due`](Deliveries::due) or [`released`](Deliveries::released) next has a
    /// result if nothing changes; this may lie in the past. Returns `None` if nothing is owed or
    /// held, apart from deliveries that wait for a send in flight.
    pub fn next_due(&self, platform: &str) -> Result<Option<Timestamp>, StoreError> {
        let mut select = self.connection.prepare_cached(&next_due_sql())?;
        Ok(select.query_row(named_params! { ":platform": platform }, |row| row.get(0))?)
    }

    /// Returns the deliveries to `platform` that are being sent. At a start these are the attempts
    /// that the previous process did not see the end of.
    pub fn in_doubt(&self, platform: &str) -> Result<Vec<Delivery>, StoreError> {
        self.select(&in_doubt_sql(), named_params! { ":platform": platform })
    }

    /// Returns the chats that were sent, or are still owed, any alert of `incident` and that can be
    /// reached.
    pub fn heard(&self, incident: IncidentId) -> Result<BTreeSet<i64>, StoreError> {
        let mut select = self.connection.prepare_cached(HEARD)?;
        let rows = select.query_map(named_params! { ":incident": incident }, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns whether the chat was sent, or is still owed, the alert of this transition.
    pub fn knows(&self, incident: IncidentId, number: u32, chat: i64) -> Result<bool, StoreError> {
        let mut select = self.connection.prepare_cached(KNOWS)?;
        Ok(select
            .exists(named_params! { ":incident": incident, ":number": number, ":chat": chat })?)
    }

    /// Returns whether the chat was ever owed an alert of the incident, whatever its result.
    pub fn was_owed(&self, incident: IncidentId, chat: i64) -> Result<bool, StoreError> {
        let mut select = self.connection.prepare_cached(WAS_OWED)?;
        Ok(select.exists(named_params! { ":incident": incident, ":chat": chat })?)
    }

    /// Returns the delivery with that number, or `None` if there is none.
    pub fn by_id(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        Ok(self.select(&format!("{WHOLE} WHERE d.id = :id"), named_params! { ":id": id.0 })?.pop())
    }

    /// Returns the delivery to `chat` of the notice that is identified by `once`.
    pub fn of_notice(&self, once: &str, chat: i64) -> Result<Option<Delivery>, StoreError> {
        let sql = format!("{WHOLE} WHERE n.once = :once AND d.chat_id = :chat");
        Ok(self.select(&sql, named_params! { ":once": once, ":chat": chat })?.pop())
    }

    /// Returns the newest deliveries in any state, newest first.
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

/// SQL condition for a delivery `d` that no other delivery blocks: no earlier transition of its
/// incident is owed to the chat, and no send to the chat is in flight. The state is tested twice so
/// that the query planner can tell that the partial index holds every row.
const NOTHING_BEFORE: &str = "
      NOT EXISTS (SELECT 1 FROM delivery s
                      WHERE s.state IN ('owed', 'held', 'sending') AND s.state = 'sending' AND s.chat_id = d.chat_id)
      AND NOT EXISTS (SELECT 1 FROM delivery e
                      WHERE e.state IN ('owed', 'held', 'sending') AND e.chat_id = d.chat_id
                        AND e.incident_id = d.incident_id AND e.transition_number < d.transition_number)";

/// Returns the SQL for the urgency of a delivery: 2 for a fresh start, 1 for an older one, 0 for
/// everything else.
fn urgency(of: &str) -> String {
    format!("({of}.is_start * (1 + ({of}.owed_at > :fresh_since)))")
}

/// Returns the SQL that finds another delivery of the same chat that may be sent and comes first.
fn comes_first() -> String {
    let (of_b, of_d) = (urgency("b"), urgency("d"));
    format!(
        "{BEFORE_IN_CHAT} AND ({of_b} > {of_d}
           OR {of_b} = {of_d} AND (b.notice_id < d.notice_id OR b.notice_id = d.notice_id AND b.id < d.id))"
    )
}

const BEFORE_IN_CHAT: &str = "
    SELECT 1 FROM delivery b
    WHERE b.state IN ('owed', 'held', 'sending') AND b.state = 'owed' AND b.chat_id = d.chat_id AND b.next_at <= :now
      AND NOT EXISTS (SELECT 1 FROM delivery f
                      WHERE f.state IN ('owed', 'held', 'sending') AND f.chat_id = b.chat_id
                        AND f.incident_id = b.incident_id AND f.transition_number < b.transition_number)";

/// The sort order of the index `delivery_owed`.
const BY_AGE: &str = "ORDER BY d.is_start DESC, d.owed_at, d.notice_id, d.id LIMIT :at_most";

/// Returns the SQL for the fresh starts, one per chat.
pub(super) fn fresh_sql() -> String {
    let comes_first = comes_first();
    format!(
        "{WHOLE} WHERE d.platform = :platform AND d.state = 'owed' AND d.is_start = 1 AND d.owed_at > :fresh_since
           AND d.next_at <= :now AND {NOTHING_BEFORE} AND NOT EXISTS ({comes_first}) {BY_AGE}"
    )
}

/// Returns the SQL for everything else, one delivery per chat.
pub(super) fn rest_sql() -> String {
    let comes_first = comes_first();
    format!(
        "{WHOLE} WHERE d.platform = :platform AND d.state = 'owed' AND NOT (d.is_start = 1 AND d.owed_at > :fresh_since)
           AND d.next_at <= :now AND {NOTHING_BEFORE} AND NOT EXISTS ({comes_first}) {BY_AGE}"
    )
}

/// Returns the SQL for the first delivery of one chat.
pub(super) fn due_of_sql() -> String {
    let urgency = urgency("d");
    format!(
        "{WHOLE} WHERE d.state IN ('owed', 'held', 'sending') AND d.state = 'owed' AND d.chat_id = :chat
           AND d.next_at <= :now AND {NOTHING_BEFORE}
         ORDER BY {urgency} DESC, d.notice_id, d.id LIMIT 1"
    )
}

pub(super) fn in_doubt_sql() -> String {
    format!("{WHOLE} WHERE d.platform = :platform AND d.state = 'sending' ORDER BY d.id")
}

pub(super) fn next_due_sql() -> String {
    format!(
        "SELECT min(at) FROM (SELECT min(d.next_at) AS at FROM delivery d
         WHERE d.platform = :platform AND d.state = 'owed' AND {NOTHING_BEFORE}
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
           d.sending_at, d.sent_at, d.message_id, d.error, d.failures
    FROM delivery d JOIN notice n ON n.id = d.notice_id JOIN chat c ON c.id = d.chat_id";

pub(super) const HEARD: &str = "
    SELECT DISTINCT d.chat_id
    FROM notice n JOIN delivery d ON d.notice_id = n.id JOIN chat c ON c.id = d.chat_id
    WHERE n.incident_id = :incident AND d.state <> 'given_up' AND c.suspended_at IS NULL";

const KNOWS: &str = "
    SELECT 1 FROM notice n JOIN delivery d ON d.notice_id = n.id AND d.chat_id = :chat
    WHERE n.incident_id = :incident AND n.transition_number = :number AND d.state <> 'given_up'";

const WAS_OWED: &str = "SELECT 1 FROM delivery WHERE chat_id = :chat AND incident_id = :incident";

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
            _ => {
                return Err(StoreError::Unreadable {
                    what: "a notice",
                    why: format!("unknown kind `{kind}`"),
                });
            }
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
        failures: row.get(23)?,
    })
}

impl DeliveryState {
    const ALL: [Self; 6] =
        [Self::Owed, Self::Held, Self::Sending, Self::Sent, Self::Summed, Self::GivenUp];

    /// Returns the word that the database stores.
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

    /// Returns the state that [`as_str`](Self::as_str) writes as `text`, or `None` for an unknown
    /// word.
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
