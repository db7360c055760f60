//! What is wrong with the bot itself.

use super::Timestamp;

/// Something that its operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorAlert {
    /// What it is about, always in the same words: `source ioda`, `disk`, `clock`.
    pub what: String,
    pub since: Timestamp,
    /// What is wrong, and what can be done about it.
    pub said: String,
}
