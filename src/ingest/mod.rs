//! The tick: polls the sources, detects, stores and owes. It knows no platform.

pub mod backfill;
pub mod catch_up;
mod faults;
mod fill;
mod owe;
pub mod pipeline;
pub mod probes;
mod refresh;
pub mod restore;
pub mod routes;
pub mod tick;
mod turn;

pub use pipeline::{Pipeline, Watch};
