//! The nouns of the store, such as incidents: each is a struct over the connection of a transaction.

/// Marks a session that can only read.
#[derive(Clone, Copy, Debug)]
pub struct Reads;

/// Marks a session that can also write.
#[derive(Clone, Copy, Debug)]
pub struct Writes;

/// Declares a noun: a struct over the session's connection. Any session can call its reads, only
/// [`Tx`] its writes.
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
