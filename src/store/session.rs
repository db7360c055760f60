//! One transaction's view of the database, with access to its nouns: `tx.incidents()`,
//! `db.deliveries()`.

use super::noun::{Reads, Writes};
use super::{
    Cards, Chats, Checkpoints, Deliveries, Heartbeats, Incidents, Observations, Pauses, Retention,
    Sources, Subscriptions, Troubles,
};
use rusqlite::Connection;
use std::marker::PhantomData;

/// A running transaction with access `A`: see [`Tx`] and [`Db`].
#[derive(Debug)]
pub struct Session<'a, A> {
    pub(super) connection: &'a Connection,
    access: PhantomData<A>,
}

/// The writer's transaction: all its changes are stored together, or none.
pub type Tx<'a> = Session<'a, Writes>;

/// A snapshot of the database: later commits are not visible.
pub type Db<'a> = Session<'a, Reads>;

impl<'a, A> Session<'a, A> {
    pub(super) const fn new(connection: &'a Connection) -> Self {
        Self { connection, access: PhantomData }
    }

    /// Returns access to the batches, observations and facts.
    pub fn observations(&self) -> Observations<'a, A> {
        Observations::new(self.connection)
    }

    /// Returns access to the pruning of old data and to hourly summaries.
    pub fn retention(&self) -> Retention<'a, A> {
        Retention::new(self.connection)
    }

    /// Returns access to the incidents and their transitions.
    pub fn incidents(&self) -> Incidents<'a, A> {
        Incidents::new(self.connection)
    }

    /// Returns access to the chats.
    pub fn chats(&self) -> Chats<'a, A> {
        Chats::new(self.connection)
    }

    /// Returns access to the subscriptions and mutes.
    pub fn subscriptions(&self) -> Subscriptions<'a, A> {
        Subscriptions::new(self.connection)
    }

    /// Returns access to the outbox: notices and deliveries.
    pub fn deliveries(&self) -> Deliveries<'a, A> {
        Deliveries::new(self.connection)
    }

    /// Returns access to the cards: the messages that are edited.
    pub fn cards(&self) -> Cards<'a, A> {
        Cards::new(self.connection)
    }

    /// Returns access to the pauses that platforms requested.
    pub fn pauses(&self) -> Pauses<'a, A> {
        Pauses::new(self.connection)
    }

    /// Returns access to the health, budgets and backfills of the sources.
    pub fn sources(&self) -> Sources<'a, A> {
        Sources::new(self.connection)
    }

    /// Returns access to the bot's heartbeat.
    pub fn heartbeat(&self) -> Heartbeats<'a, A> {
        Heartbeats::new(self.connection)
    }

    /// Returns access to the current operator alerts.
    pub fn troubles(&self) -> Troubles<'a, A> {
        Troubles::new(self.connection)
    }

    /// Returns access to the detector's saved state.
    pub fn checkpoint(&self) -> Checkpoints<'a, A> {
        Checkpoints::new(self.connection)
    }
}
