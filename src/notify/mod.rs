//! Brings a transition to the chats that subscribed to it. `fanout` decides which chats are owed an
//! alert, `retry` when to try again (both pure). Only `outbox` sends.

pub mod body;
pub mod digest;
pub mod fanout;
pub mod outbox;
pub mod pace;
pub mod platform;
pub mod retry;
pub mod suspend;
