//! One transaction's view of the database, and the nouns that are found there: `tx.incidents()`, `db.deliveries()`.

use super::{
    Cards, Chats, Checkpoints, Deliveries, Heartbeats, Incidents, Observations, Pauses, Retention,
    Sources, Subscriptions, Troubles,
};
use rusqlite::Connection;
use std::marker::PhantomData;

/// Marks what may only be read through.
#[derive(Clone, Copy, Debug)]
pub struct Reads;

/// Marks what may be written through as well.
#[derive(Clone, Copy, Debug)]
pub struct Writes;

/// Inside a transaction of `A`: see [`Tx`] and [`Db`].
#[derive(Debug)]
pub struct Session<'a, A> {
    pub(super) connection: &'a Connection,
    access: PhantomData<A>,
}

/// Inside the writer's transaction: everything done here is stored together, or not at all.
pub type Tx<'a> = Session<'a, Writes>;

/// A steady view of the database: what is committed meanwhile is not seen.
pub type Db<'a> = Session<'a, Reads>;

impl<'a, A> Session<'a, A> {
    pub(super) const fn new(connection: &'a Connection) -> Self {
        Self { connection, access: PhantomData }
    }

    pub fn observations(&self) -> Observations<'a, A> {
        Observations::new(self.connection)
    }

    pub fn retention(&self) -> Retention<'a, A> {
        Retention::new(self.connection)
    }

    pub fn incidents(&self) -> Incidents<'a, A> {
        Incidents::new(self.connection)
    }

    pub fn chats(&self) -> Chats<'a, A> {
        Chats::new(self.connection)
    }

    pub fn subscriptions(&self) -> Subscriptions<'a, A> {
        Subscriptions::new(self.connection)
    }

    pub fn deliveries(&self) -> Deliveries<'a, A> {
        Deliveries::new(self.connection)
    }

    pub fn cards(&self) -> Cards<'a, A> {
        Cards::new(self.connection)
    }

    pub fn pauses(&self) -> Pauses<'a, A> {
        Pauses::new(self.connection)
    }

    pub fn sources(&self) -> Sources<'a, A> {
        Sources::new(self.connection)
    }

    pub fn heartbeat(&self) -> Heartbeats<'a, A> {
        Heartbeats::new(self.connection)
    }

    pub fn troubles(&self) -> Troubles<'a, A> {
        Troubles::new(self.connection)
    }

    pub fn checkpoint(&self) -> Checkpoints<'a, A> {
        Checkpoints::new(self.connection)
    }
}

/// Declares a noun: a struct over the session's connection, whose reads are for all and whose writes are for [`Tx`].
macro_rules! noun {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name<'a, A> {
            pub(super) connection: &'a rusqlite::Connection,
            access: std::marker::PhantomData<A>,
        }

        impl<'a, A> $name<'a, A> {
            pub(super) const fn new(connection: &'a rusqlite::Connection) -> Self {
                Self { connection, access: std::marker::PhantomData }
            }
        }
    };
}
pub(super) use noun;
