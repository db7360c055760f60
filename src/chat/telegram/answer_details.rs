//! Answers a tap on [Details]: sends the newest evidence in private if Telegram lets the bot write to
//! the person. Otherwise a group gets one public answer, which is not repeated for each tap.

use super::address::Address;
use super::listener::Listener;
use super::refusal::Refusal;
use super::update::{ChatKind, Message, Tap};
use crate::command::Asker;
use crate::render::Card;
use crate::render::blocks::cut;
use teloxide_core::types::{ChatId, UserId};

/// The most characters of the short answer. Telegram shows at most 200 at a tap; the rest names the
/// place of the full answer.
const GIST: usize = 110;

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
