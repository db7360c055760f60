//! `/about`, and the first message that a person sees.

use super::{AppContext, Asker, CommandError, status};
use crate::domain::Entity;
use crate::domain::lookup::display_name;
use crate::render::Card;
use crate::render::Syntax;
use crate::render::card::Action;

pub(super) fn answer() -> Card {
    let mut card = Card::titled(format!("Linkdown {}", env!("CARGO_PKG_VERSION")));
    card.lead = Some(
        "Tells a chat when a country, a network or a site drops off the internet, with the evidence, and when it comes \
         back."
            .into(),
    );
    card.note(
        "Honest",
        "Measured facts with their normal; causes only as hints; what is not known is said.",
    );
    card.note(
        "Data",
        "IODA (Georgia Tech), RIPE NCC (RIS, RIPEstat), Cloudflare Radar (CC BY-NC 4.0); /sources shows how they do.",
    );
    card.note(
        "Kept here",
        "This chat's number, what it subscribed to, and what it was told. /forget removes it.",
    );
    card.foot.push("Self-hosted, free software: MIT OR Apache-2.0 · /help".to_owned());
    card
}

/// Answers the first message in a private chat. `about` is the entity of a link such as
/// `?start=KP`.
pub(super) async fn start(
    context: &AppContext,
    asker: &Asker,
    about: Option<&Entity>,
) -> Result<Vec<Card>, CommandError> {
    let Some(entity) = about else {
        let syntax = asker.syntax();
        let mut card = answer();
        let call = |word| syntax.call(word, &[("what", "KP")]);
        let mut tries = vec![call("status"), call("subscribe"), "/help".to_owned()];
        if syntax == Syntax::Typed {
            tries.insert(0, "is North Korea down?".to_owned());
        }
        card.note("Try", tries.join("\n"));
        return Ok(vec![card]);
    };
    let mut cards = status::answer(context, asker, std::slice::from_ref(entity)).await?;
    if let Some(card) =
        cards.last_mut().filter(|_| asker.may_change("subscribe", &context.access).is_ok())
    {
        let label = format!("Tell me when {} goes down", display_name(entity));
        card.actions.push(Action::new(label, format!("subscribe {entity}")));
    }
    Ok(cards)
}
