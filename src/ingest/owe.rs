//! Decides which chats are owed a delivery for a transition, and writes the deliveries in the
//! transaction of the batch that made it.

use super::Watch;
use crate::domain::{
    Arrival, Confidence, Entity, Evidence, Mute, NewDelivery, Phase, Seconds, Subscription,
    Timestamp, Transition, TransitionKind, time::MINUTE,
};
use crate::notify::body;
use crate::notify::fanout::{Audience, Owed, owed, owed_after_all, owed_when_sure};
use crate::store::{Incident, IncidentId, NewNotice, StoreError, Tx, Untold};
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// Changes that follow each other within this many seconds are not notified one by one: the card is
/// edited, and only the newest is notified.
const APART: Seconds = 15 * MINUTE;
/// A part that was counted in its whole is notified on its own if it is still down this many
/// seconds after the whole is back.
const LEFT_BEHIND: Seconds = 30 * MINUTE;

/// The transaction, and the data that is read at most once in it.
#[derive(Debug)]
pub(super) struct Fanout<'a, 't> {
    tx: &'a Tx<'t>,
    watch: &'a Watch,
    now: Timestamp,
    subscriptions: OnceCell<Vec<Subscription>>,
    mutes: OnceCell<Vec<Mute>>,
    /// The chats that are notified in this transaction, in one line, of an incident that came and
    /// went while we were away.
    missed: RefCell<BTreeMap<IncidentId, BTreeSet<i64>>>,
}

impl<'a, 't> Fanout<'a, 't> {
    /// Returns a fan-out in the given transaction; nothing is read yet.
    pub(super) fn new(tx: &'a Tx<'t>, watch: &'a Watch, now: Timestamp) -> Self {
        Self {
            tx,
            watch,
            now,
            subscriptions: OnceCell::new(),
            mutes: OnceCell::new(),
            missed: RefCell::default(),
        }
    }

    /// Writes the deliveries that the transitions of one batch owe, wholes before their parts: a
    /// part is counted where its whole is notified.
    pub(super) fn owe_all(
        &self,
        written: Vec<(IncidentId, &Transition)>,
    ) -> Result<(), StoreError> {
        let mut written = written;
        written.sort_by_key(|(_, transition)| {
            self.watch.watchlist.wholes_of(&transition.incident.entity).len()
        });
        for (incident, transition) in written {
            self.owe(incident, transition)?;
            self.watch.failpoints.hit("deliveries written");
        }
        Ok(())
    }

    fn owe(&self, incident: IncidentId, transition: &Transition) -> Result<(), StoreError> {
        let entity = &transition.incident.entity;
        if transition.kind.leads_to().is_over() {
            self.tx.deliveries().withdraw_later_starts(incident, self.now)?;
        }
        self.tx.deliveries().overtake(incident, transition.number)?;
        let decided =
            self.ask(entity, incident, transition.at, |audience| owed(transition, audience))?;
        match decided {
            Owed::To(owings) => {
                let apart = if is_an_update(transition.kind) { APART } else { 0 };
                let notice = NewNotice::alert(incident, transition.number);
                self.tx.deliveries().owe(&notice, &owings, self.now, apart)?;
                // It was notified as it happened, so there is nothing left to settle after the
                // fact.
                if transition.kind == TransitionKind::Started {
                    self.tx.incidents().release(incident)?;
                }
            }
            Owed::Held => {
                let why = if transition.arrival == Arrival::Backfilled {
                    Untold::Backfill
                } else {
                    Untold::Absence
                };
                self.tx.incidents().hold(incident, why)?;
            }
        }
        if transition.kind.leads_to().is_over() { self.owe_parts_left(entity) } else { Ok(()) }
    }

    /// Owes a delivery to the chats that waited for high confidence, once it is reached.
    pub(super) fn owe_when_sure(
        &self,
        incident: &Incident,
        evidence: &Evidence,
    ) -> Result<(), StoreError> {
        if evidence.sureness != Confidence::High
            || !is_down(incident.phase)
            || incident.untold.is_some()
        {
            return Ok(());
        }
        let entity = &incident.key.entity;
        let owings = self.ask(entity, incident.id, self.now, |audience| {
            owed_when_sure(entity, evidence, audience)
        })?;
        if owings.is_empty() {
            return Ok(());
        }
        self.tx.deliveries().owe(
            &NewNotice::alert(incident.id, incident.transitions),
            &owings,
            self.now,
            0,
        )
    }

    /// Owes a later delivery for each part of `whole` that was counted there and is still down, to
    /// be sent if it stays down.
    fn owe_parts_left(&self, whole: &Entity) -> Result<(), StoreError> {
        for part in self.watch.watchlist.parts_of(whole) {
            let newest = self.tx.incidents().of(part, 1)?.into_iter().next();
            let Some(incident) =
                newest.filter(|incident| is_down(incident.phase) && incident.untold.is_none())
            else {
                continue;
            };
            // A chat that was notified of the whole knows that it is back: only a whole that is
            // down now still counts a part.
            let owings = self.ask(part, incident.id, self.now, |audience| {
                owed_after_all(part, incident.evidence(), audience)
            })?;
            let notice = NewNotice::alert(incident.id, incident.transitions);
            self.tx.deliveries().owe(&notice, &owings, self.now + LEFT_BEHIND, 0)?;
        }
        Ok(())
    }

    /// Owes the deliveries that still make sense for incidents read after the fact, wholes before
    /// their parts.
    pub(super) fn settle_all(&self, mut untold: Vec<Incident>) -> Result<(), StoreError> {
        untold.sort_by_key(|incident| self.watch.watchlist.wholes_of(&incident.key.entity).len());
        untold.iter().try_for_each(|incident| self.settle(incident))
    }

