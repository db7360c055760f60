//! From a transition to a message that has arrived. `fanout` says who is owed what, `retry` when to try again (both
//! pure); `outbox` is the only thing that sends.

pub mod body;
pub mod digest;
pub mod fanout;
pub mod outbox;
pub mod pace;
pub mod platform;
pub mod retry;
pub mod suspend;
