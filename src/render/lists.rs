//! Lists: the watchlist, the history of incidents, the sources, help.

use super::card::{Card, Note, Row};
use super::outside::{tame, visible_within};
use super::syntax::{Syntax, Usage};
use super::words::{day_and_time, duration};
use crate::domain::lookup::display_name;
use crate::domain::{
    Entity, Options, Phase, Seconds, Sensitivity, Tally, Timestamp, Verdict, time::MINUTE,
};
use chrono_tz::Tz;

/// A line of the watchlist.
#[derive(Clone, Debug)]
pub struct Watched {
    pub entity: Entity,
    /// What the config calls it.
    pub name: Option<String>,
    pub verdict: Verdict,
    pub part_of: Option<Entity>,
    pub since: Option<Timestamp>,
}

pub fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => "🟢",
        Verdict::Suspected => "🟠",
        Verdict::Down => "🔴",
        Verdict::Returning => "🟡",
        Verdict::Unknown => "⚪",
    }
}

pub fn watchlist(watched: &[Watched], now: Timestamp) -> Card {
    let mut card = Card::titled(format!(
        "{} watched",
        super::words::plural(watched.len() as u64, "entity", "entities")
    ));
    card.rows = watched
        .iter()
        .map(|entry| Row {
            layer: String::new(),
            measured: format!(
                "{} {}",
                mark(entry.verdict),
                entry.name.clone().unwrap_or_else(|| display_name(&entry.entity))
            ),
            source: entry.entity.to_string(),
            normal: entry
                .part_of
                .as_ref()
                .map(|whole| format!("part of {}", display_name(whole)))
                .unwrap_or_default(),
            at: entry
                .since
                .map(|since| format!("for {}", duration(now - since)))
                .unwrap_or_default(),
        })
        .collect();
    card
}

/// A line of the history.
#[derive(Clone, Debug)]
pub struct Past {
    pub id: i64,
    pub entity: Entity,
    pub phase: Phase,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub zone: Tz,
}

pub fn history(about: &str, past: &[Past], now: Timestamp) -> Card {
    if past.is_empty() {
        return Card::titled(format!("No incident of {about} is on record."));
    }
    let mut card = Card::titled(format!("Incidents of {about}, newest first"));
    card.rows = past
        .iter()
        .map(|incident| {
            let (mark, said) = match (incident.phase, incident.ended_at) {
                (Phase::Retracted, _) => ("⚪", "taken back".to_owned()),
                (Phase::Recovered, Some(end)) => {
                    ("🟢", format!("down {}", duration(end - incident.started_at)))
                }
                (Phase::Suspected, _) => ("🟠", "suspected".to_owned()),
                (phase, _) => {
                    ("🔴", format!("{phase} for {}", duration(now - incident.started_at)))
                }
            };
            Row {
                layer: String::new(),
                measured: format!("{mark} {} · {said}", display_name(&incident.entity)),
                source: day_and_time(incident.started_at, incident.zone, now),
                normal: format!("incident {}", incident.id),
                at: String::new(),
            }
        })
        .collect();
    card
}

/// How a source is doing.
#[derive(Clone, Debug, Default)]
pub struct SourceLine {
    pub name: String,
    /// `off: no token` and the like.
    pub off: Option<String>,
    pub last_success: Option<Timestamp>,
    pub newest_bin: Option<Timestamp>,
    pub error: Option<String>,
    pub backing_off_until: Option<Timestamp>,
    /// Calls of today, and how many there may be.
    pub calls: Option<(u32, u32)>,
    pub schedule: String,
    /// Entities whose first backfill is done, and all of them; `None` where every one is.
    pub reading_past: Option<(usize, usize)>,
}

pub fn sources(lines: &[SourceLine], now: Timestamp) -> Card {
    let mut card = Card::titled("Sources");
    card.notes = lines
        .iter()
        .map(|line| Note { label: line.name.clone(), text: source_line(line, now) })
        .collect();
    card
}

/// A source whose newest value of all is older than this is not fine, however well it answers: the slowest that decides
/// is read half an hour after the fact.
const LATE: Seconds = 90 * MINUTE;

/// `fine: newest value 24 min old, asked 2 min ago, 312 of 1,000 calls today`.
pub fn source_line(line: &SourceLine, now: Timestamp) -> String {
    if let Some(why) = &line.off {
        return format!("off: {why}");
    }
    let mut said = Vec::new();
    match (&line.error, line.last_success) {
        (Some(error), _) => said.push(format!("in trouble: {}", tame(error, 200))),
        (None, Some(_)) if line.newest_bin.is_none_or(|newest| now - newest > LATE) => {
            said.push("answers, but has nothing new".to_owned());
        }
        (None, Some(_)) => said.push("fine".to_owned()),
        (None, None) => said.push("not asked yet".to_owned()),
    }
    if let Some(newest) = line.newest_bin {
        said.push(format!("newest value {} old", duration(now - newest)));
    }
    if let Some(success) = line.last_success {
        said.push(format!("last answered {} ago", duration(now - success)));
    }
    if let Some((done, all)) = line.reading_past {
        said.push(format!("reading the last 14 days: {done} of {all} entities done"));
    }
    if let Some(until) = line.backing_off_until.filter(|until| *until > now) {
        said.push(format!("trying again in {}", duration(until - now)));
    }
    if let Some((used, most)) = line.calls {
        said.push(format!("{used} of {most} calls today"));
    }
    said.push(format!("schedule {}", line.schedule));
    said.join(", ")
}

