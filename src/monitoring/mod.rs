//! Monitors the bot itself: gathers health signals, judges them, reports each problem to the
//! operator once when it begins and once when it is over, and calls the heartbeat address.

mod heartbeat;
mod service;
mod signs;
mod troubles;
mod watchman;

pub use heartbeat::{Heartbeat, HeartbeatError};
pub use service::{Stage, tell_service_manager};
pub use troubles::{LITTLE, OFF, off_by};
pub use watchman::SelfMonitor;
