//! The `[limits]` table: how much all chats together may add to the watchlist.

use super::explain::Place;
use super::raw;
use super::sources::within;

/// A larger number is a mistake in the file, not a limit.
const AT_MOST: u32 = 100_000;
/// The upper bound of `sites_in_flight`: one site costs at most two connections and four probes a
/// minute.
const SITES_IN_FLIGHT_AT_MOST: u32 = 1024;

/// Limits on the subscriptions that chats add. An entity that the configuration watches already is
/// not counted, because it costs nothing more. The console and the owners are bound by `in_all`
/// alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most added subscriptions in one Discord server or Telegram group, with all its channels,
    /// threads, forums and topics.
    pub per_server: u32,
    /// The most added subscriptions by one person, in all chats together.
    pub per_person: u32,
    /// The most added entities of all chats together, each counted once.
    pub in_all: u32,
    /// The most subscriptions that one person may add within an hour; subscriptions that were ended
    /// since are counted too.
    pub per_hour: u32,
    /// The most sites of chats that are probed at the same time.
    pub sites_in_flight: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_server: 100, per_person: 100, in_all: 1000, per_hour: 60, sites_in_flight: 64 }
    }
}

/// Checks the table. A number that is out of range is an error with its place.
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
