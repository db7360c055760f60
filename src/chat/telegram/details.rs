//! A tap on [Details]: sends the newest evidence in private if Telegram lets the bot write to the
//! person. Otherwise a group gets one public answer, which is not repeated for each tap.

use super::address::Address;
use super::refusal::Refusal;
use super::update::{ChatKind, Message, Tap};
use super::updates::Listener;
use crate::clock::Millis;
use crate::command::Asker;
use crate::render::Card;
use crate::render::blocks::cut;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use teloxide_core::types::{ChatId, MessageId, UserId};

/// The shortest time between two public answers about one message.
const AGAIN_AFTER_MS: Millis = 600_000;
/// The most messages remembered with a public answer.
const REMEMBERED: usize = 1000;
/// The most characters of the short answer. Telegram shows at most 200 at a tap; the rest names the
/// place of the full answer.
const GIST: usize = 110;

/// The times of the public answers, by message.
#[derive(Debug, Default)]
pub(super) struct Details(Mutex<HashMap<(ChatId, MessageId), Millis>>);

impl Details {
    /// Returns whether the details of that message may be sent in public now, and records that they
    /// are.
    fn may_be_told(&self, at: (ChatId, MessageId), now: Millis) -> bool {
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

impl Listener {
    /// Answers a tap on the [Details] button of an incident's card.
    pub(super) async fn details(&self, tap: &Tap, message: &Message, incident: i64, asker: &Asker) {
        let card = self.context.details(incident, asker).await;
        if message.kind == ChatKind::Private {
            self.toast(tap, "").await;
            return self.answer(message.at, message.id, std::slice::from_ref(&card)).await;
        }
        match self.tell_alone(tap.from, &card).await {
            Ok(_) => self.toast(tap, "Sent to you in our private chat.").await,
            // The person has not started the bot, or has blocked it.
            Err(Refusal::Said { .. })
                if message.kind == ChatKind::Group
                    && self.details.may_be_told(
                        (message.at.chat, message.id),
                        self.context.clock.millis(),
                    ) =>
            {
                self.toast(tap, "").await;
                self.answer(message.at, message.id, std::slice::from_ref(&card)).await;
            }
            Err(_) => self.toast(tap, &self.gist(&card)).await,
        }
    }

    /// Sends a card to a person in private, without buttons: these would act on the private chat,
    /// not on the group.
    async fn tell_alone(&self, person: UserId, card: &Card) -> Result<i64, Refusal> {
        let to = Address { chat: ChatId(i64::try_from(person.0).unwrap_or_default()), topic: None };
        self.reply(to, None, &Card { actions: Vec::new(), ..card.clone() }).await
    }

    /// Returns the most important measurements, and how to get the full answer.
    fn gist(&self, card: &Card) -> String {
        let mut gist = card.title.to_string();
        for row in &card.rows {
            gist.extend(["\n", &row.measured]);
        }
        format!(
            "{}\nIn full: press Start in a private chat with @{}, then tap again.",
            cut(&gist, GIST),
            self.me.username
        )
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
