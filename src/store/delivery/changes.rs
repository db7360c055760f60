//! Writes to the outbox: creates deliveries and records the results of attempts.

use super::{Attempt, Deliveries, DeliveryId, DeliveryState, NewNotice, Notice};
use crate::domain::{NewDelivery, Seconds, Timestamp};
use crate::store::noun::Writes;
use crate::store::value::{from_json, to_json};
use crate::store::{IncidentId, StoreError};
use rusqlite::named_params;
use serde_json::Value;

impl Deliveries<'_, Writes> {
    /// Owes the notice to each of the chats, to be sent from `at` on or when its hold ends, and at
    /// least `apart` seconds after the last message to the chat about the same incident. Skips a
    /// chat that was ever owed this notice.
    pub fn owe(
        &self,
        new: &NewNotice,
        owings: &[NewDelivery],
        at: Timestamp,
        apart: Seconds,
    ) -> Result<(), StoreError> {
        if owings.is_empty() {
            return Ok(());
        }
        let notice = self.notice(new, at)?;
        let mut insert = self.connection.prepare_cached(INSERT_DELIVERY)?;
        for NewDelivery { chat, is_start, hold } in owings {
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

    /// Owes an alert, as a start, to a chat that may have been owed it before and never got it.
    pub fn owe_again(&self, new: &NewNotice, chat: i64, at: Timestamp) -> Result<(), StoreError> {
        self.owe(new, &[NewDelivery::now(chat, true)], at, 0)?;
        let notice = self.notice(new, at)?;
        self.connection.execute(
            "UPDATE delivery SET state = 'owed', owed_at = :at, next_at = :at, attempts = 0, failures = 0, is_start = 1, error = NULL,
                    held_for = NULL
             WHERE notice_id = :notice AND chat_id = :chat AND state = 'given_up'",
            named_params! { ":notice": notice, ":chat": chat, ":at": at },
        )?;
        Ok(())
    }

    /// Returns the bodies of the summaries that were given up when the chat became unreachable, so
    /// that another message can report them, and marks those summaries as summed up.
    pub fn take_given_up_sums(&self, chat: i64) -> Result<Vec<Value>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT d.id, n.body FROM delivery d JOIN notice n ON n.id = d.notice_id
             WHERE d.chat_id = :chat AND d.state = 'given_up' AND n.kind = 'summary' ORDER BY d.id",
        )?;
        let rows = select
            .query_map(named_params! { ":chat": chat }, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let given_up: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        let mut bodies = Vec::new();
        for (id, body) in given_up {
            self.connection.execute(
                "UPDATE delivery SET state = 'summed' WHERE id = :id",
                named_params! { ":id": id },
            )?;
            bodies.push(from_json("a notice", &body)?);
        }
        Ok(bodies)
    }

    /// Owes a summary to suspended chats and gives it up at once. Each chat gets its content after
    /// it lets the bot in again, through [`take_given_up_sums`](Self::take_given_up_sums).
    pub fn owe_suspended(
        &self,
        summary: &NewNotice,
        chats: &[i64],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        if chats.is_empty() {
            return Ok(());
        }
        let owings: Vec<NewDelivery> =
            chats.iter().map(|chat| NewDelivery::now(*chat, false)).collect();
        let notice = self.owe_notice(summary, &owings, at)?;
        for chat in chats {
            self.connection.execute(
                "UPDATE delivery SET state = 'given_up', error = 'suspended', held_for = NULL
                 WHERE notice_id = :notice AND chat_id = :chat AND state IN ('owed', 'held')",
                named_params! { ":notice": notice, ":chat": chat },
            )?;
        }
        Ok(())
    }

    /// Records that the chat gets this transition in another message, so that no alert is sent for
    /// it.
    pub fn told_otherwise(
        &self,
        incident: IncidentId,
        number: u32,
        chat: i64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let alert = NewNotice::alert(incident, number);
        let notice = self.owe_notice(&alert, &[NewDelivery::now(chat, false)], at)?;
        self.connection.execute(
            "UPDATE delivery SET state = 'summed', held_for = NULL
             WHERE notice_id = :notice AND chat_id = :chat AND state IN ('owed', 'held', 'given_up')",
            named_params! { ":notice": notice, ":chat": chat },
        )?;
        Ok(())
    }

    /// Owes the notice to the chats, and returns its number.
    fn owe_notice(
        &self,
        new: &NewNotice,
        owings: &[NewDelivery],
        at: Timestamp,
    ) -> Result<i64, StoreError> {
        self.owe(new, owings, at, 0)?;
        self.notice(new, at)
    }

    /// Returns the number of the notice, which is stored if it is new.
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
            None => {
                self.connection.prepare_cached(ALERT_ID)?.query_row(
                    named_params! { ":incident": incident, ":number": number },
                    |row| row.get(0),
                )?
            }
        })
    }

    /// Marks a delivery as reported in one line with others, or as superseded.
    pub fn sum_up(&self, id: DeliveryId) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'summed', held_for = NULL WHERE id = :id AND state IN ('owed', 'held')",
            named_params! { ":id": id.0 },
        )?;
        one(changed, id, "summed up")
    }

    /// Lets a delivery be sent in place of others: ends its hold at `at` and, with `is_start`,
    /// makes it the first message to the chat about the incident.
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

    /// Puts the delivery off until `at` and makes the next attempt in plain text.
    pub fn make_plain(&self, id: DeliveryId, at: Timestamp, error: &str) -> Result<(), StoreError> {
        self.put_off(id, at, error, Attempt::Refused)?;
        self.connection.execute(
            "UPDATE delivery SET plain = 1 WHERE id = :id",
            named_params! { ":id": id.0 },
        )?;
        Ok(())
    }

    /// Marks the delivery as being sent. Commit this before calling the platform: a crash in
    /// between then leaves the delivery in doubt instead of losing it. Returns whether it was still
    /// owed: the chat may have been forgotten or suspended meanwhile.
    pub fn mark_sending(&self, id: DeliveryId, at: Timestamp) -> Result<bool, StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'sending', sending_at = :at, attempts = attempts + 1,
                    doubts = doubts + in_doubt
             WHERE id = :id AND state = 'owed'",
            named_params! { ":id": id.0, ":at": at },
        )?;
        Ok(changed > 0)
    }

    /// Marks the incident's deliveries of transitions before `number` as summed up, if they are
    /// owed, were never tried and are not a start: transition `number` supersedes them.
    pub fn overtake(&self, incident: IncidentId, number: u32) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE delivery SET state = 'summed'
             WHERE notice_id IN (SELECT id FROM notice WHERE incident_id = :incident AND transition_number < :number)
               AND state = 'owed' AND attempts = 0 AND NOT is_start",
            named_params! { ":incident": incident, ":number": number },
        )?;
        Ok(())
    }

    /// Gives up the incident's starts that were to be sent only later than `now` and were never
    /// tried: they are no longer worth sending.
    pub fn withdraw_later_starts(
        &self,
        incident: IncidentId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE delivery SET state = 'given_up', error = 'it was over before it was to be told'
             WHERE notice_id IN (SELECT id FROM notice WHERE incident_id = :incident)
               AND state = 'owed' AND attempts = 0 AND is_start AND owed_at > :now",
            named_params! { ":incident": incident, ":now": now },
        )?;
        Ok(())
    }

    /// Makes every delivery that waits after a failure due at `now`: the platform answers again.
    pub fn pull_forward(&self, platform: &str, now: Timestamp) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE delivery SET next_at = :now, failures = 0
             WHERE platform = :platform AND state = 'owed' AND failures > 0 AND next_at > :now",
            named_params! { ":platform": platform, ":now": now },
        )?;
        Ok(())
    }

    /// Counts an attempt that failed through a fault of the platform or the network.
    pub fn count_failure(&self, id: DeliveryId) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE delivery SET failures = failures + 1 WHERE id = :id",
            named_params! { ":id": id.0 },
        )?;
        Ok(())
    }

    /// Records that the chat has the message, with the platform's `message_id`.
    pub fn mark_sent(
        &self,
        id: DeliveryId,
        message_id: Option<&str>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'sent', sent_at = :at, message_id = :message_id, error = NULL, in_doubt = 0
             WHERE id = :id AND state IN ('owed', 'sending')",
            named_params! { ":id": id.0, ":at": at, ":message_id": message_id },
        )?;
        one(changed, id, "marked as sent")
    }

    /// Keeps the delivery owed and schedules the next attempt for `next_at`. Doubt about an earlier
    /// attempt remains until the message is known to be sent.
    pub fn put_off(
        &self,
        id: DeliveryId,
        next_at: Timestamp,
        error: &str,
        attempt: Attempt,
    ) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE delivery SET state = 'owed', next_at = :next_at, error = :error, in_doubt = max(in_doubt, :in_doubt),
                    doubt_since = iif(:in_doubt, coalesce(doubt_since, sending_at), doubt_since)
             WHERE id = :id AND state IN ('owed', 'sending')",
            named_params! { ":id": id.0, ":next_at": next_at, ":error": error,
            ":in_doubt": attempt == Attempt::InDoubt },
        )?;
        one(changed, id, "put off")
    }

    /// Gives the delivery up. If this leaves the chat without the start of the incident, gives up
    /// the incident's later alerts to the chat as well.
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

fn one(changed: usize, id: DeliveryId, what: &str) -> Result<(), StoreError> {
    match changed {
        1 => Ok(()),
        _ => Err(StoreError::Inconsistent(format!(
            "delivery {id} cannot be {what}: it is not owed any more"
        ))),
    }
}
