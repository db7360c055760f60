//! Turns evidence into messages. Pure: no I/O and no clock; the caller passes the current time.

pub mod alert;
#[cfg(test)]
mod arbitrary;
pub mod blocks;
pub mod card;
pub mod console;
pub mod discord;
pub mod lead;
pub mod line;
pub mod lists;
pub mod measure;
pub mod onset;
pub mod outside;
pub mod reading;
pub mod status;
pub mod summary;
pub mod syntax;
pub mod telegram;
pub mod timeline;
pub mod why;
pub mod words;

pub use card::Card;
pub use syntax::Syntax;
