//! RIPE's live stream of route changes. [`message`] reads it, [`table`] keeps who sees which block through whom, [`stream`] is
//! the connection, [`follow`] the life of all three.

pub mod follow;
pub mod message;
pub mod stream;
pub mod table;

pub use crate::domain::observation::RIS_LIVE as NAME;

/// Its usual address.
pub const URL: &str = "wss://ris-live.ripe.net/v1/ws/";
