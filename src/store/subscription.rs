//! Chats, and what they want to hear of.

use super::StoreError;
use super::session::{Writes, noun};
use crate::domain::{Chat, Scope, Subscription};
use rusqlite::{OptionalExtension, Row, named_params};

noun! {
    /// Chats and their subscriptions.
    Subscriptions
}

impl<A> Subscriptions<'_, A> {
    /// Every subscription, by chat.
    pub fn all(&self) -> Result<Vec<Subscription>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT c.id, c.platform, c.address, s.entity, s.from_suspected, s.since
             FROM subscription s JOIN chat c ON c.id = s.chat_id ORDER BY s.chat_id, s.entity",
        )?;
        let rows = select.query_map([], subscription)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub fn of_chat(&self, chat: &Chat) -> Result<Vec<Subscription>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT c.id, c.platform, c.address, s.entity, s.from_suspected, s.since
             FROM subscription s JOIN chat c ON c.id = s.chat_id WHERE s.chat_id = :chat ORDER BY s.entity",
        )?;
        let rows = select.query_map(named_params! { ":chat": chat.id }, subscription)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The chat at that address, if it ever was one.
    pub fn chat(&self, platform: &str, address: &str) -> Result<Option<Chat>, StoreError> {
        let found = self
            .connection
            .query_row(
                "SELECT id, platform, address FROM chat WHERE platform = :platform AND address = :address",
                named_params! { ":platform": platform, ":address": address },
                |row| chat_at(row, 0),
            )
            .optional()?;
        Ok(found)
    }
}

impl Subscriptions<'_, Writes> {
    /// The chat at that address, made now if there is none.
    pub fn ensure_chat(&self, platform: &str, address: &str) -> Result<Chat, StoreError> {
        if let Some(chat) = self.chat(platform, address)? {
            return Ok(chat);
        }
        self.connection.execute(
            "INSERT INTO chat (platform, address) VALUES (:platform, :address)",
            named_params! { ":platform": platform, ":address": address },
        )?;
        let id = self.connection.last_insert_rowid();
        Ok(Chat { id, platform: platform.to_owned(), address: address.to_owned() })
    }

    /// Says whether it is new. One that exists takes the new options and keeps its age.
    pub fn subscribe(&self, wish: &Subscription) -> Result<bool, StoreError> {
        let existed = self.connection.execute(
            "UPDATE subscription SET from_suspected = :from_suspected WHERE chat_id = :chat AND entity = :entity",
            named_params! { ":from_suspected": wish.from_suspected, ":chat": wish.chat.id, ":entity": column(&wish.scope) },
        )?;
        if existed > 0 {
            return Ok(false);
        }
        self.connection.execute(
            "INSERT INTO subscription (chat_id, entity, from_suspected, since)
             VALUES (:chat, :entity, :from_suspected, :since)",
            named_params! { ":chat": wish.chat.id, ":entity": column(&wish.scope),
            ":from_suspected": wish.from_suspected, ":since": wish.since },
        )?;
        Ok(true)
    }

    /// Says whether there was one.
    pub fn unsubscribe(&self, chat: &Chat, scope: &Scope) -> Result<bool, StoreError> {
        let gone = self.connection.execute(
            "DELETE FROM subscription WHERE chat_id = :chat AND entity = :entity",
            named_params! { ":chat": chat.id, ":entity": column(scope) },
        )?;
        Ok(gone > 0)
    }
}

/// An entity's text is never empty, so nothing stands for everything.
fn column(scope: &Scope) -> String {
    match scope {
        Scope::All => String::new(),
        Scope::One(entity) => entity.to_string(),
    }
}

fn subscription(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    let scope = if row.get_ref(3)?.as_str()?.is_empty() { Scope::All } else { Scope::One(row.get(3)?) };
    Ok(Subscription { chat: chat_at(row, 0)?, scope, from_suspected: row.get(4)?, since: row.get(5)? })
}

/// A chat from three columns: id, platform, address.
pub(super) fn chat_at(row: &Row<'_>, first: usize) -> rusqlite::Result<Chat> {
    Ok(Chat { id: row.get(first)?, platform: row.get(first + 1)?, address: row.get(first + 2)? })
}
