//! Linkdown's own measurements, the source `probe`. Each kind of probe has a file that makes one
//! attempt at one address and returns an [`Outcome`]. [`attempt`] resolves a target's name, checks
//! its addresses and repeats failed attempts; [`prober`] spreads the targets over a round;
//! [`tally`] turns a round into a batch. [`look`] asks the control hosts, and [`uplink`] judges by
//! their answers whether a failure is Linkdown's own.

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

/// The name of this source in config, tables and chat.
pub use crate::domain::observation::PROBE as NAME;

/// Everything that a probe needs besides its target.
#[derive(Debug)]
pub struct ProbeContext {
    /// Times every attempt and every pause.
    pub clock: Clock,
    /// Decides which addresses may be dialled.
    pub guard: Guard,
    /// Resolves the names of targets, of redirects and of controls.
    pub resolver: Resolver,
    /// The TLS configurations that all handshakes share.
    pub tls: Tls,
    /// The `User-Agent`: program, version, and the contact for owners of probed sites.
    pub agent: Arc<str>,
    /// The time limit of one attempt as a whole.
    pub timeout: Duration,
    /// Whether the log already says that this process may not send ICMP echoes.
    no_echo: AtomicBool,
}

/// The time limits of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until the connection stands.
    pub connect: Duration,
    /// For the whole attempt, connecting included.
    pub total: Duration,
}

impl ProbeContext {
    /// Creates the context; `contact` is the address in the `User-Agent`, `timeout` the limit of
    /// one attempt.
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

    /// Returns the limits of one attempt. Connecting gets half of the time: a host that takes
    /// longer to reach would have no time left to answer.
    fn limits(&self) -> Limits {
        Limits { connect: self.timeout / 2, total: self.timeout }
    }
}
