//! The bot looks after itself: gathers signs, judges them, tells its operator once and once when it is over, and calls whoever
//! waits for a sign of life.

mod heartbeat;
mod service;
mod signs;
mod troubles;
mod watchman;

pub use heartbeat::{Heartbeat, HeartbeatError};
pub use service::{Stage, tell_service_manager};
pub use troubles::{LITTLE, OFF, off_by};
pub use watchman::SelfMonitor;
