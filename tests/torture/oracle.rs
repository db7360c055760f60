//! Compares the messages and the database with the truth: every chat got what it was owed, in order
//! and once; every outage is one incident; and the database is intact.

use super::outside::LISTENERS;
use super::plan::{COUNTRIES, Plan, What};
use super::world::{Killed, Restored, World};
use crate::doubles::Disobeyed;
use linkdown::clock::Millis;
use linkdown::domain::time::{HOUR, MINUTE};
use linkdown::domain::{Phase, Seconds, Transition, TransitionKind};
use linkdown::store::{Access, Incident, IncidentId, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

/// The largest distance of an incident's start and end from the truth: the length of a bin; the
/// error of a wrong clock is added.
const NEAR_START: Seconds = 15 * MINUTE;
const NEAR_END: Seconds = HOUR;
/// Limits of memory and open files that no healthy bot exceeds.
const MOST_KIB: u64 = 96 * 1024;
const MOST_FILES: usize = 96;

/// The errors that were found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub lost: Vec<String>,
    pub doubled: Vec<String>,
    /// The messages that were doubled on Telegram; the bot's own count of doubtful sends must cover
    /// them.
    pub allowed: usize,
    pub told_twice: Vec<String>,
    pub out_of_order: Vec<String>,
    pub incidents: Vec<String>,
    pub database: Vec<String>,
    /// Cases in which the bot ended by itself, hung, or did not start.
    pub faults: Vec<String>,
    pub outages: usize,
    pub messages: usize,
    /// Calls that were made while a platform had asked for a pause.
    pub disobeyed: Vec<String>,
}

impl Findings {
    pub fn is_good(&self) -> bool {
        [
            &self.lost,
            &self.doubled,
            &self.out_of_order,
            &self.incidents,
            &self.database,
            &self.faults,
            &self.disobeyed,
        ]
        .iter()
        .all(|wrong| wrong.is_empty())
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("out of order", &self.out_of_order),
            ("incident", &self.incidents),
            ("database", &self.database),
            ("fault", &self.faults),
            ("called while told to wait", &self.disobeyed),
        ];
        kinds.iter().try_for_each(|(kind, wrong)| {
            wrong.iter().try_for_each(|what| writeln!(f, "  {kind}: {what}"))
        })
    }
}

/// One message as the chat holds it.
#[derive(Clone, Debug)]
struct Message {
    at: Millis,
    /// Whether it was edited, which means that it began as a start.
    is_card: bool,
    text: String,
}

/// The part of a message that is about one incident.
#[derive(Clone, Copy, Debug)]
struct Mention {
    at: Millis,
    mark: char,
    is_card: bool,
    /// Whether it is a short reply to the card, which may carry the mark of a start as well.
    is_change: bool,
    /// Whether it is one line of several, or part of a late summary.
    is_summed: bool,
}