    fn settle(&self, incident: &Incident) -> Result<(), StoreError> {
        let entity = &incident.key.entity;
        // An entity that is still down is counted only in a whole that is down as well.
        let since = if incident.phase.is_over() { incident.started_at } else { self.now };
        let evidence = incident.evidence();
        let owings: Vec<NewDelivery> = self.ask(entity, incident.id, since, |audience| {
            owed_after_all(entity, evidence, audience)
        })?;
        if !incident.phase.is_over() {
            // A mere suspicion is not worth a notification after the fact.
            let changes = self.tx.incidents().transitions(incident.id)?;
            if let Some(start) = changes.into_iter().find(|t| t.kind == TransitionKind::Started) {
                self.tx.deliveries().owe(
                    &NewNotice::alert(incident.id, start.number),
                    &owings,
                    self.now,
                    0,
                )?;
                self.tx.incidents().release(incident.id)?;
            }
            return Ok(());
        }
        if incident.untold == Some(Untold::Absence) && incident.phase == Phase::Recovered {
            let missed = NewNotice::summary(
                format!("missed {}", incident.id),
                body::while_away(incident.id.0),
            );
            self.tx.deliveries().owe(&missed, &owings, self.now, 0)?;
            self.tx.deliveries().owe_suspended(
                &missed,
                &self.suspended_who_want(incident, since)?,
                self.now,
            )?;
            let chats = owings.iter().map(|owing| owing.chat).collect();
            self.missed.borrow_mut().insert(incident.id, chats);
        }
        self.tx.incidents().release(incident.id)
    }

    /// Returns the suspended chats that would have been notified of an incident that came and went
    /// while we were away. Other incidents that they miss are found by their time when they let the
    /// bot in again; this one ended before, and became known only now.
    fn suspended_who_want(
        &self,
        incident: &Incident,
        since: Timestamp,
    ) -> Result<Vec<i64>, StoreError> {
        let subscriptions = self.tx.subscriptions().of_suspended()?;
        if subscriptions.is_empty() {
            return Ok(Vec::new());
        }
        let entity = &incident.key.entity;
        let owings = self.ask_of(&subscriptions, entity, incident.id, since, |audience| {
            owed_after_all(entity, incident.evidence(), audience)
        })?;
        Ok(owings.into_iter().map(|owing| owing.chat).collect())
    }

    /// Calls `decide` with everything that determines who is owed a delivery of `incident`.
    fn ask<T>(
        &self,
        entity: &Entity,
        incident: IncidentId,
        since: Timestamp,
        decide: impl FnOnce(&Audience<'_>) -> T,
    ) -> Result<T, StoreError> {
        if self.subscriptions.get().is_none() {
            let _ = self.subscriptions.set(self.tx.subscriptions().all()?);
            let _ = self.mutes.set(self.tx.subscriptions().mutes(self.now)?);
        }
        self.ask_of(self.wishes(), entity, incident, since, decide)
    }

    fn ask_of<T>(
        &self,
        subscriptions: &[Subscription],
        entity: &Entity,
        incident: IncidentId,
        since: Timestamp,
        decide: impl FnOnce(&Audience<'_>) -> T,
    ) -> Result<T, StoreError> {
        let (heard, counted_in) =
            (self.tx.deliveries().heard(incident)?, self.counted_in(entity, since)?);
        Ok(decide(&Audience {
            subscriptions,
            mutes: self.mutes.get().map_or(&[][..], Vec::as_slice),
            heard: &heard,
            usual: self.watch.watchlist.sensitivity(entity),
            in_config: self.watch.watchlist.is_configured(entity),
            counted_in: &counted_in,
            now: self.now,
        }))
    }

    fn wishes(&self) -> &[Subscription] {
        self.subscriptions.get().map_or(&[][..], Vec::as_slice)
    }

    /// Returns the chats that were notified that a whole of the entity was down at some time from
    /// `since` on.
    fn counted_in(&self, entity: &Entity, since: Timestamp) -> Result<BTreeSet<i64>, StoreError> {
        let mut chats = BTreeSet::new();
        for whole in self.watch.watchlist.wholes_of(entity) {
            let newest = self.tx.incidents().of(whole, 1)?.into_iter().next();
            let was_down = |incident: &Incident| match incident.phase {
                Phase::Down | Phase::Returning => true,
                Phase::Recovered => {
                    incident.recovered_at.is_some_and(|recovered| recovered > since)
                }
                Phase::Suspected | Phase::Retracted => false,
            };
            if let Some(incident) = newest.filter(was_down) {
                // A chat that no longer subscribes to the whole is notified of the part.
                let is_configured = self.watch.watchlist.is_configured(whole);
                let wanting: BTreeSet<i64> = self
                    .wishes()
                    .iter()
                    .filter(|wish| wish.scope.covers(whole, is_configured))
                    .map(|wish| wish.chat.id)
                    .collect();
                chats.extend(self.tx.deliveries().heard(incident.id)?.intersection(&wanting));
                chats.extend(self.missed.borrow().get(&incident.id).into_iter().flatten());
            }
        }
        Ok(chats)
    }
}

fn is_down(phase: Phase) -> bool {
    matches!(phase, Phase::Down | Phase::Returning)
}

fn is_an_update(kind: TransitionKind) -> bool {
    matches!(
        kind,
        TransitionKind::Worsened | TransitionKind::PartlyBack | TransitionKind::GoneAgain
    )
}
