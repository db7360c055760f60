//! `/mute what|all for 2h` and `/unmute [what]`.

use super::subscribe::{capital, named};
use super::{AppContext, Asker, CommandError};
use crate::domain::{Mute, Scope, Seconds};
use crate::render::Card;
use crate::render::card::Line;
use crate::render::words::duration;

pub(super) async fn answer(
    context: &AppContext,
    asker: &Asker,
    scopes: &[Scope],
    length: Seconds,
) -> Result<Vec<Card>, CommandError> {
    asker.may_change("mute", &context.access)?;
    let until = context.clock.now() + length;
    let (who, muted) = (asker.clone(), scopes.to_vec());
    context
        .store
        .write(move |tx| {
            let chat = tx.chats().ensure(who.platform, &who.address)?.id;
            tx.chats().belongs_to(chat, Some(&who.home), None)?;
            muted
                .into_iter()
                .try_for_each(|scope| tx.subscriptions().mute(&Mute { chat, scope, until }))
        })
        .await?;
    let what = if scopes == [Scope::All] { "anything".to_owned() } else { named(scopes) };
    let title = format!(
        "🔇 {} will not be told of {what} for {}, until ",
        capital(&asker.place),
        duration(length)
    );
    let mut card =
        Card::titled(Line::from(title).at(until, chrono_tz::Tz::UTC, context.clock.now()).and("."));
    card.lead = Some(
        "Watching goes on; then one message sums up what happened. /unmute ends it sooner.".into(),
    );
    Ok(vec![card])
}

pub(super) async fn unmute(
    context: &AppContext,
    asker: &Asker,
    scopes: &[Scope],
) -> Result<Vec<Card>, CommandError> {
    asker.may_change("unmute", &context.access)?;
    let (who, chosen, now) = (asker.clone(), scopes.to_vec(), context.clock.now());
    let ended = context
        .store
        .write(move |tx| {
            let Some(place) = tx.chats().at(who.platform, &who.address)? else { return Ok(0) };
            if chosen.is_empty() {
                return tx.subscriptions().unmute(place.chat.id, None, now);
            }
            let mut ended = 0;
            for scope in &chosen {
                ended += tx.subscriptions().unmute(place.chat.id, Some(scope), now)?;
            }
            Ok(ended)
        })
        .await?;
    if ended == 0 {
        return Ok(vec![Card::titled(format!("Nothing was muted in {}.", asker.place))]);
    }
    context.wake_outboxes();
    let what = if scopes.is_empty() { "everything".to_owned() } else { named(scopes) };
    Ok(vec![Card::titled(format!("🔔 {} hears of {what} again.", capital(&asker.place)))])
}