pub async fn judge(world: &World) -> Findings {
    let mut verdict = Findings {
        faults: world.faults.clone(),
        outages: world.plan.outages.len(),
        ..Findings::default()
    };
    let store = match Store::open(world.database(), Access::Beside) {
        Ok(store) => store,
        Err(error) => {
            verdict.database.push(error.to_string());
            return verdict;
        }
    };
    let incidents = store.read(|db| db.incidents().recent(1000)).await.unwrap();
    let ids: Vec<IncidentId> = incidents.iter().map(|incident| incident.id).collect();
    let all = store.read(move |db| {
        ids.iter().map(|id| db.incidents().transitions(*id)).collect::<Result<Vec<_>, _>>()
    });
    let all = all.await.unwrap();
    // Incidents that were only suspected are not sent to these chats.
    let is_sure = |changes: &[Transition]| {
        changes.iter().any(|change| change.kind == TransitionKind::Started)
    };
    let sure: BTreeSet<i64> = incidents
        .iter()
        .zip(&all)
        .filter(|(_, changes)| is_sure(changes))
        .map(|(incident, _)| incident.id.0)
        .collect();
    incidents_match(&world.plan, &incidents, &mut verdict);
    let overview = store.read(|db| db.deliveries().overview(None)).await.unwrap();
    let doubts: usize = overview
        .iter()
        .filter(|chat| chat.place.chat.platform == "telegram")
        .map(|chat| chat.tally.doubts as usize)
        .sum();
    for chat in overview.iter().filter(|chat| chat.tally.owed + chat.tally.held > 0) {
        let (chat, tally) = (&chat.place.chat, &chat.tally);
        if !world.outside.listens(&chat.platform, &chat.address) {
            continue;
        }
        verdict.lost.push(format!("{} {} is still owed: {tally:?}", chat.platform, chat.address));
    }
    for (listener, messages) in LISTENERS.iter().zip(heard_by_all(world)) {
        verdict.messages += messages.len();
        let is_on_telegram = listener.name.starts_with("telegram");
        let by_incident = mentions(&messages);
        // Incidents that began before the listeners subscribed are sent to others.
        for incident in incidents.iter().filter(|incident| incident.started_at >= world.plan.begin)
        {
            let name = incident.key.entity.to_string();
            let is_owed = listener.wants.is_empty()
                && COUNTRIES.iter().any(|(country, ..)| *country == name)
                || listener.wants.contains(&&*name);
            let heard = by_incident.get(&incident.id.0).map_or(&[][..], Vec::as_slice);
            let was_told = is_owed && sure.contains(&incident.id.0);
            let of = Of {
                incident,
                was_told,
                restored: world.restored,
                moved: world.outside.moved_at(listener.name),
            };
            of.judge(
                &format!("{} of {name} {}", listener.name, incident.id.0),
                heard,
                is_on_telegram,
                &mut verdict,
            );
        }
    }
    if verdict.allowed > doubts {
        let told = verdict.told_twice.join("\n    ");
        verdict.doubled.push(format!(
            "{} on Telegram, {doubts} are counted as doubtful:\n    {told}",
            verdict.allowed
        ));
    }
    database_is_whole(world, &mut verdict);
    verdict.disobeyed = world
        .outside
        .disobeyed()
        .iter()
        .filter(|call| !was_unknowable(world, call))
        .map(ToString::to_string)
        .collect();
    if world.counts.most_kib > MOST_KIB || world.counts.most_files > MOST_FILES {
        verdict.faults.push(format!("it grew: {:?}", world.counts));
    }
    verdict
}

/// The clocks of the bot and of the platforms are set one after the other, so an answer may seem to
/// arrive a moment before it was given.
const CLOCKS_APART: Millis = 5;

/// Returns whether the bot could not know of the pause any more: an older copy replaced the
/// database that held it, its clock was moved meanwhile, or it was killed before it could write the
/// pause down.
fn was_unknowable(world: &World, call: &Disobeyed) -> bool {
    // Calls in the same moment were in flight when the answer came.
    if call.early_ms <= CLOCKS_APART || call.at - call.told_at <= CLOCKS_APART {
        return true;
    }
    let meanwhile = |at: Millis| call.told_at <= at && at <= call.at;
    let is_moved = |what: What| matches!(what, What::ClockWrong(_) | What::ClockRight);
    let is_forgotten = |kill: &Killed| meanwhile(kill.at) && kill.unwritten_since <= call.told_at;
    world.restored.is_some_and(|restored| meanwhile(restored.at))
        || world.kills.iter().any(is_forgotten)
        || world
            .plan
            .events
            .iter()
            .any(|event| is_moved(event.what) && meanwhile(event.at.unix() * 1000))
}

/// Checks that every outage is one incident with the right begin and end, and that there is no
/// other.
fn incidents_match(plan: &Plan, incidents: &[Incident], verdict: &mut Findings) {
    let mut known: Vec<&Incident> = incidents
        .iter()
        .filter(|incident| {
            COUNTRIES.iter().any(|(country, ..)| incident.key.entity.to_string() == *country)
        })
        .filter(|incident| incident.phase != Phase::Retracted)
        .collect();
    for outage in &plan.outages {
        let wrong = plan.clock_was_wrong_by(outage);
        let is_it = |incident: &&Incident| {
            incident.key.entity.to_string() == outage.country
                && (incident.started_at - outage.from).abs() <= NEAR_START + wrong
                && incident
                    .recovered_at
                    .is_some_and(|end| (end - outage.until).abs() <= NEAR_END + wrong)
        };
        match known.iter().position(is_it) {
            Some(at) => drop(known.remove(at)),
            None => verdict
                .incidents
                .push(format!("{} {} to {} is none", outage.country, outage.from, outage.until)),
        }
    }
    for other in known {
        verdict.incidents.push(format!(
            "{} {} {:?} {} to {:?} never was",
            other.id.0, other.key.entity, other.phase, other.started_at, other.recovered_at
        ));
    }
}

