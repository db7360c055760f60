//! Subscriptions of chats, and their mutes.

use super::StoreError;
use super::noun::{Writes, noun};
use super::value::{from_json, to_json};
use crate::domain::{Chat, Entity, Mute, Options, Scope, Sensitivity, Subscription, Timestamp};
use rusqlite::{Row, named_params};

noun! {
    /// Access to the subscriptions and mutes.
    Subscriptions
}

impl<A> Subscriptions<'_, A> {
    /// Returns the subscriptions of all chats that can be reached, by chat.
    pub fn all(&self) -> Result<Vec<Subscription>, StoreError> {
        self.select(
            &format!("{WHOLE} WHERE c.suspended_at IS NULL ORDER BY s.chat_id, s.entity"),
            &[],
        )
    }

    /// Returns the subscriptions of the suspended chats, by chat.
    pub fn of_suspended(&self) -> Result<Vec<Subscription>, StoreError> {
        self.select(
            &format!("{WHOLE} WHERE c.suspended_at IS NOT NULL ORDER BY s.chat_id, s.entity"),
            &[],
        )
    }

    /// Returns the subscriptions of one chat, by entity.
    pub fn of_chat(&self, chat: i64) -> Result<Vec<Subscription>, StoreError> {
        self.select(
            &format!("{WHOLE} WHERE s.chat_id = :chat ORDER BY s.entity"),
            &[(":chat", &chat)],
        )
    }

    /// Returns each entity that any chat has subscribed to by name, once.
    pub fn entities(&self) -> Result<Vec<Entity>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT DISTINCT entity FROM subscription WHERE entity <> '' ORDER BY entity",
        )?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the entities of the subscriptions of a server or group, one per subscription; those
    /// to everything are left out.
    pub fn of_home(&self, platform: &str, home: &str) -> Result<Vec<Entity>, StoreError> {
        let mut select = self.connection.prepare_cached(OF_HOME)?;
        let rows = select
            .query_map(named_params! { ":platform": platform, ":home": home }, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns how many subscriptions a server or group has, including those to everything.
    pub fn count_of_home(&self, platform: &str, home: &str) -> Result<usize, StoreError> {
        let mut select = self.connection.prepare_cached(COUNT_OF_HOME)?;
        let count: u32 = select
            .query_row(named_params! { ":platform": platform, ":home": home }, |row| row.get(0))?;
        Ok(count as usize)
    }

    /// Returns the entities of the subscriptions that a person made, one per subscription; those to
    /// everything are left out.
    pub fn of_person(&self, platform: &str, person: &str) -> Result<Vec<Entity>, StoreError> {
        let mut select = self.connection.prepare_cached(OF_PERSON)?;
        let rows = select
            .query_map(named_params! { ":platform": platform, ":person": person }, |row| {
                row.get(0)
            })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns the mutes that are in effect at `now`.
    pub fn mutes(&self, now: Timestamp) -> Result<Vec<Mute>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT chat_id, entity, until FROM mute WHERE until > :now ORDER BY chat_id, entity",
        )?;
        let rows = select.query_map(named_params! { ":now": now }, |row| {
            Ok(Mute { chat: row.get(0)?, scope: scope(row, 1)?, until: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn select(
        &self,
        sql: &str,
        params: &[(&str, &dyn rusqlite::ToSql)],
    ) -> Result<Vec<Subscription>, StoreError> {
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(subscription(row)?);
        }
        Ok(found)
    }
}

impl Subscriptions<'_, Writes> {
    /// Does the same as [`Self::subscribe_as`], without a person.
    pub fn subscribe(&self, wish: &Subscription) -> Result<bool, StoreError> {
        self.subscribe_as(wish, None)
    }

    /// Stores the subscription, made by `person`. Returns whether it is new. An existing one gets
    /// the new options and keeps its age and its person.
    pub fn subscribe_as(
        &self,
        wish: &Subscription,
        person: Option<&str>,
    ) -> Result<bool, StoreError> {
        let (entity, options) = (column(&wish.scope), to_json("options", &wish.options)?);
        let existed = self.connection.execute(
            "UPDATE subscription SET from_suspected = :from_suspected, options = :options
             WHERE chat_id = :chat AND entity = :entity",
            named_params! { ":from_suspected": is_eager(wish), ":options": options, ":chat": wish.chat.id,
            ":entity": entity },
        )?;
        if existed > 0 {
            return Ok(false);
        }
        self.connection.execute(
            "INSERT INTO subscription (chat_id, entity, from_suspected, options, since, person)
             VALUES (:chat, :entity, :from_suspected, :options, :since, :person)",
            named_params! { ":chat": wish.chat.id, ":entity": entity, ":from_suspected": is_eager(wish),
            ":options": options, ":since": wish.since, ":person": person },
        )?;
        Ok(true)
    }

    /// Removes the chat's subscription to the scope. Returns whether there was one.
    pub fn unsubscribe(&self, chat: &Chat, scope: &Scope) -> Result<bool, StoreError> {
        let gone = self.connection.execute(
            "DELETE FROM subscription WHERE chat_id = :chat AND entity = :entity",
            named_params! { ":chat": chat.id, ":entity": column(scope) },
        )?;
        Ok(gone > 0)
    }

    /// Stores a mute, replacing an earlier one of the same scope.
    pub fn mute(&self, mute: &Mute) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO mute (chat_id, entity, until) VALUES (:chat, :entity, :until)
             ON CONFLICT (chat_id, entity) DO UPDATE SET until = excluded.until",
            named_params! { ":chat": mute.chat, ":entity": column(&mute.scope), ":until": mute.until },
        )?;
        Ok(())
    }

    /// Ends the chat's mute of the scope, or all of its mutes if `scope` is `None`, and the hold of
    /// the deliveries that no other mute holds back. Returns how many mutes there were.
    pub fn unmute(
        &self,
        chat: i64,
        scope: Option<&Scope>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let entity = scope.map(column);
        let ended = self.connection.execute(
            "DELETE FROM mute WHERE chat_id = :chat AND (:entity IS NULL OR entity = :entity)",
            named_params! { ":chat": chat, ":entity": entity },
        )?;
        self.connection.execute(
            "UPDATE delivery SET next_at = :now
             WHERE chat_id = :chat AND state IN ('owed', 'held', 'sending') AND state = 'held' AND held_for = 'mute'
               AND NOT EXISTS (
                   SELECT 1 FROM mute m WHERE m.chat_id = :chat AND m.until > :now AND (m.entity = ''
                   OR m.entity = (SELECT entity FROM incident WHERE id = delivery.incident_id)))",
            named_params! { ":chat": chat, ":now": now },
        )?;
        Ok(ended)
    }
}

pub(super) const OF_HOME: &str = "
    SELECT s.entity FROM chat c JOIN subscription s ON s.chat_id = c.id
    WHERE c.platform = :platform AND c.home = :home AND s.entity <> ''";

pub(super) const COUNT_OF_HOME: &str = "
    SELECT count(*) FROM chat c JOIN subscription s ON s.chat_id = c.id
    WHERE c.platform = :platform AND c.home = :home";

pub(super) const OF_PERSON: &str = "
    SELECT s.entity FROM subscription s JOIN chat c ON c.id = s.chat_id
    WHERE s.person = :person AND c.platform = :platform AND s.entity <> ''";

const WHOLE: &str = "
    SELECT c.id, c.platform, c.address, s.entity, s.from_suspected, s.since, s.options
    FROM subscription s JOIN chat c ON c.id = s.chat_id";

/// Returns the scope as it is stored. An entity's text is never empty, so the empty string means
/// everything.
fn column(scope: &Scope) -> String {
    match scope {
        Scope::All => String::new(),
        Scope::One(entity) => entity.to_string(),
    }
}

fn scope(row: &Row<'_>, at: usize) -> rusqlite::Result<Scope> {
    Ok(if row.get_ref(at)?.as_str()?.is_empty() { Scope::All } else { Scope::One(row.get(at)?) })
}

fn subscription(row: &Row<'_>) -> Result<Subscription, StoreError> {
    let mut options: Options =
        from_json("options", row.get_ref(6)?.as_str().map_err(rusqlite::Error::from)?)?;
    // The row was written before the options had a sensitivity.
    if row.get(4)? {
        options.sensitivity.get_or_insert(Sensitivity::Eager);
    }
    Ok(Subscription { chat: chat_at(row, 0)?, scope: scope(row, 3)?, since: row.get(5)?, options })
}

fn is_eager(wish: &Subscription) -> bool {
    wish.options.sensitivity == Some(Sensitivity::Eager)
}

/// Reads a chat from three columns: id, platform, address.
pub(super) fn chat_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Chat> {
    Ok(Chat { id: row.get(first)?, platform: row.get(first + 1)?, address: row.get(first + 2)? })
}