/// The same for a reader who does not run the bot: how fresh its values are, and neither its errors nor its budget.
///
/// `fine: newest value 24 min old, last answered 2 min ago`.
pub fn source_line_for_readers(line: &SourceLine, now: Timestamp) -> String {
    if line.off.is_some() {
        return "off".to_owned();
    }
    let mut said = vec![
        match (&line.error, line.last_success) {
            (Some(_), _) => "in trouble",
            (None, Some(_)) if line.newest_bin.is_none_or(|newest| now - newest > LATE) => {
                "answers, but has nothing new"
            }
            (None, Some(_)) => "fine",
            (None, None) => "not asked yet",
        }
        .to_owned(),
    ];
    said.extend(
        line.newest_bin.map(|newest| format!("newest value {} old", duration(now - newest))),
    );
    said.extend(
        line.last_success.map(|success| format!("last answered {} ago", duration(now - success))),
    );
    said.extend(line.reading_past.map(|_| "the last 14 days are still being read".to_owned()));
    said.join(", ")
}

/// What a part of the bot says of itself, for a reader who does not run it: whether it is on.
pub fn own_line(said: &str) -> &'static str {
    if said.starts_with("off") { "off" } else { "on" }
}

/// How a subscription is told.
///
/// `usual` is how sure it must be where the chat does not say; nothing where that is another for each entity.
pub fn wish_line(options: &Options, usual: Option<Sensitivity>) -> String {
    let when = match options.sensitivity.or(usual) {
        Some(sensitivity) => sensitivity.meaning(),
        None => "when it is as sure as the config wants it of each",
    };
    let word = options.sensitivity.map(|word| format!("{word}: "));
    let mut said = vec![format!("{}{when}", word.unwrap_or_default())];
    said.push(options.kinds.words().to_owned());
    if !options.layers.is_empty() {
        let layers: Vec<String> = options.layers.iter().map(ToString::to_string).collect();
        said.push(format!("only where {} is lost", layers.join(" or ")));
    }
    let zone = options.zone.map(|zone| zone.name().to_owned());
    match (&options.quiet, zone) {
        (Some(quiet), zone) => {
            said.push(format!("not from {quiet} {}", zone.as_deref().unwrap_or("UTC")))
        }
        (None, Some(zone)) => said.push(format!("times in {zone}")),
        (None, None) => {}
    }
    if let Some(mention) = &options.mention {
        // Discord's own writing of a role or a person is of no use to a reader.
        said.push(match mention {
            role if role.starts_with("<@&") => "calling a role".to_owned(),
            person if person.starts_with('<') => "calling one person".to_owned(),
            name => format!("calling {name}"),
        });
    }
    said.join(" · ")
}

/// `2 owed for 5 min · last sent 3 min ago · last error: …`.
pub fn delivery_line(tally: &Tally, now: Timestamp) -> String {
    let mut said = Vec::new();
    match (tally.owed, tally.oldest) {
        (0, _) => said.push("nothing owed".to_owned()),
        (owed, Some(oldest)) => {
            said.push(format!("{owed} owed, the oldest for {}", duration(now - oldest)))
        }
        (owed, None) => said.push(format!("{owed} owed")),
    }
    if tally.held > 0 {
        said.push(format!("{} held back", tally.held));
    }
    said.push(match tally.last_sent {
        Some(at) => format!("last sent {} ago", duration(now - at)),
        None => "nothing sent yet".to_owned(),
    });
    if tally.given_up > 0 {
        said.push(format!("{} given up", tally.given_up));
    }
    if tally.doubts > 0 {
        said.push(format!("{} sent again in doubt", tally.doubts));
    }
    if let Some(error) = &tally.last_error {
        said.push(format!("last error: {}", visible_within(error, 200)));
    }
    said.join(" · ")
}

/// One command in `/help`.
#[derive(Clone, Copy, Debug)]
pub struct HelpLine {
    pub word: &'static str,
    pub options: &'static [Usage],
    /// What a platform's menu says of it.
    pub menu: &'static str,
    /// What `/help` says besides; empty where there is nothing more.
    pub more: fn(Syntax) -> String,
}

impl HelpLine {
    /// `subscribe`, of `/subscribe what`.
    pub fn word(&self) -> &'static str {
        self.word
    }
}

pub fn help(lines: &[HelpLine], syntax: Syntax) -> Card {
    let mut card = Card::titled("Commands");
    for line in lines {
        let more = (line.more)(syntax);
        let text =
            if more.is_empty() { line.menu.to_owned() } else { format!("{}. {more}", line.menu) };
        card.note(&syntax.usage(line.word, line.options), text);
    }
    card
}