/// Returns the messages in each listener's chats.
fn heard_by_all(world: &World) -> Vec<Vec<Message>> {
    let discord = |channel: u64| -> Vec<Message> {
        let all = world.outside.discord.bot_messages(channel);
        let visible = all.iter().filter(|message| !message.deleted);
        visible
            .map(|m| Message { at: m.at_millis, is_card: !m.edits.is_empty(), text: m.text() })
            .collect()
    };
    let telegram = |chats: &[i64]| -> Vec<Message> {
        let all = chats.iter().flat_map(|chat| world.outside.telegram.messages(*chat));
        all.map(|m| Message { at: m.at_millis, is_card: !m.edits.is_empty(), text: m.text })
            .collect()
    };
    let chats = &world.outside.chats;
    vec![
        discord(chats.ops),
        discord(chats.korea),
        telegram(&[chats.person.id]),
        telegram(&[chats.crew]),
        telegram(&chats.groups[0]),
        telegram(&chats.groups[1]),
        discord(chats.thread),
    ]
}

const MARKS: [char; 5] = ['🔴', '🟡', '🟢', '🟠', '⚪'];

/// Groups the mentions by incident, in the order of the messages.
fn mentions(messages: &[Message]) -> BTreeMap<i64, Vec<Mention>> {
    let mut by_incident: BTreeMap<i64, Vec<Mention>> = BTreeMap::new();
    for message in messages {
        let mark_of = |text: &str| text.chars().find(|c| MARKS.contains(c));
        let mut above = "";
        for line in message.text.lines() {
            let heading = std::mem::replace(&mut above, line);
            let Some((before, id)) = line.rsplit_once("· /outage ") else { continue };
            // On Discord the command names its option.
            let Ok(id) = id.trim_start_matches("id: ").trim().parse::<i64>() else { continue };
            // An alert names its incident at its foot; a summary does so in each line, or below its
            // heading.
            let is_line = !before.starts_with("Incident ");
            let own = if is_line { mark_of(before).or_else(|| mark_of(heading)) } else { None };
            let mention = Mention {
                at: message.at,
                mark: own.or_else(|| mark_of(&message.text)).unwrap_or(' '),
                is_card: message.is_card,
                is_change: !message.text.contains("Confidence")
                    || ["gone again", "more of it is gone", "· lost:"]
                        .iter()
                        .any(|words| message.text.contains(words)),
                is_summed: is_line || message.text.contains("While Linkdown was away"),
            };
            by_incident.entry(id).or_default().push(mention);
        }
    }
    by_incident
}

struct Of<'a> {
    incident: &'a Incident,
    was_told: bool,
    restored: Option<Restored>,
    /// The time at which the chat became another one, whose old messages nobody can edit.
    moved: Option<Millis>,
}

impl Of<'_> {
    fn judge(&self, what: &str, heard: &[Mention], is_on_telegram: bool, verdict: &mut Findings) {
        let (id, mut heard, mut may_repeat) = (self.incident.id.0, heard.to_vec(), false);
        if let Some(restored) = self.restored {
            // Messages from before the copy may be sent again, or the bot finds them in the chat.
            may_repeat = self.incident.started_at.unix() * 1000 < restored.at;
            // Incidents that the older copy lacks had numbers that are given to later incidents
            // again.
            let was_new = id > restored.newest && !may_repeat;
            heard.retain(|mention| !was_new || mention.at >= restored.at);
        }
        let is_over = |mark: char| mark == '🟢' || mark == '⚪';
        let mut ends: Vec<&Mention> =
            heard.iter().filter(|m| !m.is_card && is_over(m.mark)).collect();
        if self.moved.is_some() && ends.is_empty() {
            // If the first card was left behind, the message of the end may be the card.
            ends.extend(
                heard.iter().filter(|m| m.is_card).skip(1).filter(|m| is_over(m.mark)).take(1),
            );
        }
        let starts =
            heard.iter().filter(|m| !m.is_summed && (m.is_card || m.mark == '🔴' && !m.is_change));
        let starts = starts.count();
        if self.was_told && ends.is_empty() {
            verdict.lost.push(format!("{what}: no end ({heard:?})"));
        }
        if self.was_told
            && heard.first().is_some_and(|m| !m.is_card && !m.is_summed && is_over(m.mark))
        {
            verdict.lost.push(format!("{what}: an end without a start"));
        }
        // If the first card was left behind, the next message is the card.
        let cards_at_most = 1 + usize::from(self.moved.is_some());
        let more = ends.len().saturating_sub(1) + starts.saturating_sub(cards_at_most);
        if more > 0 && !may_repeat {
            if is_on_telegram {
                verdict.allowed += more;
                verdict.told_twice.push(format!("{what}: {heard:?}"));
            } else {
                verdict.doubled.push(format!("{what}: {heard:?}"));
            }
        }
        let end = heard.iter().position(|m| !m.is_card && is_over(m.mark));
        let late =
            end.is_some_and(|end| heard[end..].iter().any(|m| !m.is_card && !is_over(m.mark)));
        // If a start was sent twice, only one of both is the card that is edited.
        let mut cards = heard.iter().filter(|m| m.is_card).peekable();
        let was_left =
            self.moved.is_some_and(|moved| cards.peek().is_some_and(|card| card.at < moved));
        let is_stale = !was_left && cards.peek().is_some() && !cards.any(|m| is_over(m.mark));
        if (late || is_stale) && !may_repeat {
            verdict.out_of_order.push(format!("{what}: {heard:?}"));
        }
    }
}

