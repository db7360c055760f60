//! The words of the project as types. No I/O, no clock, no async: everything above may use these, they use nothing above.

pub mod control;
pub mod country;
pub mod delivery;
pub mod entity;
pub mod evidence;
pub mod explanation;
pub mod fact;
pub mod hostname;
pub mod incident;
pub mod line;
pub mod lookup;
pub mod observation;
pub mod onset;
pub mod subscription;
pub mod target;
pub mod time;
pub mod trouble;
pub mod watchlist;
pub mod zone;

pub use control::{Ask, Control};
pub use delivery::{HeldFor, Hold, Owing, Tally, Untimely};
pub use entity::{Asn, CountryCode, Entity, EntityError};
pub use evidence::{Assessment, Evidence, Link, Reading, Sureness, Unknown, Verdict};
pub use explanation::{Explanation, Forbidden, Part, Rule, Said, Tested};
pub use fact::{Block, Fact, FactKind, Fall};
pub use incident::{Earlier, IncidentKey, Phase, Transition, TransitionKind};
pub use line::Line;
pub use observation::{Arrival, Batch, Layer, Observation, Series, Witness};
pub use onset::Onset;
pub use subscription::{Chat, Kinds, Mute, Options, Quiet, Scope, Sensitivity, Subscription};
pub use target::{Certificate, Host, Knock, Target};
pub use time::{Seconds, Timestamp};
pub use trouble::Trouble;
pub use watchlist::{Watched, Watchlist};
