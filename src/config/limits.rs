//! How much the chats together may ask of the bot: the `[limits]` table.

use super::explain::Place;
use super::raw;
use super::sources::within;

/// More than this is a mistake in the file, not a limit.
const AT_MOST: u32 = 100_000;
/// One site costs at most two connections and four probes a minute.
const SITES_IN_FLIGHT_AT_MOST: u32 = 1024;

/// Bounds on what chats add to the watchlist. An entity that the configuration watches is not counted: it costs nothing
/// more. The console and the owners are bound by `in_all` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Added subscriptions of one Discord server or Telegram group, with all its channels, threads, forums and topics.
    pub per_server: u32,
    /// Added subscriptions of one person, wherever that person made them.
    pub per_person: u32,
    /// Added entities of all chats, each counted once.
    pub in_all: u32,
    /// Added subscriptions of one person within an hour; those that were ended again are counted too.
    pub per_hour: u32,
    /// Sites of chats that are probed at the same time.
    pub sites_in_flight: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_server: 100, per_person: 100, in_all: 1000, per_hour: 60, sites_in_flight: 64 }
    }
}

/// Reads the table. A number that is out of range is an error with its place.
pub(super) fn check(raw: &raw::RawLimits) -> Result<Limits, Place> {
    let usual = Limits::default();
    Ok(Limits {
        per_server: within(raw.per_server.as_ref(), "per_server", 0, AT_MOST)?
            .unwrap_or(usual.per_server),
        per_person: within(raw.per_person.as_ref(), "per_person", 0, AT_MOST)?
            .unwrap_or(usual.per_person),
        in_all: within(raw.in_all.as_ref(), "in_all", 0, AT_MOST)?.unwrap_or(usual.in_all),
        per_hour: within(raw.per_hour.as_ref(), "per_hour", 0, AT_MOST)?.unwrap_or(usual.per_hour),
        sites_in_flight: within(
            raw.sites_in_flight.as_ref(),
            "sites_in_flight",
            1,
            SITES_IN_FLIGHT_AT_MOST,
        )?
        .unwrap_or(usual.sites_in_flight),
    })
}
