//! Chats: their address, the server or group they belong to, and whether they can be reached.

use super::StoreError;
use super::noun::{Writes, noun};
use super::subscription::chat_at;
use crate::domain::{Chat, Timestamp};
use rusqlite::{OptionalExtension, Params, Row, named_params};

noun! {
    /// Access to the chats.
    Chats
}

/// A chat with everything known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number, platform and address.
    pub chat: Chat,
    /// The server or group that it belongs to. The bot leaves and joins this as a whole.
    pub home: Option<String>,
    /// The platform's id of the person who last subscribed there.
    pub owner: Option<String>,
    /// Since when, and why, no message can be sent there; `None` while it can be reached.
    pub suspended: Option<(Timestamp, String)>,
}

impl<A> Chats<'_, A> {
    /// Returns the chat at that address, or `None` if the database holds none.
    pub fn at(&self, platform: &str, address: &str) -> Result<Option<Place>, StoreError> {
        let sql = format!("{PLACE} WHERE platform = :platform AND address = :address");
        let mut select = self.connection.prepare_cached(&sql)?;
        Ok(select
            .query_row(named_params! { ":platform": platform, ":address": address }, place)
            .optional()?)
    }

    /// Returns the chat with that number, or `None` if there is none.
    pub fn by_id(&self, id: i64) -> Result<Option<Place>, StoreError> {
        let mut select = self.connection.prepare_cached(&format!("{PLACE} WHERE id = :id"))?;
        Ok(select.query_row(named_params! { ":id": id }, place).optional()?)
    }

    /// Returns the chats of a server or group, ordered by number.
    pub fn of_home(&self, platform: &str, home: &str) -> Result<Vec<Place>, StoreError> {
        self.places(
            "platform = :platform AND home = :home",
            named_params! { ":platform": platform, ":home": home },
        )
    }

    /// Returns the chats of `platform` that cannot be reached, ordered by number.
    pub fn suspended(&self, platform: &str) -> Result<Vec<Place>, StoreError> {
        self.places(
            "platform = :platform AND suspended_at IS NOT NULL",
            named_params! { ":platform": platform },
        )
    }

    fn places(&self, which: &str, params: impl Params) -> Result<Vec<Place>, StoreError> {
        let mut select =
            self.connection.prepare_cached(&format!("{PLACE} WHERE {which} ORDER BY id"))?;
        let rows = select.query_map(params, place)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns whether the platform was last sent exactly this `digest` for `what`, such as its
    /// menu of commands.
    pub fn was_told(&self, platform: &str, what: &str, digest: &str) -> Result<bool, StoreError> {
        let known: Option<String> = self
            .connection
            .query_row(
                "SELECT digest FROM told_platform WHERE platform = :platform AND what = :what",
                named_params! { ":platform": platform, ":what": what },
                |row| row.get(0),
            )
            .optional()?;
        Ok(known.as_deref() == Some(digest))
    }
}

