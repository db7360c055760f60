//! Incidents and their numbered transitions.

use super::StoreError;
use super::noun::{Writes, noun};
use super::value::{from_json, to_json, word_column};
use crate::domain::time::DAY;
use crate::domain::{Earlier, Entity, Evidence, IncidentKey, Phase, Timestamp, Transition};
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Params, Row, named_params};
use std::fmt;

noun! {
    /// Access to the incidents and their transitions.
    Incidents
}

/// An incident's number in the database, which people also type in commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncidentId(pub i64);

/// An incident in its current state.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its number in the database.
    pub id: IncidentId,
    /// Its entity, and its ordinal among the incidents of that entity.
    pub key: IncidentKey,
    /// The phase that the last transition led to.
    pub phase: Phase,
    /// The start as the last transition gives it: a later transition may correct it.
    pub started_at: Timestamp,
    /// The end, of a recovered incident only.
    pub recovered_at: Option<Timestamp>,
    /// The number of transitions, which is the number of the last one.
    pub transitions: u32,
    /// The newest transition.
    pub last: Transition,
    /// Why the alert of the start is held back, or `None` if it is not.
    pub untold: Option<Untold>,
    /// The revision that its cards should show; it grows with each change of the evidence.
    pub revision: u32,
    /// Evidence that is newer than that of `last`, or `None` if there is none.
    pub newer: Option<Evidence>,
}

/// Why the alert of an incident's start is held back: the incident was found in a batch that was
/// not live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Untold {
    /// The batch belongs to the entity's first backfill.
    Backfill,
    /// The batch was caught up on after the bot had been away.
    Absence,
}

/// The result of storing a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The number of the incident that the transition belongs to.
    pub id: IncidentId,
    /// Why the alert of the start is held back, or `None` if it is not.
    pub untold: Option<Untold>,
    /// The revision that the incident's cards should show now.
    pub revision: u32,
}

impl Incident {
    /// Returns the newest evidence.
    pub fn evidence(&self) -> &Evidence {
        self.newer.as_ref().unwrap_or(&self.last.evidence)
    }
}

impl<A> Incidents<'_, A> {
    /// Returns the incident with that number, or `None` if there is none.
    pub fn by_id(&self, id: IncidentId) -> Result<Option<Incident>, StoreError> {
        Ok(self.select("WHERE i.id = :id", named_params! { ":id": id })?.pop())
    }

    /// Returns the incident of that entity and ordinal, or `None` if there is none.
    pub fn by_key(&self, key: &IncidentKey) -> Result<Option<Incident>, StoreError> {
        let params = named_params! { ":entity": key.entity, ":ordinal": key.ordinal };
        Ok(self.select("WHERE i.entity = :entity AND i.ordinal = :ordinal", params)?.pop())
    }

    /// Returns the incidents that are not over, oldest first.
    pub fn open(&self) -> Result<Vec<Incident>, StoreError> {
        self.select(OPEN, [])
    }

    /// Returns up to `at_most` incidents of `entity`, newest first.
    pub fn of(&self, entity: &Entity, at_most: usize) -> Result<Vec<Incident>, StoreError> {
        self.select(OF_ENTITY, named_params! { ":entity": entity, ":at_most": at_most as i64 })
    }

    /// Returns the recovered incidents of the same entity that precede this one and began within
    /// the 7 days before its start, newest first, at most 32.
    pub fn in_the_week_before(&self, incident: &Incident) -> Result<Vec<Earlier>, StoreError> {
        let mut select = self.connection.prepare_cached(IN_THE_WEEK_BEFORE)?;
        let rows = select.query_map(
            named_params! { ":entity": incident.key.entity, ":ordinal": incident.key.ordinal,
            ":since": incident.started_at - 7 * DAY },
            |row| {
                let started_at: Timestamp = row.get(1)?;
                Ok(Earlier {
                    id: row.get(0)?,
                    started_at,
                    lasted: row.get::<_, Timestamp>(2)? - started_at,
                })
            },
        )?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns up to `at_most` incidents of all entities, latest start first.
    pub fn recent(&self, at_most: usize) -> Result<Vec<Incident>, StoreError> {
        self.select(RECENT, named_params! { ":at_most": at_most as i64 })
    }

    /// Returns the incidents whose start alert is held back, oldest first.
    pub fn untold(&self) -> Result<Vec<Incident>, StoreError> {
        self.select(UNTOLD, [])
    }

    /// Returns how many incidents each entity has had: a detector without a saved state continues
    /// the count from here.
    pub fn ordinals(&self) -> Result<Vec<(Entity, u32)>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT entity, max(ordinal) FROM incident GROUP BY entity ORDER BY entity",
        )?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Returns all transitions of an incident, in order.
    pub fn transitions(&self, id: IncidentId) -> Result<Vec<Transition>, StoreError> {
        let mut select = self.connection.prepare_cached(TRANSITIONS)?;
        let mut rows = select.query(named_params! { ":id": id })?;
        let mut transitions = Vec::new();
        while let Some(row) = rows.next()? {
            transitions.push(transition(row)?);
        }
        Ok(transitions)
    }

    /// Returns one transition of an incident, or `None` if there is none with that number.
    pub fn transition(
        &self,
        id: IncidentId,
        number: u32,
    ) -> Result<Option<Transition>, StoreError> {
        let mut select = self.connection.prepare_cached(TRANSITION)?;
        let mut rows = select.query(named_params! { ":id": id, ":number": number })?;
        rows.next()?.map(transition).transpose()
    }

    fn select(&self, which: &str, params: impl Params) -> Result<Vec<Incident>, StoreError> {
        let mut select = self.connection.prepare_cached(&selected(which))?;
        let mut rows = select.query(params)?;
        let mut incidents = Vec::new();
        while let Some(row) = rows.next()? {
            incidents.push(incident(row)?);
        }
        Ok(incidents)
    }
}