/// Returns the content of the database and the chats as text, to examine a failure.
pub fn known(world: &World) -> String {
    let connection = rusqlite::Connection::open(world.database()).unwrap();
    let sql = "SELECT i.id || ' ' || entity || ' ' || i.phase || ' untold ' || coalesce(untold, '-') || ': '
               || group_concat(t.kind || ' ' || t.arrival || ' at ' || strftime('%d %H:%M', t.at, 'unixepoch') || ' since '
               || strftime('%d %H:%M', t.started_at, 'unixepoch') || ' told ' || (SELECT count(*) FROM notice n JOIN delivery d ON d.notice_id = n.id
                  WHERE n.incident_id = i.id AND n.transition_number = t.number), '; ')
               FROM incident i JOIN transition t ON t.incident_id = i.id GROUP BY i.id";
    let mut select = connection.prepare(sql).unwrap();
    let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut known: String = rows.map(|row| row.unwrap() + "\n").collect();
    let sql = "SELECT d.chat_id || ' incident ' || coalesce(d.incident_id, '-') || '.' || coalesce(d.transition_number, '-') || ' '
               || n.kind || ' ' || d.state || ' doubts ' || d.doubts || ' sent ' || coalesce(strftime('%d %H:%M:%S', d.sent_at, 'unixepoch'), '-')
               || ' as ' || coalesce(d.message_id, '-') || ' ' || coalesce(d.error, '') || ' ' || coalesce(n.body, '')
               FROM delivery d JOIN notice n ON n.id = d.notice_id ORDER BY d.chat_id, d.id";
    let mut select = connection.prepare(sql).unwrap();
    let rows = select.query_map([], |row| row.get::<_, String>(0)).unwrap();
    for row in rows {
        let _ = writeln!(known, "delivery to {}", row.unwrap());
    }
    for (listener, messages) in LISTENERS.iter().zip(heard_by_all(world)) {
        let _ = writeln!(known, "{}:", listener.name);
        for Message { at, is_card, text } in messages {
            let at = linkdown::domain::Timestamp::from_unix(at / 1000).utc().format("%d %H:%M:%S");
            let (first, last) =
                (text.lines().next().unwrap_or_default(), text.lines().last().unwrap_or_default());
            let _ =
                writeln!(known, "  {at}{} {first} … {last}", if is_card { " card" } else { "" });
        }
    }
    known
}

fn database_is_whole(world: &World, verdict: &mut Findings) {
    let connection = rusqlite::Connection::open(world.database()).unwrap();
    let rows = |sql: &str| -> Vec<String> {
        let mut select = connection.prepare(sql).unwrap();
        let rows = select.query_map([], |row| row.get::<_, rusqlite::types::Value>(0)).unwrap();
        rows.map(|row| format!("{:?}", row.unwrap())).collect()
    };
    let whole = rows("PRAGMA integrity_check(5)");
    if whole != [r#"Text("ok")"#] {
        verdict.database.push(format!("{whole:?}"));
    }
    for (what, sql) in [
        (
            "a row without what it belongs to",
            "SELECT \"table\" || rowid FROM pragma_foreign_key_check",
        ),
        ("a delivery on its way", "SELECT id FROM delivery WHERE state = 'sending'"),
        (
            "a transition that is missing",
            "SELECT id FROM incident i WHERE transitions <> (SELECT count(*) FROM transition t WHERE t.incident_id = i.id)",
        ),
        // Earlier versions also wrote notices that no chat was owed.
        (
            "a notice owed to nobody",
            &format!(
                "SELECT id FROM notice n WHERE created_at >= {}
                 AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.notice_id = n.id)",
                world.plan.begin.unix()
            ),
        ),
    ] {
        let found = rows(sql);
        if !found.is_empty() {
            verdict.database.push(format!("{what}: {found:?}"));
        }
    }
}
