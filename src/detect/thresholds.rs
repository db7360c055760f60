//! The thresholds and numbers that several parts of the detector share.

/// The evidence from which on a series counts as low: about 30 to 1.
pub const LOW: f32 = 3.4;
/// The evidence of about two clear bins. With it, even a first bin of another witness that is not
/// clear yet is enough.
pub const SURE: f32 = 9.0;
/// A bin sags below this share of normal. Weekends reach it only where nearly all entities keep the
/// same ones.
pub const SAGS_BELOW: f64 = 0.62;
/// The witness number of all signals that follow what people do. Other witnesses have the number of
/// their family, except for the two below.
pub const PEOPLE: u32 = u32::MAX;
/// The witness number of all our own probes of an entity while all that they miss may be in one
/// block of addresses.
pub const ONE_BLOCK: u32 = u32::MAX - 2;
