//! What a transition owes to whom: written in the transaction of the batch that made it.

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

/// Changes that follow each other faster than this are not told one by one: the card is edited, and the newest is told.
const APART: Seconds = 15 * MINUTE;
/// A part that was counted in its whole, and is still down so long after the whole is back, is told for itself.
const LEFT_BEHIND: Seconds = 30 * MINUTE;

/// The transaction, and what is read once in it, if at all.
#[derive(Debug)]
pub(super) struct Fanout<'a, 't> {
    tx: &'a Tx<'t>,
    watch: &'a Watch,
    now: Timestamp,
    subscriptions: OnceCell<Vec<Subscription>>,
    mutes: OnceCell<Vec<Mute>>,
    /// Who is told in one line, in this transaction, that something came and went while we were away.
    missed: RefCell<BTreeMap<IncidentId, BTreeSet<i64>>>,
}

impl<'a, 't> Fanout<'a, 't> {
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

    /// Writes what the transitions of one batch owe, wholes before their parts: a part is counted where its whole is told.
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
                // Told as it happened: there is nothing left to say of it after the fact.
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

    /// It is highly sure now: those are told that waited for that.
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

    /// What is part of `whole` and was counted there is told for itself if it stays down.
    fn owe_parts_left(&self, whole: &Entity) -> Result<(), StoreError> {
        for part in self.watch.watchlist.parts_of(whole) {
            let newest = self.tx.incidents().of(part, 1)?.into_iter().next();
            let Some(incident) =
                newest.filter(|incident| is_down(incident.phase) && incident.untold.is_none())
            else {
                continue;
            };
            // Whoever heard of the whole knows that it is back: only what is down now still counts a part.
            let owings = self.ask(part, incident.id, self.now, |audience| {
                owed_after_all(part, incident.evidence(), audience)
            })?;
            let notice = NewNotice::alert(incident.id, incident.transitions);
            self.tx.deliveries().owe(&notice, &owings, self.now + LEFT_BEHIND, 0)?;
        }
        Ok(())
    }

    /// Tells what is still true of incidents that were read after the fact, wholes before their parts.
    pub(super) fn settle_all(&self, mut untold: Vec<Incident>) -> Result<(), StoreError> {
        untold.sort_by_key(|incident| self.watch.watchlist.wholes_of(&incident.key.entity).len());
        untold.iter().try_for_each(|incident| self.settle(incident))
    }

    fn settle(&self, incident: &Incident) -> Result<(), StoreError> {
        let entity = &incident.key.entity;
        // What is still down is counted only in a whole that is down as well.
        let since = if incident.phase.is_over() { incident.started_at } else { self.now };
        let evidence = incident.evidence();
        let owings: Vec<NewDelivery> = self.ask(entity, incident.id, since, |audience| {
            owed_after_all(entity, evidence, audience)
        })?;
        if !incident.phase.is_over() {
            // A suspicion that is still one is not worth waking anybody after the fact.
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

    /// Returns the suspended chats that would be told of an incident that came and went while we were away. What they
    /// miss otherwise is found by its time when they let the bot in again; this ended before, and became known only now.
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

    /// Hands over all that decides who is owed something of `incident`.
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

    /// Chats that heard that something which the entity is part of was down at some time from `since` on.
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
                // Who does not want to hear of the whole any more is told of the part.
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
