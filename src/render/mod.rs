//! Evidence in, words out. Pure: no I/O, no clock; what "now" is, the caller says.

pub mod alert;
pub mod card;
pub mod console;
pub mod lists;
pub mod measure;
pub mod reading;
pub mod status;
pub mod words;

pub use card::Card;
