//! How message calls go wrong on demand.

use super::DiscordDouble;
use linkdown::clock::Millis;
use std::collections::{BTreeMap, VecDeque};

/// What a call that makes or edits a message gets instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Of Discord itself as JSON, of the front end (502 and above) as a page.
    Status(u16),
    /// The connection is closed, and nothing was done.
    Reset,
    /// The same, but the message stands.
    AcceptThenReset,
    /// Never answered, and nothing is done.
    Hang,
    /// 429, and the same for every call of that channel (or of all) until the time is over.
    RateLimited { after_ms: Millis, global: bool },
    /// 404, "Unknown Channel".
    NotFoundChannel,
    /// 403 with that code of Discord's.
    Forbidden(u64),
    /// 200 with a page that is no JSON, as of a proxy in between.
    HtmlPage,
    /// 400, "Invalid Form Body": Discord takes the message for a bad one.
    Malformed400,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    next: VecDeque<Fault>,
    in_channel: BTreeMap<u64, Fault>,
    share: Option<(f64, fastrand::Rng)>,
}

impl Faults {
    pub(super) fn for_call(&mut self, channel: u64) -> Option<Fault> {
        if let Some(fault) = self.in_channel.get(&channel) {
            return Some(fault.clone());
        }
        if let Some(fault) = self.next.pop_front() {
            return Some(fault);
        }
        let (share, random) = self.share.as_mut()?;
        if random.f64() >= *share {
            return None;
        }
        Some(match random.u8(..4) {
            0 => Fault::RateLimited { after_ms: 1_000, global: false },
            1 => Fault::Status(500),
            2 => Fault::Reset,
            _ => Fault::Hang,
        })
    }
}

impl DiscordDouble {
    /// The next `n` message calls get it.
    pub fn fault(&self, fault: Fault, n: usize) {
        self.inner.change(|world| world.faults.next.extend(std::iter::repeat_n(fault, n)));
    }

    /// Every message call in the channel gets it, until [`DiscordDouble::heal`].
    pub fn fault_in(&self, channel: u64, fault: Fault) {
        self.inner.change(|world| world.faults.in_channel.insert(channel, fault));
    }

    /// That share of the message calls goes wrong, always the same ones for the same seed.
    pub fn fault_share(&self, share: f64, seed: u64) {
        self.inner
            .change(|world| world.faults.share = Some((share, fastrand::Rng::with_seed(seed))));
    }

    /// No faults any more, and no ban.
    pub fn heal(&self) {
        self.inner.change(|world| {
            world.faults = Faults::default();
            world.limits.forgive();
        });
    }
}