impl Chats<'_, Writes> {
    /// Returns the chat at that address, which is created if there is none.
    pub fn ensure(&self, platform: &str, address: &str) -> Result<Chat, StoreError> {
        if let Some(place) = self.at(platform, address)? {
            return Ok(place.chat);
        }
        self.connection.execute(
            "INSERT INTO chat (platform, address) VALUES (:platform, :address)",
            named_params! { ":platform": platform, ":address": address },
        )?;
        let id = self.connection.last_insert_rowid();
        Ok(Chat { id, platform: platform.to_owned(), address: address.to_owned() })
    }

    /// Sets the server or group that it belongs to, and its owner. `None` keeps the old value.
    pub fn belongs_to(
        &self,
        chat: i64,
        home: Option<&str>,
        owner: Option<&str>,
    ) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE chat SET home = coalesce(:home, home), owner = coalesce(:owner, owner)
             WHERE id = :chat AND (home, owner) IS NOT (coalesce(:home, home), coalesce(:owner, owner))",
            named_params! { ":home": home, ":owner": owner, ":chat": chat },
        )?;
        Ok(())
    }

    /// Marks the chat as unreachable and gives up its owed and held deliveries with the reason
    /// `why`. Returns whether it was reachable before.
    pub fn suspend(&self, chat: i64, why: &str, at: Timestamp) -> Result<bool, StoreError> {
        let changed = self.connection.execute(
            "UPDATE chat SET suspended_at = :at, suspended_why = :why WHERE id = :chat AND suspended_at IS NULL",
            named_params! { ":at": at, ":why": why, ":chat": chat },
        )?;
        self.connection.execute(
            "UPDATE delivery SET state = 'given_up', error = :why, held_for = NULL
             WHERE chat_id = :chat AND state IN ('owed', 'held', 'sending') AND state <> 'sending'",
            named_params! { ":why": why, ":chat": chat },
        )?;
        Ok(changed > 0)
    }

    /// Marks the chat as reachable. Returns since when it was not, or `None` if it was reachable
    /// before.
    pub fn resume(&self, chat: i64) -> Result<Option<Timestamp>, StoreError> {
        let since = self.by_id(chat)?.and_then(|place| place.suspended).map(|(since, _)| since);
        self.connection.execute(
            "UPDATE chat SET suspended_at = NULL, suspended_why = NULL WHERE id = :chat",
            named_params! { ":chat": chat },
        )?;
        Ok(since)
    }

    /// Moves the chat to `address` with all its data. Data that is already stored for `address`
    /// takes precedence.
    pub fn moved(&self, chat: i64, address: &str) -> Result<(), StoreError> {
        let Some(place) = self.by_id(chat)? else { return Ok(()) };
        // Its messages stay at the old address, and the platform reuses their ids at the new one:
        // an edit would change another message.
        self.connection.execute(
            "UPDATE card SET message_id = NULL, sent = wanted WHERE chat_id = :chat",
            named_params! { ":chat": chat },
        )?;
        let Some(there) =
            self.at(&place.chat.platform, address)?.filter(|there| there.chat.id != chat)
        else {
            self.connection.execute(
                "UPDATE chat SET address = :address, home = iif(home = address, :address, home) WHERE id = :chat",
                named_params! { ":address": address, ":chat": chat },
            )?;
            return Ok(());
        };
        for table in ["subscription", "mute", "card", "delivery"] {
            self.connection.execute(
                &format!("UPDATE OR IGNORE {table} SET chat_id = :there WHERE chat_id = :chat"),
                named_params! { ":there": there.chat.id, ":chat": chat },
            )?;
        }
        self.forget(chat)
    }

    /// Removes all data of the chat, with the notices that only it was owed. The writer overwrites
    /// what is removed.
    pub fn forget(&self, chat: i64) -> Result<(), StoreError> {
        // Notices to a person elsewhere that this chat could not be reached.
        self.connection.execute(
            "DELETE FROM delivery WHERE state NOT IN ('owed', 'held', 'sending') AND notice_id IN (
                 SELECT id FROM notice WHERE once GLOB 'suspended ' || :chat || ' *')",
            named_params! { ":chat": chat },
        )?;
        self.connection.execute(
            "DELETE FROM notice WHERE once GLOB 'suspended ' || :chat || ' *'
                 AND NOT EXISTS (SELECT 1 FROM delivery WHERE notice_id = notice.id)",
            named_params! { ":chat": chat },
        )?;
        // A pause that is still running is in memory as well; after a restart there is nothing left
        // to send there.
        self.connection.execute(
            "DELETE FROM pause WHERE (platform, place) IN (
                 SELECT platform, address FROM chat WHERE id = :chat UNION SELECT platform, home FROM chat WHERE id = :chat)",
            named_params! { ":chat": chat },
        )?;
        let notices = self
            .connection
            .prepare_cached("SELECT DISTINCT notice_id FROM delivery WHERE chat_id = :chat")?
            .query_map(named_params! { ":chat": chat }, |row| row.get(0))?
            .collect::<Result<Vec<i64>, _>>()?;
        for table in ["subscription", "mute", "card", "delivery"] {
            self.connection.execute(
                &format!("DELETE FROM {table} WHERE chat_id = :chat"),
                named_params! { ":chat": chat },
            )?;
        }
        // An alert holds no data of a chat, only a transition.
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM notice WHERE id = :notice AND kind <> 'alert'
                 AND NOT EXISTS (SELECT 1 FROM delivery WHERE notice_id = :notice)",
        )?;
        for notice in notices {
            delete.execute(named_params! { ":notice": notice })?;
        }
        self.connection
            .execute("DELETE FROM chat WHERE id = :chat", named_params! { ":chat": chat })?;
        Ok(())
    }

    /// Removes that person as the owner of chats and as the maker of subscriptions.
    pub fn forget_owner(&self, platform: &str, owner: &str) -> Result<(), StoreError> {
        self.connection.execute(
            "UPDATE subscription SET person = NULL
             WHERE person = :owner AND chat_id IN (SELECT id FROM chat WHERE platform = :platform)",
            named_params! { ":platform": platform, ":owner": owner },
        )?;
        self.connection.execute(
            "UPDATE chat SET owner = NULL WHERE platform = :platform AND owner = :owner",
            named_params! { ":platform": platform, ":owner": owner },
        )?;
        Ok(())
    }

    /// Records that the platform was sent this `digest` for `what`.
    pub fn told(&self, platform: &str, what: &str, digest: &str) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO told_platform (platform, what, digest) VALUES (:platform, :what, :digest)
             ON CONFLICT (platform, what) DO UPDATE SET digest = excluded.digest",
            named_params! { ":platform": platform, ":what": what, ":digest": digest },
        )?;
        Ok(())
    }
}

const PLACE: &str =
    "SELECT id, platform, address, home, owner, suspended_at, suspended_why FROM chat";

/// Reads a chat from seven columns, in the order of the query above.
pub(super) fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    let suspended: (Option<Timestamp>, Option<String>) = (row.get(5)?, row.get(6)?);
    Ok(Place {
        chat: chat_at(row, 0)?,
        home: row.get(3)?,
        owner: row.get(4)?,
        suspended: suspended.0.zip(suspended.1),
    })
}
