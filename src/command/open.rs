//! What a chat must hear at once when it begins to listen: the outages that are going on, and the end of those that it
//! had heard of.

use super::AppContext;
use crate::domain::{
    Chat, DelayReason, NewDelivery, Phase, Scope, Subscription, Timestamp, Watchlist,
};
use crate::notify::body::Body;
use crate::notify::fanout::wants_layers;
use crate::notify::suspend::suspend;
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
    let hears_of = |wish: &Subscription, incident: &Incident| {
        let sensitivity =
            wish.options.sensitivity.unwrap_or(watchlist.sensitivity(&incident.key.entity));
        sensitivity.hears_of(incident.phase, incident.evidence().sureness)
    };
    let wants = |incident: &Incident| {
        let entity = &incident.key.entity;
        let in_config = watchlist.is_configured(entity);
        wishes.iter().any(|wish| {
            scopes.is_none_or(|scopes| scopes.contains(&wish.scope))
                && wish.scope.covers(entity, in_config)
                && hears_of(wish, incident)
                && wants_layers(wish, incident.evidence())
        })
    };
    let open: Vec<Incident> = tx.incidents().open()?.into_iter().filter(wants).collect();
    let mut told = 0;
    for incident in &open {
        let wholes = watchlist.wholes_of(&incident.key.entity);
        let is_counted = open
            .iter()
            .any(|other| wholes.contains(&&other.key.entity) && other.phase != Phase::Suspected);
        if is_counted || tx.deliveries().heard(incident.id)?.contains(&chat.id) {
            continue;
        }
        tx.deliveries().owe_again(
            &NewNotice::alert(incident.id, incident.transitions),
            chat.id,
            now,
        )?;
        told += 1;
    }
    Ok(told)
}

/// More incidents than these are not looked through for what a chat missed.
const LOOKED_AT: usize = 200;

/// A chat that was suspended can be told again: it hears what it missed. Says whether it was.
pub(super) fn resume(
    tx: &Tx<'_>,
    watchlist: &Watchlist,
    chat: &Chat,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(since) = tx.chats().resume(chat.id)? else { return Ok(false) };
    let wishes = tx.subscriptions().of_chat(chat.id)?;
    let wants = |incident: &Incident| {
        let in_config = watchlist.is_configured(&incident.key.entity);
        let mut wishes =
            wishes.iter().filter(|wish| wish.scope.covers(&incident.key.entity, in_config));
        wishes.any(|wish| wish.options.kinds.recoveries)
    };
    let mut over = Vec::new();
    for incident in tx.incidents().recent(LOOKED_AT)? {
        // What was owed before may have waited in vain, and what ended before may have become known meanwhile.
        if incident.last.at < since && !tx.deliveries().was_owed(incident.id, chat.id)? {
            continue;
        }
        let heard = tx.deliveries().heard(incident.id)?.contains(&chat.id);
        let is_news =
            incident.phase == Phase::Recovered || incident.phase == Phase::Retracted && heard;
        if is_news
            && wants(&incident)
            && !tx.deliveries().knows(incident.id, incident.transitions, chat.id)?
        {
            tx.deliveries().told_otherwise(incident.id, incident.transitions, chat.id, now)?;
            over.push(incident.id.0);
        }
    }
    for body in tx.deliveries().take_given_up_sums(chat.id)?.iter().filter_map(Body::from_json) {
        match body {
            Body::MissedIncident(incident) => over.push(incident),
            Body::Summary { incidents, .. } => over.extend(incidents),
            _ => {}
        }
    }
    over.sort_unstable();
    over.dedup();
    if !over.is_empty() {
        let body = Body::Summary { incidents: over, why: DelayReason::ShutOut, since };
        let notice = NewNotice::summary(format!("let in again {} {now}", chat.id), body.to_json());
        tx.deliveries().owe(&notice, &[NewDelivery::now(chat.id, false)], now, 0)?;
    }
    owe_open(tx, watchlist, chat, None, now)?;
    Ok(true)
}

impl AppContext {
    /// The chats of a server or group that cannot be told.
    pub async fn suspended_in(
        &self,
        platform: &'static str,
        home: &str,
    ) -> Result<Vec<Place>, StoreError> {
        let home = home.to_owned();
        let mut places = self.store.read(move |db| db.chats().of_home(platform, &home)).await?;
        places.retain(|place| place.suspended.is_some());
        Ok(places)
    }

    /// Every chat of the platform that cannot be told.
    pub async fn suspended_on(&self, platform: &'static str) -> Result<Vec<Place>, StoreError> {
        self.store.read(move |db| db.chats().suspended(platform)).await
    }

    /// The bot has been let into these chats again.
    pub async fn let_in(
        &self,
        platform: &'static str,
        places: Vec<Place>,
    ) -> Result<(), StoreError> {
        if places.is_empty() {
            return Ok(());
        }
        let (now, watchlist) = (self.clock.now(), std::sync::Arc::clone(&self.watchlist));
        let resumed = self
            .store
            .write(move |tx| {
                let mut resumed = 0;
                for place in &places {
                    resumed += usize::from(resume(tx, &watchlist, &place.chat, now)?);
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
    pub async fn put_out(
        &self,
        platform: &'static str,
        home: &str,
        why: &str,
    ) -> Result<(), StoreError> {
        let (now, home, why) = (self.clock.now(), home.to_owned(), why.to_owned());
        self.store
            .write(move |tx| {
                for place in tx.chats().of_home(platform, &home)? {
                    suspend(tx, &place, "one of your chats", None, &why, now)?;
                }
                Ok(())
            })
            .await?;
        self.wake_outboxes();
        Ok(())
    }

    /// The group with all its chats has another address now.
    pub async fn moved(
        &self,
        platform: &'static str,
        from: &str,
        to: &str,
    ) -> Result<(), StoreError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.store
            .write(move |tx| match tx.chats().at(platform, &from)? {
                Some(place) => tx.chats().moved(place.chat.id, &to),
                None => Ok(()),
            })
            .await
    }
}
