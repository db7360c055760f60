//! `/subscribe what [sensitivity:] [kinds:] [layers:] [mention:] [quiet:] [zone:]` (also the older
//! `from:`) and `/unsubscribe [what]`.

use super::bounds::{Bounds, Full};
use super::open::{owe_open, resume};
use super::parse::SaidZone;
use super::{AppContext, Asker, CommandError, Unsubscribe, Wish};
use crate::config::budget::calls_a_day_at_least;
use crate::domain::lookup::display_name;
use crate::domain::{Entity, Scope, Subscription, Watchlist};
use crate::render::Card;
use crate::render::card::Tone;
use crate::render::lists::wish_line;
use crate::render::words::{listed, plural};
use crate::store::{StoreError, Tx};

/// The result of the transaction.
enum Outcome {
    Done { told: usize },
    Refused(Full),
}

pub(super) async fn answer(
    context: &AppContext,
    asker: &Asker,
    wish: &Wish,
) -> Result<Vec<Card>, CommandError> {
    asker.may_change("subscribe", &context.access)?;
    asker.can_be_told()?;
    check_budget(context, wish)?;
    let (now, millis) = (context.clock.now(), context.clock.millis());
    let (access, limits, additions) =
        (context.access.clone(), context.limits, context.additions.clone());
    let (who, wanted, watchlist) =
        (asker.clone(), wish.clone(), std::sync::Arc::clone(&context.watchlist));
    let outcome = context
        .store
        .write(move |tx| {
            // A refused command stores nothing, not even the chat.
            let before = match tx.chats().at(who.platform, &who.address)? {
                Some(place) => tx.subscriptions().of_chat(place.chat.id)?,
                None => Vec::new(),
            };
            let before: Vec<Scope> = before.into_iter().map(|known| known.scope).collect();
            let bounds =
                Bounds { asker: &who, access: &access, limits: &limits, watchlist: &watchlist };
            let added = match bounds.check(tx, &before, &wanted.scopes)? {
                Ok(added) => added,
                Err(full) => return Ok(Outcome::Refused(full)),
            };
            if let Some(person) = bounds.counted_as().filter(|_| added > 0)
                && let Err(full) = additions.add(&person, added, limits.per_hour as usize, millis)
            {
                return Ok(Outcome::Refused(full));
            }
            let chat = tx.chats().ensure(who.platform, &who.address)?;
            tx.chats().belongs_to(chat.id, Some(&who.home), who.person.as_deref())?;
            resume(tx, &watchlist, &chat, now)?;
            for scope in &wanted.scopes {
                let (scope, options) = (scope.clone(), wanted.options.clone());
                let wish = Subscription { chat: chat.clone(), scope, since: now, options };
                tx.subscriptions().subscribe_as(&wish, who.person.as_deref())?;
            }
            // Inside the transaction, so that the later of two concurrent subscriptions sets the
            // final list.
            watchlist.set_subscribed(tx.subscriptions().entities()?);
            Ok(Outcome::Done { told: owe_open(tx, &watchlist, &chat, Some(&wanted.scopes), now)? })
        })
        .await?;
    let told = match outcome {
        Outcome::Refused(full) => return Err(full.into()),
        Outcome::Done { told } => told,
    };
    context.wake_outboxes();
    Ok(vec![done(context, asker, wish, told)])
}

fn done(context: &AppContext, asker: &Asker, wish: &Wish, told: usize) -> Card {
    let what = named(&wish.scopes);
    let drops = if wish.scopes.len() == 1 { "drops" } else { "drop" };
    let title =
        format!("🔔 {} will be told when {what} {drops} off the internet.", capital(&asker.place));
    let mut card = Card::titled(title).toned(Tone::Up);
    card.note("How", wish_line(&wish.options, context.watchlist.usual_sensitivity(&wish.scopes)));
    if let Some(zone) = wish.zone_said.as_ref().and_then(zone_line) {
        card.note("Zone", zone);
    }
    if told > 0 {
        card.note(
            "Now",
            format!(
                "{} going on: told here in a moment.",
                plural(told as u64, "outage is", "outages are")
            ),
        );
    }
    let unseen: Vec<String> = entities(&wish.scopes)
        .filter(|entity| !is_seen(context, entity))
        .map(display_name)
        .collect();
    if !unseen.is_empty() {
        let verb = if unseen.len() == 1 { "it" } else { "them" };
        card.note(
            "But",
            format!(
                "{}: no source that is on can see {verb} yet; /sources lists them.",
                listed(&unseen)
            ),
        );
    }
    card.foot
        .push("/subscriptions shows what this chat hears of · /test sends a sample".to_owned());
    card
}

/// Returns how the zone was read:
/// `IST is read as Asia/Kolkata; Asia/Jerusalem or Europe/Dublin may be meant as well`. `None` if
/// the person wrote the zone's own name.
fn zone_line(zone: &SaidZone) -> Option<String> {
    let name = zone.named.zone.name();
    if zone.said.eq_ignore_ascii_case(name) && zone.named.others.is_empty() {
        return None;
    }
    let others: Vec<String> = zone.named.others.iter().map(|zone| zone.name().to_owned()).collect();
    let read = format!("{} is read as {name}", zone.said);
    Some(match others.as_slice() {
        [] => read,
        [other] => format!("{read}; {other} may be meant as well: name it, if so"),
        others => format!("{read}; {} may be meant as well: name it, if so", others.join(" or ")),
    })
}

