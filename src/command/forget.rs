//! `/forget yes`: removes everything that is stored about a chat.

use super::subscribe::capital;
use super::{AppContext, Asker, CommandError, Meant};
use crate::render::Card;
use crate::render::words::plural;

pub(super) async fn answer(
    context: &AppContext,
    asker: &Asker,
    meant: Meant,
) -> Result<Vec<Card>, CommandError> {
    asker.may_change("forget", &context.access)?;
    let who = asker.clone();
    if meant == Meant::Asked {
        let count = context
            .store
            .read(move |db| match db.chats().at(who.platform, &who.address)? {
                Some(place) => Ok(db.subscriptions().of_chat(place.chat.id)?.len()),
                None => Ok(0),
            })
            .await?;
        let mut card = Card::titled(format!(
            "This removes all that is kept of {}: say {}.",
            asker.place,
            asker.syntax().call("forget", &[("sure", "yes")])
        ));
        let count = plural(count as u64, "subscription", "subscriptions");
        card.lead = Some(
            format!(
                "{count}, mutes, and what was told here. The outages themselves stay on record."
            )
            .into(),
        );
        return Ok(vec![card]);
    }
    let watchlist = std::sync::Arc::clone(&context.watchlist);
    context
        .store
        .write(move |tx| {
            if let Some(place) = tx.chats().at(who.platform, &who.address)? {
                tx.chats().forget(place.chat.id)?;
            }
            // In a private chat, everything that the person owns in other chats is removed as well.
            if let Some(person) =
                who.person.as_deref().filter(|person| who.home.trim_start_matches('@') == *person)
            {
                tx.chats().forget_owner(who.platform, person)?;
            }
            watchlist.set_subscribed(tx.subscriptions().entities()?);
            Ok(())
        })
        .await?;
    Ok(vec![Card::titled(format!("{} is forgotten.", capital(&asker.place)))])
}
