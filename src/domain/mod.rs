//! The types for the project's concepts. They use no I/O, no clock and no async code. Every other
//! module may use this one; it uses none of them.

pub mod control;
pub mod country;
pub mod delivery;
pub mod entity;
pub mod evidence;
pub mod explanation;
pub mod fact;
pub mod hostname;
pub mod incident;
pub mod lookup;
pub mod observation;
pub mod onset;
pub mod subscription;
pub mod target;
pub mod time;
pub mod trouble;
pub mod uplink;
pub mod watchlist;
pub mod zone;

pub use control::{Ask, Control};
pub use delivery::{DelayReason, HeldFor, Hold, NewDelivery, Tally};
pub use entity::{Asn, CountryCode, Entity, EntityError};
pub use evidence::{Assessment, Confidence, Evidence, Link, Reading, Unknown, Verdict};
pub use explanation::{Explanation, Forbidden, Part, Rule, SignalReport, Tested};
pub use fact::{Block, Fact, FactKind, Fall};
pub use incident::{Earlier, IncidentKey, Phase, Transition, TransitionKind};
pub use observation::{Arrival, Batch, Layer, Observation, Series, Witness};
pub use onset::Onset;
pub use subscription::{Chat, Kinds, Mute, Options, Quiet, Scope, Sensitivity, Subscription};
pub use target::{Certificate, Host, ProbeKind, Target};
pub use time::{Seconds, Timestamp};
pub use trouble::OperatorAlert;
pub use uplink::UplinkState;
pub use watchlist::{Watched, Watchlist};
