//! From a transition to a message that has arrived. `fanout` says who is owed what, `retry` when to try again (both
//! pure); `outbox` is the only thing that sends.

pub mod fanout;
pub mod missed;
pub mod outbox;
pub mod platform;
pub mod retry;
