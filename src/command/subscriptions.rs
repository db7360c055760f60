//! `/subscriptions`: the chat's subscriptions and mutes, and the state of its deliveries.

use super::subscribe::{capital, named};
use super::{AppContext, Asker, CommandError};
use crate::render::Card;
use crate::render::card::Tone;
use crate::render::lists::{delivery_line, wish_line};
use crate::render::outside::visible_within;
use crate::render::words::{duration, plural};

pub(super) async fn answer(context: &AppContext, asker: &Asker) -> Result<Vec<Card>, CommandError> {
    let (who, now) = (asker.clone(), context.clock.now());
    let found = context
        .store
        .read(move |db| {
            let Some(place) = db.chats().at(who.platform, &who.address)? else { return Ok(None) };
            let chat = place.chat.id;
            let mutes = db
                .subscriptions()
                .mutes(now)?
                .into_iter()
                .filter(|mute| mute.chat == chat)
                .collect::<Vec<_>>();
            Ok(Some((
                db.subscriptions().of_chat(chat)?,
                mutes,
                db.deliveries().overview(Some(chat))?.pop(),
            )))
        })
        .await?;
    let nothing = || {
        Card::titled(format!(
            "{} has no subscriptions; {} makes one.",
            capital(&asker.place),
            asker.syntax().call("subscribe", &[("what", "KP")])
        ))
    };
    let Some((wishes, mutes, deliveries)) = found else { return Ok(vec![nothing()]) };
    let mut card = if wishes.is_empty() {
        nothing()
    } else {
        let count = plural(wishes.len() as u64, "subscription", "subscriptions");
        Card::titled(format!("{} has {count}", capital(&asker.place)))
    };
    for wish in &wishes {
        let scope = std::slice::from_ref(&wish.scope);
        card.note(
            &named(scope),
            wish_line(&wish.options, context.watchlist.usual_sensitivity(scope)),
        );
    }
    for mute in &mutes {
        let what = named(std::slice::from_ref(&mute.scope));
        card.note("Muted", format!("{what}, for {} more", duration(mute.until - now)));
    }
    if let Some(deliveries) = deliveries {
        if let Some((since, why)) = &deliveries.place.suspended {
            card.tone = Tone::Down;
            card.note(
                "Suspended",
                format!("for {}: {}", duration(now - *since), visible_within(why, 200)),
            );
        }
        card.note("Deliveries", delivery_line(&deliveries.tally, now));
    }
    Ok(vec![card])
}
