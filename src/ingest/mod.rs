//! The tick: polls the sources, detects, stores incidents and owes deliveries. It knows no
//! platform.

/// Gaps in the past of each entity, and the steps in which they are read.
pub mod backfill;
/// The start: all sources are caught up on together before they tick.
pub mod catch_up;
mod faults;
mod fill;
mod owe;
/// One transaction for each batch.
pub mod pipeline;
/// Rounds of our own probes.
pub mod probes;
mod refresh;
/// The detector's state at a start.
pub mod restore;
/// Events of the live route stream.
pub mod routes;
mod shared;
/// The loop of one source.
pub mod tick;
mod turn;

pub use pipeline::Pipeline;
pub use shared::Watch;
