//! The messages that a chat gets at once when it subscribes or can be reached again: the outages
//! that are going on, and the end of those that were reported to it.

use super::AppContext;
use crate::domain::{
    Chat, DelayReason, NewDelivery, Phase, Scope, Subscription, Timestamp, Watchlist,
};
use crate::notify::body::Body;
use crate::notify::fanout::wants_layers;
use crate::notify::suspend::suspend;
use crate::store::{Incident, NewNotice, Place, StoreError, Tx};

/// Queues the newest state of every open incident that the chat subscribed to and was not sent yet,
/// within `scopes` or, for `None`, all of its subscriptions. Leaves out an incident whose larger
/// entity has an open incident that is reported too, because that report counts it. Returns the
/// number of queued messages.
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

/// The most incidents searched for those that a chat missed.
const LOOKED_AT: usize = 200;

/// Ends the suspension of a chat that can receive messages again, and queues the outages that it
/// missed. Returns whether the chat was suspended.
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
        // An incident that last changed before the suspension counts only if it was owed to the
        // chat: it may never have been sent, or its end became known only later.
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
    /// Returns the suspended chats of a server or group: those to which messages cannot be sent.
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

    /// Returns every suspended chat of the platform.
    pub async fn suspended_on(&self, platform: &'static str) -> Result<Vec<Place>, StoreError> {
        self.store.read(move |db| db.chats().suspended(platform)).await
    }

    /// Ends the suspension of chats that the bot may write to again, and queues what they missed.
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

    /// Suspends all chats of `home` because the bot was removed from it. Their pending messages are
    /// given up until the bot is let in again.
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

    /// Records the new address of a group and of all its chats.
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
