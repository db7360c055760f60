//! How the bot itself is doing, gathered in one look.

use crate::domain::{Seconds, Timestamp, Trouble};
use crate::source::feed::Feed;
use crate::store::{Space, Store, StoreError};
use crate::vitals::{Report, Vitals};

/// One look.
#[derive(Clone, Debug)]
pub(super) struct Signs {
    pub now: Timestamp,
    /// Since when this process looks.
    pub since: Timestamp,
    pub sources: Vec<Source>,
    pub platforms: Vec<Owed>,
    pub space: Option<Space>,
    /// By how much our clock is ahead of those of the servers that answered.
    pub ahead: Option<Seconds>,
    pub tasks: Vec<Report>,
    /// What the database was found to have, if it is damaged.
    pub damage: Option<String>,
    /// What is known to be wrong already.
    pub known: Vec<Trouble>,
}

/// A source that is on.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub name: &'static str,
    pub last_success: Option<Timestamp>,
    /// Of the last poll, where that failed.
    pub error: Option<String>,
}

/// What a platform owes to chats that can be told.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    pub platform: String,
    pub count: u32,
    pub oldest: Timestamp,
    pub error: Option<String>,
}

/// Looks.
pub(super) async fn gather(
    store: &Store,
    feeds: &[Feed],
    vitals: &Vitals,
    (now, since): (Timestamp, Timestamp),
    damage: Option<String>,
) -> Result<Signs, StoreError> {
    let (health, chats, known) =
        store.read(|db| Ok((db.sources().health()?, db.deliveries().overview(None)?, db.troubles().all()?))).await?;
    let on = feeds.iter().filter(|feed| feed.off.is_none());
    let sources = on.map(|feed| {
        let health = health.iter().find(|health| health.source == feed.name());
        let failing = health.filter(|health| health.failures > 0);
        Source {
            name: feed.name(),
            last_success: health.and_then(|health| health.last_success),
            error: failing.and_then(|health| health.last_error.clone()),
        }
    });
    let mut platforms: Vec<Owed> = Vec::new();
    for chat in chats.iter().filter(|chat| chat.place.suspended.is_none()) {
        let (platform, Some(oldest)) = (&chat.place.chat.platform, chat.tally.oldest) else { continue };
        let error = chat.tally.last_error.clone();
        match platforms.iter_mut().find(|owed| owed.platform == *platform) {
            Some(owed) => {
                owed.count += chat.tally.owed;
                owed.oldest = owed.oldest.min(oldest);
                owed.error = owed.error.take().or(error);
            }
            None => platforms.push(Owed { platform: platform.clone(), count: chat.tally.owed, oldest, error }),
        }
    }
    Ok(Signs {
        now,
        since,
        sources: sources.collect(),
        platforms,
        space: store.space(),
        ahead: feeds.first().and_then(|feed| feed.http.ahead()),
        tasks: vitals.report(),
        damage,
        known,
    })
}

impl Signs {
    pub(super) fn is_known(&self, what: &str) -> bool {
        self.known.iter().any(|trouble| trouble.what == what)
    }
}