impl Incidents<'_, Writes> {
    /// Stores the next transition of an incident; number 1 also creates the incident. Fails with
    /// [`StoreError::Inconsistent`] if it is not the next one.
    pub fn apply(&self, transition: &Transition) -> Result<Applied, StoreError> {
        let applied =
            if transition.number == 1 { self.begin(transition)? } else { self.go_on(transition)? };
        self.connection.prepare_cached(INSERT_TRANSITION)?.execute(named_params! {
            ":id": applied.id,
            ":number": transition.number,
            ":kind": transition.kind,
            ":at": transition.at,
            ":arrival": transition.arrival,
            ":started_at": transition.started_at,
            ":ended_at": transition.ended_at,
            ":evidence": to_json("evidence", &transition.evidence)?,
        })?;
        Ok(applied)
    }

    fn begin(&self, first: &Transition) -> Result<Applied, StoreError> {
        let inserted = self.connection.prepare_cached(INSERT_INCIDENT)?.execute(named_params! {
            ":entity": first.incident.entity,
            ":ordinal": first.incident.ordinal,
            ":phase": first.kind.leads_to(),
            ":started_at": first.started_at,
            ":recovered_at": recovered_at(first),
        })?;
        if inserted == 0 {
            return Err(out_of_turn(first));
        }
        Ok(Applied {
            id: IncidentId(self.connection.last_insert_rowid()),
            untold: None,
            revision: 1,
        })
    }

    fn go_on(&self, next: &Transition) -> Result<Applied, StoreError> {
        let changed = self
            .connection
            .prepare_cached(UPDATE_INCIDENT)?
            .query_row(
                named_params! {
                    ":entity": next.incident.entity,
                    ":ordinal": next.incident.ordinal,
                    ":number": next.number,
                    ":phase": next.kind.leads_to(),
                    ":started_at": next.started_at,
                    ":recovered_at": recovered_at(next),
                },
                |row| Ok(Applied { id: row.get(0)?, untold: row.get(1)?, revision: row.get(2)? }),
            )
            .optional()?;
        changed.ok_or_else(|| out_of_turn(next))
    }

    /// Stores evidence that has changed too little for a transition. Returns the revision that the
    /// incident's cards should show.
    pub fn refresh(&self, id: IncidentId, evidence: &Evidence) -> Result<u32, StoreError> {
        let revision = self.connection.prepare_cached(REFRESH)?.query_row(
            named_params! { ":id": id, ":evidence": to_json("evidence", evidence)? },
            |row| row.get(0),
        )?;
        Ok(revision)
    }

    /// Holds the alert of the incident's start back.
    pub fn hold(&self, id: IncidentId, why: Untold) -> Result<(), StoreError> {
        self.set_untold(id, Some(why))
    }

    /// Ends that hold: the start has been reported, or never will be.
    pub fn release(&self, id: IncidentId) -> Result<(), StoreError> {
        self.set_untold(id, None)
    }

    fn set_untold(&self, id: IncidentId, untold: Option<Untold>) -> Result<(), StoreError> {
        let changed = self.connection.execute(
            "UPDATE incident SET untold = :untold WHERE id = :id",
            named_params! { ":untold": untold, ":id": id },
        )?;
        match changed {
            0 => Err(StoreError::Inconsistent(format!("there is no incident {id}"))),
            _ => Ok(()),
        }
    }
}

/// Returns the SQL that reads whole incidents; `which` is its `WHERE`, `ORDER BY` and `LIMIT`.
pub(super) fn selected(which: &str) -> String {
    format!(
        "SELECT t.number, t.kind, t.at, t.arrival, t.started_at, t.ended_at, t.evidence, i.entity, i.ordinal,
                i.id, i.phase, i.started_at, i.recovered_at, i.transitions, i.untold, i.revision, i.evidence
         FROM incident i JOIN transition t ON t.incident_id = i.id AND t.number = i.transitions
         {which}"
    )
}

