//! Composes the message of a delivery. All data for it come from one snapshot of the database.

use crate::domain::{
    Chat, Entity, Phase, Subscription, Timestamp, TransitionKind, Watchlist, lookup,
};
use crate::notify::body::Body;
use crate::notify::platform::{Cards, Edit, Form, Outgoing, Volume};
use crate::render::alert::{Alert, AsOf, alert, brief};
use crate::render::lists::Past;
use crate::render::summary::{missed, sample, summary, suspended, trouble, trouble_over, word};
use crate::render::words::utc_time;
use crate::render::{Card, Syntax};
use crate::source;
use crate::store::{
    Card as Shown, Db, Delivery, DeliveryId, Incident, IncidentId, Notice, StoreError,
};
use chrono_tz::Tz;

/// An alert that became owed more than this many seconds after the decision describes the present.
const AS_IT_HAPPENS: i64 = 60;

/// A message, with the data to record once it has arrived.
#[derive(Clone, Debug)]
pub(super) struct Composed {
    pub delivery: DeliveryId,
    /// Transient failures of earlier attempts.
    pub failures: u32,
    pub outgoing: Outgoing,
    /// The incident whose card the message becomes, and the revision that the message shows.
    pub becomes_card: Option<(IncidentId, u32)>,
}

/// An edit of a card, and the revision that the card shows afterwards.
#[derive(Clone, Debug)]
pub(super) struct Revised {
    pub incident: IncidentId,
    pub revision: u32,
    pub edit: Edit,
}

/// The inputs of composing besides the database.
#[derive(Clone, Debug)]
pub(super) struct Composer {
    pub watchlist: std::sync::Arc<Watchlist>,
    pub cards: Cards,
    pub label: Option<&'static str>,
    pub now: Timestamp,
}

impl Composer {
    /// Composes the message of a delivery. Returns `None` if the incident or transition is not on
    /// record, or a later version has written the notice.
    pub(super) fn compose(
        &self,
        db: &Db<'_>,
        delivery: &Delivery,
    ) -> Result<Option<Composed>, StoreError> {
        let (failures, id) = (delivery.failures, delivery.id);
        let form = if delivery.plain { Form::Plain } else { Form::Rich };
        let mut outgoing = Outgoing {
            card: Card::default(),
            key: id.0,
            in_doubt: delivery.in_doubt.then(|| delivery.doubt_since.unwrap_or(delivery.owed_at)),
            answers: None,
            mention: None,
            volume: Volume::Loud,
            form,
            chat: delivery.chat.clone(),
        };
        let mut becomes_card = None;
        match &delivery.notice {
            Notice::Alert { incident, number } => {
                let Some(told) = self.alert(db, delivery, *incident, *number)? else {
                    return Ok(None);
                };
                (outgoing.card, outgoing.answers, outgoing.mention) =
                    (told.card, told.answers, told.mention);
                (outgoing.volume, becomes_card) = (told.volume, told.becomes_card);
            }
            Notice::Summary { body } | Notice::Test { body } | Notice::Operator { body } => {
                let syntax = Syntax::of(&delivery.chat.platform);
                let Some(card) = Body::from_json(body)
                    .map(|body| self.other(db, &body, syntax))
                    .transpose()?
                    .flatten()
                else {
                    return Ok(None);
                };
                outgoing.card = card;
            }
        }
        Ok(Some(Composed { delivery: id, failures, outgoing, becomes_card }))
    }

    fn alert(
        &self,
        db: &Db<'_>,
        delivery: &Delivery,
        id: IncidentId,
        number: u32,
    ) -> Result<Option<ComposedAlert>, StoreError> {
        let Some(incident) = db.incidents().by_id(id)? else { return Ok(None) };
        let history = db.incidents().transitions(id)?;
        let Some(at) = history.iter().position(|transition| transition.number == number) else {
            return Ok(None);
        };
        let transition = &history[at];
        let is_newest = number == incident.transitions;
        let wishes = self.wishes(db, &delivery.chat, &incident.key.entity)?;
        let shown = match self.cards {
            Cards::Kept => {
                db.cards().get(id, delivery.chat.id)?.filter(|card| card.message_id.is_some())
            }
            Cards::None => None,
        };
        let as_of_now = if delivery.owed_at - transition.at > AS_IT_HAPPENS {
            AsOf::Now
        } else {
            AsOf::Decision
        };
        let entity = &incident.key.entity;
        let parts_down = self.parts_down(db, entity)?;
        let earlier = db.incidents().in_the_week_before(&incident)?;
        let told = Alert {
            incident: id.0,
            transition,
            newer: incident.newer.as_ref().filter(|_| is_newest),
            history: &history[..=at],
            zone: self.zone(entity, &wishes),
            now: self.now,
            as_of_now,
            late: self.now - delivery.owed_at,
            parts_down: &parts_down,
            earlier: &earlier,
            links: source::links(entity, transition.started_at, transition.at),
            // Reconstructed values are not the data of any source.
            credits: source::credits(&transition.evidence).filter(|_| self.label.is_none()),
            label: self.label,
            syntax: Syntax::of(&delivery.chat.platform),
        };
        let is_first = shown.is_none();
        // The card above shows the whole state already; only a recovery repeats it.
        let card = if is_first || transition.kind == TransitionKind::Recovered {
            alert(&told)
        } else {
            brief(&told)
        };
        let is_loud = !matches!(
            transition.kind,
            TransitionKind::Worsened | TransitionKind::PartlyBack | TransitionKind::GoneAgain
        );
        let calls = delivery.is_start || transition.kind == TransitionKind::Started;
        let mention = wishes.iter().find_map(|wish| wish.options.mention.clone()).filter(|_| calls);
        Ok(Some(ComposedAlert {
            card,
            answers: shown.and_then(|card| card.message_id),
            mention,
            volume: if is_loud || is_first { Volume::Loud } else { Volume::Silent },
            // A message about an older change counts as revision 0, so that it is edited right
            // away.
            becomes_card: (is_first && self.cards == Cards::Kept)
                .then_some((id, if is_newest { incident.revision } else { 0 })),
        }))
    }

