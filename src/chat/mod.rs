//! One folder a platform: connect, send, classify the error, hand what people type on. A new platform is a new folder here
//! and one line in `app::platforms`.

pub mod console;
pub mod discord;
mod flood;
mod kept;
mod queues;
pub mod telegram;
