//! One file a platform: connect, send, classify the error, hand typed commands on. A new platform is a new file here and
//! one line in `app::platforms`.

pub mod console;