    /// Composes the current content of an incident's card. Returns `None` if the incident is not on
    /// record or the card was not sent yet.
    pub(super) fn revise(&self, db: &Db<'_>, shown: Shown) -> Result<Option<Revised>, StoreError> {
        let (Some(incident), Some(message)) =
            (db.incidents().by_id(shown.incident)?, shown.message_id)
        else {
            return Ok(None);
        };
        let history = db.incidents().transitions(shown.incident)?;
        let entity = &incident.key.entity;
        let wishes = self.wishes(db, &shown.chat, entity)?;
        let parts_down = self.parts_down(db, entity)?;
        let earlier = db.incidents().in_the_week_before(&incident)?;
        let mut card = alert(&Alert {
            incident: shown.incident.0,
            transition: &incident.last,
            newer: incident.newer.as_ref(),
            history: &history,
            zone: self.zone(entity, &wishes),
            now: self.now,
            as_of_now: AsOf::Now,
            late: 0,
            parts_down: &parts_down,
            earlier: &earlier,
            links: source::links(entity, incident.started_at, self.now),
            credits: source::credits(incident.evidence()).filter(|_| self.label.is_none()),
            label: self.label,
            syntax: Syntax::of(&shown.chat.platform),
        });
        card.foot.push(format!("As of {}.", utc_time(self.now)));
        let edit = Edit { chat: shown.chat, message, card };
        Ok(Some(Revised { incident: shown.incident, revision: incident.revision, edit }))
    }

    /// Composes a message that is not an alert. Returns `None` if its incidents are not on record.
    fn other(&self, db: &Db<'_>, body: &Body, syntax: Syntax) -> Result<Option<Card>, StoreError> {
        Ok(match body {
            Body::MissedIncident(id) => db
                .incidents()
                .by_id(IncidentId(*id))?
                .map(|incident| missed(&self.past(incident), self.now, syntax)),
            Body::Summary { incidents, why, since } => {
                let mut past = Vec::new();
                for id in incidents {
                    past.extend(
                        db.incidents().by_id(IncidentId(*id))?.map(|incident| self.past(incident)),
                    );
                }
                (!past.is_empty()).then(|| summary(*why, *since, &past, self.now, syntax))
            }
            Body::Sample => Some(sample()),
            Body::Suspended { place, link, why } => Some(suspended(place, link.as_deref(), why)),
            Body::OperatorAlert { said } => Some(trouble(said)),
            Body::TroubleOver { said, since } => Some(trouble_over(said, self.now - *since)),
            Body::Word { said } => Some(word(said)),
        })
    }

    /// Returns the chat's subscriptions that cover the entity, the most specific first.
    fn wishes(
        &self,
        db: &Db<'_>,
        chat: &Chat,
        entity: &Entity,
    ) -> Result<Vec<Subscription>, StoreError> {
        let in_config = self.watchlist.is_configured(entity);
        let mut wishes = db.subscriptions().of_chat(chat.id)?;
        wishes.retain(|wish| wish.scope.covers(entity, in_config));
        // The database lists a subscription to everything first. Reversed, the options set for this
        // very entity take precedence.
        wishes.reverse();
        Ok(wishes)
    }

    fn zone(&self, entity: &Entity, wishes: &[Subscription]) -> Tz {
        let wanted = wishes.iter().find_map(|wish| wish.options.zone);
        wanted.unwrap_or_else(|| lookup::zone_of(entity, self.watchlist.wholes_of(entity)))
    }

    fn parts_down(&self, db: &Db<'_>, entity: &Entity) -> Result<Vec<Entity>, StoreError> {
        let parts: Vec<&Entity> = self.watchlist.parts_of(entity).collect();
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let open = db.incidents().open()?;
        let down = open.into_iter().filter(|incident| incident.phase == Phase::Down);
        Ok(down.map(|incident| incident.key.entity).filter(|part| parts.contains(&part)).collect())
    }

    fn past(&self, incident: Incident) -> Past {
        let entity = incident.key.entity;
        Past {
            id: incident.id.0,
            zone: lookup::zone_of(&entity, self.watchlist.wholes_of(&entity)),
            entity,
            phase: incident.phase,
            started_at: incident.started_at,
            ended_at: incident.recovered_at,
        }
    }
}

/// The parts of an outgoing message that depend on the alert.
struct ComposedAlert {
    card: Card,
    answers: Option<String>,
    mention: Option<String>,
    volume: Volume,
    becomes_card: Option<(IncidentId, u32)>,
}
