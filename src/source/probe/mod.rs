//! Our own eyes. Each kind of probe has a file that knocks once at one address and says what came of it; [`attempt`] resolves,
//! vets, repeats; [`prober`] spreads the targets over a round; [`tally`] makes a batch of a round; [`uplink`] says whether it
//! was us, by what [`look`] found at the controls.

pub mod attempt;
pub mod dns;
pub mod guard;
pub mod http;
pub mod icmp;
mod lane;
pub mod look;
mod names;
pub mod outcome;
pub mod prober;
mod resolv_conf;
pub mod resolver;
mod sites;
pub mod smtp;
pub mod tally;
pub mod tcp;
pub mod tls;
pub mod uplink;

pub use guard::Guard;
pub use outcome::{Class, Outcome};
pub use resolver::Resolver;
pub use tls::Tls;

use crate::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The word for it in config, tables and chat.
pub use crate::domain::observation::PROBE as NAME;

/// What every probe needs.
#[derive(Debug)]
pub struct ProbeContext {
    pub clock: Clock,
    pub guard: Guard,
    pub resolver: Resolver,
    pub tls: Tls,
    /// Who we are, for those whose sites we ask.
    pub agent: Arc<str>,
    /// For one attempt in all.
    pub timeout: Duration,
    /// Whether it was said that echoes are not allowed here.
    no_echo: AtomicBool,
}

/// How long an attempt may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until it is connected.
    pub connect: Duration,
    /// In all.
    pub total: Duration,
}

impl ProbeContext {
    pub fn new(
        clock: Clock,
        guard: Guard,
        resolver: Resolver,
        contact: &str,
        timeout: Duration,
    ) -> Self {
        let agent = format!("linkdown/{} (+{contact})", env!("CARGO_PKG_VERSION")).into();
        Self {
            clock,
            guard,
            resolver,
            tls: Tls::new(),
            agent,
            timeout,
            no_echo: AtomicBool::new(false),
        }
    }

    /// A host that takes more than half of the time to be reached would have no time left to answer.
    fn limits(&self) -> Limits {
        Limits { connect: self.timeout / 2, total: self.timeout }
    }
}