/// Checks that the daily calls of every source suffice for the new entities.
fn check_budget(context: &AppContext, wish: &Wish) -> Result<(), CommandError> {
    let watched = context.watchlist.entities();
    let new: Vec<&Entity> =
        entities(&wish.scopes).filter(|entity| !watched.contains(entity)).collect();
    for feed in context.feeds.iter().filter(|feed| feed.off.is_none()) {
        let Some(budget) = feed.calls_a_day else { continue };
        let costs = new.iter().filter(|entity| feed.source.covers(entity)).count();
        let before = watched.iter().filter(|entity| feed.source.covers(entity)).count();
        if costs > 0 && calls_a_day_at_least(before + costs, feed.controls.len()) > budget {
            return Err(CommandError::WatchlistFull { watched: watched.len() });
        }
    }
    Ok(())
}

fn is_seen(context: &AppContext, entity: &Entity) -> bool {
    context.feeds.iter().any(|feed| feed.off.is_none() && feed.source.covers(entity))
}

fn entities(scopes: &[Scope]) -> impl Iterator<Item = &Entity> {
    scopes.iter().filter_map(|scope| match scope {
        Scope::One(entity) => Some(entity),
        Scope::All => None,
    })
}

pub(super) async fn unsubscribe(
    context: &AppContext,
    asker: &Asker,
    what: &Unsubscribe,
) -> Result<Vec<Card>, CommandError> {
    asker.may_change("unsubscribe", &context.access)?;
    let (who, wanted, watchlist) =
        (asker.clone(), what.clone(), std::sync::Arc::clone(&context.watchlist));
    let (gone, left) = context
        .store
        .write(move |tx| {
            let Some(place) = tx.chats().at(who.platform, &who.address)? else {
                return Ok((Vec::new(), Vec::new()));
            };
            let before: Vec<Scope> = tx
                .subscriptions()
                .of_chat(place.chat.id)?
                .into_iter()
                .map(|wish| wish.scope)
                .collect();
            let chosen = match (&wanted, before.as_slice()) {
                (Unsubscribe::These(scopes), _) => scopes.clone(),
                (Unsubscribe::Everything, all) => all.to_vec(),
                (Unsubscribe::Unnamed, [only]) => vec![only.clone()],
                (Unsubscribe::Unnamed, _) => Vec::new(),
            };
            let mut gone = Vec::new();
            for scope in chosen {
                if tx.subscriptions().unsubscribe(&place.chat, &scope)? {
                    gone.push(scope);
                }
            }
            let left: Vec<Scope> =
                before.into_iter().filter(|scope| !gone.contains(scope)).collect();
            withdraw(tx, &watchlist, place.chat.id, &left)?;
            watchlist.set_subscribed(tx.subscriptions().entities()?);
            Ok((gone, left))
        })
        .await?;
    let mut card = if gone.is_empty() {
        match what {
            Unsubscribe::These(scopes) => Card::titled(format!(
                "{} was not told of {}.",
                capital(&asker.place),
                named(scopes)
            )),
            _ if left.is_empty() => {
                Card::titled(format!("{} has no subscriptions.", capital(&asker.place)))
            }
            _ => Card::titled(format!(
                "Say which: {}, or {}.",
                asker.syntax().call("unsubscribe", &[("what", "KP")]),
                asker.syntax().call("unsubscribe", &[("what", "everything")])
            )),
        }
    } else {
        Card::titled(format!(
            "🔕 {} will not be told of {} any more.",
            capital(&asker.place),
            named(&gone)
        ))
    };
    if !left.is_empty() {
        card.note("Left", named(&left));
    }
    Ok(vec![card])
}

/// Gives up the chat's pending alerts about entities that its remaining subscriptions no longer
/// cover.
fn withdraw(
    tx: &Tx<'_>,
    watchlist: &Watchlist,
    chat: i64,
    left: &[Scope],
) -> Result<(), StoreError> {
    for pending in tx.deliveries().pending_at_all(chat)? {
        let Some((incident, ..)) = pending.alert else { continue };
        let Some(incident) = tx.incidents().by_id(incident)? else { continue };
        let entity = &incident.key.entity;
        let in_config = watchlist.is_configured(entity);
        if !left.iter().any(|scope| scope.covers(entity, in_config)) {
            tx.deliveries().give_up(pending.id, "unsubscribed before it was told")?;
        }
    }
    Ok(())
}

/// Returns the names in a sentence: `North Korea and AS131279`. Names beyond the twelfth are only
/// counted.
pub(super) fn named(scopes: &[Scope]) -> String {
    const SHOWN: usize = 12;
    let mut names: Vec<String> = scopes
        .iter()
        .take(SHOWN)
        .map(|scope| match scope {
            Scope::All => "all that is watched".to_owned(),
            Scope::One(entity) => display_name(entity),
        })
        .collect();
    if scopes.len() > SHOWN {
        names.push(format!("{} more", scopes.len() - SHOWN));
    }
    listed(&names)
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
