//! Renders lists: the watchlist, the history of incidents, the sources, the help.

use super::card::{Card, Note, Row};
use super::outside::{tame, visible_within};
use super::syntax::{Syntax, Usage};
use super::words::{day_and_time, duration};
use crate::domain::lookup::display_name;
use crate::domain::{
    Entity, Options, Phase, Seconds, Sensitivity, Tally, Timestamp, Verdict, time::MINUTE,
};
use chrono_tz::Tz;

/// An entry of the watchlist.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The watched entity.
    pub entity: Entity,
    /// The name that the configuration gives it.
    pub name: Option<String>,
    /// The current verdict.
    pub verdict: Verdict,
    /// The watched entity that contains it, if any.
    pub part_of: Option<Entity>,
    /// When its open incident began; `None` without one.
    pub since: Option<Timestamp>,
}

/// Returns the coloured mark of a verdict.
pub fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => "🟢",
        Verdict::Suspected => "🟠",
        Verdict::Down => "🔴",
        Verdict::Returning => "🟡",
        Verdict::Unknown => "⚪",
    }
}

/// Renders the watchlist, a row for each entity.
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

/// An incident in the history or in a summary.
#[derive(Clone, Debug)]
pub struct Past {
    /// The incident's id, as `/outage` takes it.
    pub id: i64,
    /// The entity that was down.
    pub entity: Entity,
    /// The current phase.
    pub phase: Phase,
    /// When the outage began.
    pub started_at: Timestamp,
    /// When the outage ended; `None` while it is open.
    pub ended_at: Option<Timestamp>,
    /// The entity's time zone.
    pub zone: Tz,
}

/// Renders the incidents of `about`, which come newest first.
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

/// The health of a source.
#[derive(Clone, Debug, Default)]
pub struct SourceLine {
    /// The source's name: `ioda`.
    pub name: String,
    /// Why it is off, such as a missing token; `None` if it is on.
    pub off: Option<String>,
    /// When it last answered without an error.
    pub last_success: Option<Timestamp>,
    /// The time of the newest value that it has delivered for any entity.
    pub newest_bin: Option<Timestamp>,
    /// The last error, unless a success followed it.
    pub error: Option<String>,
    /// When it is polled again after failures.
    pub backing_off_until: Option<Timestamp>,
    /// The calls made today, and the most that are allowed per day; `None` without such a limit.
    pub calls: Option<(u32, u32)>,
    /// The crontab line by which it is polled.
    pub schedule: String,
    /// The number of entities whose first backfill is done, and of all; `None` once all are done.
    pub reading_past: Option<(usize, usize)>,
}

/// Renders the health of all sources for the operator, a note each.
pub fn sources(lines: &[SourceLine], now: Timestamp) -> Card {
    let mut card = Card::titled("Sources");
    card.notes = lines
        .iter()
        .map(|line| Note { label: line.name.clone(), text: source_line(line, now) })
        .collect();
    card
}

/// The age of a source's newest value from which on the source is not fine even if it answers. The
/// slowest source on which decisions rest delivers half an hour after the fact.
const LATE: Seconds = 90 * MINUTE;

/// Returns the health of a source for the operator: `fine, newest value 24 min old, last answered
/// 2 min ago, 312 of 1000 calls today, schedule …`.
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

/// Returns the health of a source for a reader who does not run the bot, without errors, call
/// limits and schedule: `fine, newest value 24 min old, last answered 2 min ago`.
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

/// Reduces the state of a part of the bot to `on` or `off`, for a reader who does not run it.
pub fn own_line(said: &str) -> &'static str {
    if said.starts_with("off") { "off" } else { "on" }
}

/// Returns the options of a subscription in words.
///
/// `usual` is the sensitivity of a subscription that does not set its own; `None` if it differs
/// between the entities.
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
            said.push(format!("not from {quiet} {}", zone.as_deref().unwrap_or("UTC")));
        }
        (None, Some(zone)) => said.push(format!("times in {zone}")),
        (None, None) => {}
    }
    if let Some(mention) = &options.mention {
        // A reader cannot make sense of Discord's notation for a role or a person.
        said.push(match mention {
            role if role.starts_with("<@&") => "calling a role".to_owned(),
            person if person.starts_with('<') => "calling one person".to_owned(),
            name => format!("calling {name}"),
        });
    }
    said.join(" · ")
}

/// Returns the state of a chat's deliveries: `2 owed, the oldest for 5 min · last sent 3 min ago ·
/// last error: …`.
pub fn delivery_line(tally: &Tally, now: Timestamp) -> String {
    let mut said = Vec::new();
    match (tally.owed, tally.oldest) {
        (0, _) => said.push("nothing owed".to_owned()),
        (owed, Some(oldest)) => {
            said.push(format!("{owed} owed, the oldest for {}", duration(now - oldest)));
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

/// A command in `/help`.
#[derive(Clone, Copy, Debug)]
pub struct HelpLine {
    /// The command without its slash: `subscribe`.
    pub word: &'static str,
    /// The options, in the order in which they are typed.
    pub options: &'static [Usage],
    /// The description in a platform's menu of commands.
    pub menu: &'static str,
    /// Returns the sentences that `/help` adds to the description; empty for none.
    pub more: fn(Syntax) -> String,
}

impl HelpLine {
    /// Returns the command without its slash: `subscribe`.
    pub fn word(&self) -> &'static str {
        self.word
    }
}

/// Renders `/help`, a note for each command, in the syntax of the platform.
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
