//! Limits the public answers to taps on [Details].

use crate::clock::Millis;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use teloxide_core::types::{ChatId, MessageId};

/// The shortest time between two public answers about one message.
const AGAIN_AFTER_MS: Millis = 600_000;
/// The most messages remembered with a public answer.
const REMEMBERED: usize = 1000;
/// The times of the public answers, by message.
#[derive(Debug, Default)]
pub(super) struct Details(Mutex<HashMap<(ChatId, MessageId), Millis>>);

impl Details {
    /// Returns whether the details of that message may be sent in public now, and records that they
    /// are.
    pub(super) fn may_be_told(&self, at: (ChatId, MessageId), now: Millis) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&at).is_some_and(|told| now - told < AGAIN_AFTER_MS) {
            return false;
        }
        if told.len() >= REMEMBERED {
            told.retain(|_, told| now - *told < AGAIN_AFTER_MS);
        }
        // With that many answers within ten minutes, the person gets only the short answer.
        if told.len() >= REMEMBERED {
            return false;
        }
        told.insert(at, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_again_after_ten_minutes_and_what_is_remembered_is_bounded() {
        let details = Details::default();
        let at = |number: i32| (ChatId(-7), MessageId(number));
        assert!(details.may_be_told(at(1), 0) && details.may_be_told(at(2), 0));
        assert!(
            !details.may_be_told(at(1), AGAIN_AFTER_MS - 1)
                && details.may_be_told(at(1), AGAIN_AFTER_MS)
        );
        let told = (0..5 * REMEMBERED as i32)
            .filter(|number| details.may_be_told(at(*number), 2 * AGAIN_AFTER_MS));
        assert_eq!(told.count(), REMEMBERED);
        assert!(details.0.lock().unwrap().len() <= REMEMBERED);
    }
}
