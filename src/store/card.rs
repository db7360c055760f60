//! Cards: an incident's message in one chat, edited as more becomes known.

use super::noun::{Writes, noun};
use super::subscription::chat_at;
use super::{IncidentId, StoreError};
use crate::domain::{Chat, Timestamp};
use rusqlite::{OptionalExtension, Row, named_params};

noun! {
    /// Access to the cards.
    Cards
}

/// The state of an incident's message in one chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// The incident that the message shows.
    pub incident: IncidentId,
    /// The chat that holds the message.
    pub chat: Chat,
    /// The platform's id of the message, or `None` if there is no message to edit.
    pub message_id: Option<String>,
    /// The incident's revision that the message should show; the caller counts revisions.
    pub wanted: u32,
    /// The revision that the message shows; 0 before the first.
    pub sent: u32,
}

impl<A> Cards<'_, A> {
    /// Returns the incident's card in that chat, or `None` if there is none.
    pub fn get(&self, incident: IncidentId, chat: i64) -> Result<Option<Card>, StoreError> {
        let card = self
            .connection
            .query_row(
                "SELECT k.incident_id, c.id, c.platform, c.address, k.message_id, k.wanted, k.sent
                 FROM card k JOIN chat c ON c.id = k.chat_id WHERE k.incident_id = :incident AND k.chat_id = :chat",
                named_params! { ":incident": incident, ":chat": chat },
                card,
            )
            .optional()?;
        Ok(card)
    }

    /// Returns up to `at_most` cards of `platform` that show an old revision and may be edited at
    /// `now`: one per chat, the longest waiting first.
    pub fn behind(
        &self,
        platform: &str,
        now: Timestamp,
        at_most: usize,
    ) -> Result<Vec<Card>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT k.incident_id, c.id, c.platform, c.address, k.message_id, k.wanted, k.sent, min(k.next_at) AS first
             FROM card k JOIN chat c ON c.id = k.chat_id
             WHERE k.wanted > k.sent AND k.message_id IS NOT NULL AND k.next_at <= :now AND c.platform = :platform
               AND c.suspended_at IS NULL
             GROUP BY k.chat_id ORDER BY first LIMIT :at_most",
        )?;
        let params =
            named_params! { ":platform": platform, ":now": now, ":at_most": at_most as i64 };
        let rows = select.query_map(params, card)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns when the next outdated card of `platform` may be edited, or `None` if none is
    /// outdated.
    pub fn next_edit(&self, platform: &str) -> Result<Option<Timestamp>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT min(k.next_at) FROM card k JOIN chat c ON c.id = k.chat_id
             WHERE k.wanted > k.sent AND k.message_id IS NOT NULL AND c.platform = :platform AND c.suspended_at IS NULL",
        )?;
        Ok(select.query_row(named_params! { ":platform": platform }, |row| row.get(0))?)
    }
}

impl Cards<'_, Writes> {
    /// Sets the revision that all cards of the incident should show. A card that should show a
    /// later one is left as it is.
    pub fn want(&self, incident: IncidentId, revision: u32) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE card SET wanted = max(wanted, :revision) WHERE incident_id = :incident",
            )?
            .execute(named_params! { ":incident": incident, ":revision": revision })?;
        Ok(())
    }

    /// Puts the card's next edit off until `at`.
    pub fn not_before(
        &self,
        incident: IncidentId,
        chat: i64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE card SET next_at = :at WHERE incident_id = :incident AND chat_id = :chat",
            named_params! { ":incident": incident, ":chat": chat, ":at": at },
        )?;
        Ok(())
    }

    /// Keeps the card as it is until `at`, or until a new message in its chat makes editing
    /// possible again.
    pub fn refused(
        &self,
        incident: IncidentId,
        chat: i64,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE card SET next_at = :at, is_refused = 1 WHERE incident_id = :incident AND chat_id = :chat",
            named_params! { ":incident": incident, ":chat": chat, ":at": at },
        )?;
        Ok(())
    }

    /// Lets the chat's refused cards be edited from `at` on.
    pub fn retry_refused(&self, chat: i64, at: Timestamp) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE card SET next_at = :at, is_refused = 0 WHERE chat_id = :chat AND is_refused = 1")?
            .execute(named_params! { ":chat": chat, ":at": at })?;
        Ok(())
    }

    /// Records that the message is gone: there is nothing left to edit.
    pub fn lost(&self, incident: IncidentId, chat: i64) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE card SET message_id = NULL, sent = wanted WHERE incident_id = :incident AND chat_id = :chat",
            named_params! { ":incident": incident, ":chat": chat },
        )?;
        Ok(())
    }

    /// Records that the message `message_id` shows `revision`, and that it should show the
    /// incident's newest revision.
    pub fn sent(
        &self,
        incident: IncidentId,
        chat: i64,
        message_id: &str,
        revision: u32,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO card (incident_id, chat_id, message_id, wanted, sent)
             SELECT i.id, c.id, :message_id, max(i.revision, :revision), :revision FROM incident i, chat c
             WHERE i.id = :incident AND c.id = :chat
             ON CONFLICT (incident_id, chat_id) DO UPDATE
             SET message_id = excluded.message_id, sent = excluded.sent, wanted = max(wanted, excluded.sent)",
            named_params! { ":incident": incident, ":chat": chat, ":message_id": message_id, ":revision": revision },
        )?;
        Ok(())
    }
}

fn card(row: &Row<'_>) -> rusqlite::Result<Card> {
    Ok(Card {
        incident: row.get(0)?,
        chat: chat_at(row, 1)?,
        message_id: row.get(4)?,
        wanted: row.get(5)?,
        sent: row.get(6)?,
    })
}