pub(super) const OPEN: &str = "WHERE i.phase IN ('suspected', 'down', 'returning') ORDER BY i.id";
pub(super) const UNTOLD: &str = "WHERE i.untold IS NOT NULL ORDER BY i.id";
pub(super) const OF_ENTITY: &str =
    "WHERE i.entity = :entity ORDER BY i.ordinal DESC LIMIT :at_most";
pub(super) const RECENT: &str = "ORDER BY i.started_at DESC, i.id DESC LIMIT :at_most";

/// Leaves the evidence out, because a fan-out runs this once per chat. The limit bounds the rows of
/// an entity that flaps.
const IN_THE_WEEK_BEFORE: &str = "
    SELECT id, started_at, recovered_at FROM incident
    WHERE entity = :entity AND ordinal < :ordinal AND phase = 'recovered' AND started_at > :since
    ORDER BY ordinal DESC LIMIT 32";

const TRANSITIONS: &str = "
    SELECT t.number, t.kind, t.at, t.arrival, t.started_at, t.ended_at, t.evidence, i.entity, i.ordinal
    FROM transition t JOIN incident i ON i.id = t.incident_id
    WHERE t.incident_id = :id ORDER BY t.number";

const TRANSITION: &str = "
    SELECT t.number, t.kind, t.at, t.arrival, t.started_at, t.ended_at, t.evidence, i.entity, i.ordinal
    FROM transition t JOIN incident i ON i.id = t.incident_id
    WHERE t.incident_id = :id AND t.number = :number";

const INSERT_INCIDENT: &str = "
    INSERT INTO incident (entity, ordinal, phase, started_at, recovered_at, transitions, revision)
    VALUES (:entity, :ordinal, :phase, :started_at, :recovered_at, 1, 1)
    ON CONFLICT (entity, ordinal) DO NOTHING";

const UPDATE_INCIDENT: &str = "
    UPDATE incident
    SET phase = :phase, started_at = :started_at, recovered_at = :recovered_at, transitions = :number,
        revision = revision + 1, evidence = NULL
    WHERE entity = :entity AND ordinal = :ordinal AND transitions = :number - 1
    RETURNING id, untold, revision";

const REFRESH: &str = "
    UPDATE incident SET evidence = :evidence, revision = revision + 1 WHERE id = :id RETURNING revision";

const INSERT_TRANSITION: &str = "
    INSERT INTO transition (incident_id, number, kind, at, arrival, started_at, ended_at, evidence)
    VALUES (:id, :number, :kind, :at, :arrival, :started_at, :ended_at, :evidence)";

fn incident(row: &Row<'_>) -> Result<Incident, StoreError> {
    let last = transition(row)?;
    Ok(Incident {
        id: row.get(9)?,
        key: last.incident.clone(),
        phase: row.get(10)?,
        started_at: row.get(11)?,
        recovered_at: row.get(12)?,
        transitions: row.get(13)?,
        untold: row.get(14)?,
        revision: row.get(15)?,
        newer: match row.get_ref(16)?.as_str_or_null().map_err(rusqlite::Error::from)? {
            Some(text) => Some(from_json("evidence", text)?),
            None => None,
        },
        last,
    })
}

fn transition(row: &Row<'_>) -> Result<Transition, StoreError> {
    Ok(Transition {
        number: row.get(0)?,
        kind: row.get(1)?,
        at: row.get(2)?,
        arrival: row.get(3)?,
        started_at: row.get(4)?,
        ended_at: row.get(5)?,
        evidence: from_json("evidence", row.get_ref(6)?.as_str().map_err(rusqlite::Error::from)?)?,
        incident: IncidentKey { entity: row.get(7)?, ordinal: row.get(8)? },
    })
}

/// Returns when the incident ended, or `None` if it goes on: a later transition may take a recovery
/// back.
fn recovered_at(transition: &Transition) -> Option<Timestamp> {
    match transition.kind.leads_to() {
        Phase::Recovered => Some(transition.ended_at.unwrap_or(transition.at)),
        Phase::Suspected | Phase::Down | Phase::Returning | Phase::Retracted => None,
    }
}

fn out_of_turn(transition: &Transition) -> StoreError {
    let IncidentKey { entity, ordinal } = &transition.incident;
    let Transition { number, kind, .. } = transition;
    StoreError::Inconsistent(format!(
        "change {number} ({kind}) of incident {ordinal} of {entity} came out of turn"
    ))
}

impl Untold {
    const ALL: [Self; 2] = [Self::Backfill, Self::Absence];

    /// Returns the word that the database stores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backfill => "backfill",
            Self::Absence => "absence",
        }
    }

    /// Returns the reason that [`as_str`](Self::as_str) writes as `text`, or `None` for an unknown
    /// word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == text)
    }
}

word_column!(Untold);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ToSql for IncidentId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for IncidentId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}
