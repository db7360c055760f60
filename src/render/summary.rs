//! Renders summaries of alerts that a chat did not get in time, and messages about the bot itself.

use super::card::{Card, Line, Link, Note, Tone};
use super::lists::Past;
use super::outside::{tame, visible_within};
use super::syntax::Syntax;
use super::words::{duration, incident_line};
use crate::domain::lookup::display_name;
use crate::domain::{DelayReason, Phase, Seconds, Timestamp};

/// Renders an incident that began and ended while the program was not running.
pub fn missed(past: &Past, now: Timestamp, syntax: Syntax) -> Card {
    let ended = past.ended_at.unwrap_or(past.started_at);
    let name = display_name(&past.entity);
    let mut card = Card::titled(
        Line::from(format!(
            "🟢 While Linkdown was away {name} was down {}: from ",
            duration(ended - past.started_at)
        ))
        .at(past.started_at, past.zone, now)
        .and(" until ")
        .at(ended, past.zone, now),
    )
    .toned(Tone::Up);
    card.foot.push(incident_line(past.id, syntax));
    card
}

/// Renders outages of which the chat was not informed in time, each with its current state. `since`
/// is when the oldest alert became owed.
pub fn summary(
    why: DelayReason,
    since: Timestamp,
    past: &[Past],
    now: Timestamp,
    syntax: Syntax,
) -> Card {
    let why = match why {
        DelayReason::Muted => "While this chat was muted".to_owned(),
        DelayReason::Quiet => "In the quiet hours".to_owned(),
        DelayReason::Late => format!("Told {} late", duration(now - since)),
        DelayReason::ShutOut => "While I could not write here".to_owned(),
    };
    if let [only] = past {
        let said = line(only, now, syntax);
        return Card::titled(format!("{why}: {} {}", said.label, said.text))
            .toned(only.phase.into());
    }
    let (down, over) = (
        past.iter().filter(|p| !p.phase.is_over()).count(),
        past.iter().filter(|p| p.phase.is_over()),
    );
    let mut said = Vec::new();
    if down > 0 {
        said.push(format!("{down} still down"));
    }
    let over = over.count();
    if over > 0 {
        said.push(format!("{over} over"));
    }
    let tone = if down > 0 { Tone::Down } else { Tone::Up };
    let mut card = Card::titled(format!("{why}: {}", said.join(", "))).toned(tone);
    card.notes = past.iter().map(|past| line(past, now, syntax)).collect();
    card
}

fn line(past: &Past, now: Timestamp, syntax: Syntax) -> Note {
    let name = display_name(&past.entity);
    let since = super::words::local_and_utc(past.started_at, past.zone, now);
    let until = |end| duration(end - past.started_at);
    let (mark, said) = match (past.phase, past.ended_at) {
        (Phase::Retracted, _) => ("⚪", format!("was taken back, said to be down since {since}")),
        (Phase::Recovered, Some(end)) => ("🟢", format!("was down {} from {since}", until(end))),
        (Phase::Recovered, None) => ("🟢", format!("was down from {since}")),
        (Phase::Suspected, _) => ("🟠", format!("may be down since {since}")),
        (Phase::Returning, _) => ("🟡", format!("is partly back, down since {since}")),
        (Phase::Down, _) => ("🔴", format!("is down · since {since}")),
    };
    Note { label: format!("{mark} {name}"), text: format!("{said} · {}", syntax.outage(past.id)) }
}

/// Renders the sample message of `/test`.
pub fn sample() -> Card {
    let mut card =
        Card::titled("🔔 [test] This is where outages will be told.").toned(Tone::Unknown);
    card.lead =
        Some("Nothing is down: somebody here asked with /test whether messages arrive.".into());
    card
}

/// Renders the message to the person who subscribed in a chat that cannot be reached any more.
pub fn suspended(place: &str, link: Option<&str>, why: &str) -> Card {
    let mut card = Card::titled(format!(
        "⚠️ I can no longer tell {} about outages.",
        visible_within(place, 80)
    ))
    .toned(Tone::Unknown);
    card.links.extend(link.map(|url| Link { label: "the chat".to_owned(), url: url.to_owned() }));
    card.note("Why", visible_within(why, 300));
    card.note(
        "Next",
        "Let me in again, or give me back what is missing: I go on by myself, and sum up what was missed.",
    );
    card.foot.push("You hear this because you were the last to subscribe there.".to_owned());
    card
}

/// Renders a problem of the bot itself, for its operator.
pub fn trouble(said: &str) -> Card {
    to_operator(format!("⚠️ {}", tame(said, 600)))
}

/// Renders the end of a problem of the bot itself, which lasted this many seconds.
pub fn trouble_over(said: &str, lasted: Seconds) -> Card {
    to_operator(format!("✅ Over after {}: {}", duration(lasted.max(0)), tame(said, 600)))
}

/// Renders an event about the bot itself that has no end, for its operator.
pub fn word(said: &str) -> Card {
    to_operator(format!("ℹ️ {}", tame(said, 600)))
}

fn to_operator(title: String) -> Card {
    let mut card = Card::titled(title).toned(Tone::Unknown);
    card.foot
        .push("About Linkdown itself: this chat is [operator] in its configuration.".to_owned());
    card
}
