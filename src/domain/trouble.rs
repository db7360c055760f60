//! Problems of the bot itself.

use super::Timestamp;

/// A problem that the operator should know about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorAlert {
    /// The subject, always in the same words: `source ioda`, `disk`, `clock`.
    pub what: String,
    /// When the problem began.
    pub since: Timestamp,
    /// A description of the problem, and of possible remedies.
    pub said: String,
}
