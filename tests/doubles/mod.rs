//! Stand-ins for the outside services, on real sockets and as strict as those: what the real one refuses, they refuse.
//! They serve a scripted world on the clock that they are given, and fall ill on demand.
//!
//! ```ignore
//! let ioda = IodaDouble::start(clock.clone()).await;
//! ioda.outage("country/KP", 4.0, from, until);   // in bgp and ping-slash24, published as late as the real ones
//! ioda.fault(Fault::Html);                        // … until `ioda.heal()`
//! ioda.url();                                     // what LINKDOWN_IODA_URL should say
//! ioda.requests();                                // everything that was asked
//! ```

// Not every story uses every part of the doubles.
#![allow(dead_code, unused_imports)]

pub mod discord;
pub mod disobeyed;
pub mod ioda;
pub mod radar;
pub mod ripestat;
pub mod ris_live;
pub mod script;
pub mod server;
pub mod telegram;
pub mod web;

pub use discord::DiscordDouble;
pub use disobeyed::Disobeyed;
pub use ioda::IodaDouble;
pub use radar::RadarDouble;
pub use ripestat::RipestatDouble;
pub use ris_live::RisLiveDouble;
pub use script::gone_between;
pub use server::{Asked, Fault};
pub use telegram::TelegramDouble;
