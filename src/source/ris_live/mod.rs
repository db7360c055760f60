//! RIS Live, the RIPE NCC's live stream of route changes. [`message`] parses it, [`table`] keeps
//! which peer sees which block through which neighbour, [`stream`] is the connection, and
//! [`follow`] runs all three.

pub mod follow;
pub mod message;
pub mod stream;
pub mod table;

pub use crate::domain::observation::RIS_LIVE as NAME;

/// The default address; `LINKDOWN_RIS_LIVE_URL` overrides it.
pub const URL: &str = "wss://ris-live.ripe.net/v1/ws/";
