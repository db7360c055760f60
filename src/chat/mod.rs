//! The chat platforms, one folder each: connects, sends, classifies errors and passes on the
//! commands that people type. A new platform needs a folder here and one line in `app::platforms`.

pub mod console;
pub mod discord;
mod flood;
mod kept;
mod queues;
pub mod telegram;
