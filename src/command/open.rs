//! What a chat must hear at once when it begins to listen: the outages that are going on, and the end of those that it
//! had heard of.

use super::Desk;
use crate::domain::{Chat, Owing, Phase, Scope, Timestamp, Untimely, Watchlist};
use crate::notify::body::Body;
use crate::store::{Incident, NewNotice, Place, StoreError, Tx};

/// Owes the chat the newest of each open incident that it wants to hear of, all or within `scopes`, and has not heard of.
/// What is counted in a whole that is told as well is left out. Says how many there are.
pub(super) fn owe_open(
    tx: &Tx<'_>,
    watchlist: &Watchlist,
    chat: &Chat,
    scopes: Option<&[Scope]>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let wishes = tx.subscriptions().of_chat(chat.id)?;
    let wants = |incident: &Incident| {
        let entity = &incident.key.entity;
        let in_config = watchlist.is_configured(entity);
        wishes.iter().any(|wish| {
            scopes.is_none_or(|scopes| scopes.contains(&wish.scope))
                && wish.scope.covers(entity, in_config)
                && (wish.from_suspected || incident.phase != Phase::Suspected)
        })
    };
    let open: Vec<Incident> = tx.incidents().open()?.into_iter().filter(wants).collect();
    let mut told = 0;
    for incident in &open {
        let wholes = watchlist.wholes_of(&incident.key.entity);
        let is_counted =
            open.iter().any(|other| wholes.contains(&&other.key.entity) && other.phase != Phase::Suspected);
        if is_counted || tx.deliveries().heard(incident.id)?.contains(&chat.id) {
            continue;
        }
        tx.deliveries().owe_again(&NewNotice::alert(incident.id, incident.transitions), chat.id, now)?;
        told += 1;
    }
    Ok(told)
}

/// A chat that was suspended can be told again: it hears what it missed. Says whether it was.
pub(super) fn resume(tx: &Tx<'_>, watchlist: &Watchlist, place: &Place, now: Timestamp) -> Result<bool, StoreError> {
    let Some(since) = tx.chats().resume(place.chat.id)? else { return Ok(false) };
    let mut over = Vec::new();
    for id in tx.deliveries().unfinished(place.chat.id)? {
        over.extend(
            tx.incidents().by_id(id)?.filter(|incident| incident.phase.is_over()).map(|incident| incident.id.0),
        );
    }
    if !over.is_empty() {
        let body = Body::Summary { incidents: over, why: Untimely::ShutOut, since };
        let notice = NewNotice::summary(format!("let in again {} {now}", place.chat.id), body.to_json());
        tx.deliveries().owe(&notice, &[Owing::now(place.chat.id, false)], now, 0)?;
    }
    owe_open(tx, watchlist, &place.chat, None, now)?;
    Ok(true)
}

impl Desk {
    /// The bot has been let into the chat at `address`, or into all chats of `home`, again.
    pub async fn let_in(&self, platform: &'static str, home: &str) -> Result<(), StoreError> {
        let (now, home, watchlist) = (self.clock.now(), home.to_owned(), std::sync::Arc::clone(&self.watchlist));
        let resumed = self
            .store
            .write(move |tx| {
                let mut resumed = 0;
                for place in tx.chats().of_home(platform, &home)?.iter().filter(|place| place.suspended.is_some()) {
                    resumed += usize::from(resume(tx, &watchlist, place, now)?);
                }
                Ok(resumed)
            })
            .await?;
        if resumed > 0 {
            tracing::info!(platform, resumed, "let in again");
            self.wake_outboxes();
        }
        Ok(())
    }

    /// The bot was put out of all chats of `home`: what was owed there is given up until it is let in again.
    pub async fn put_out(&self, platform: &'static str, home: &str, why: &str) -> Result<(), StoreError> {
        let (now, home, why) = (self.clock.now(), home.to_owned(), why.to_owned());
        self.store
            .write(move |tx| {
                for place in tx.chats().of_home(platform, &home)? {
                    tx.chats().suspend(place.chat.id, &why, now)?;
                }
                Ok(())
            })
            .await
    }

    /// The group with all its chats has another address now.
    pub async fn moved(&self, platform: &'static str, from: &str, to: &str) -> Result<(), StoreError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.store
            .write(move |tx| match tx.chats().at(platform, &from)? {
                Some(place) => tx.chats().moved(place.chat.id, &to),
                None => Ok(()),
            })
            .await
    }
}
