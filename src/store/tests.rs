//! Stories about the file, the transactions and the plans; what belongs to one noun is told here as well, by chapter.

mod file;
mod plans;
mod story;
