//! Parses a typed line into a command or a helpful error. A platform with options of its own writes
//! them as such a line first ([`line`]), so that all platforms share one grammar and one set of
//! errors.

mod entities;
mod mistake;
mod options;
mod plain;
mod span;
mod when;

use crate::domain::lookup;
use crate::domain::{Entity, Options, Scope, Seconds, Watchlist};
use entities::{entities, is_all, scopes};
pub use mistake::Mistake;
pub use options::SaidZone;
pub(super) use span::LONGEST;
pub use when::When;

/// A parsed command with its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The state of these entities; of all that are watched if the list is empty.
    Status(Vec<Entity>),
    /// Why an entity is or is not reported down at a moment.
    Why {
        /// The entity asked about.
        entity: Entity,
        /// The moment or the span asked about.
        when: When,
    },
    /// Adds or changes subscriptions of the chat.
    Subscribe(Wish),
    /// Ends subscriptions of the chat.
    Unsubscribe(Unsubscribe),
    /// Lists the chat's subscriptions, mutes and deliveries.
    Subscriptions,
    /// Suppresses alerts for a while.
    Mute {
        /// The subscriptions or entities to mute.
        scopes: Vec<Scope>,
        /// The length in seconds, at most 30 days.
        length: Seconds,
    },
    /// Ends the mutes of these scopes; all of the chat's mutes if the list is empty.
    Unmute(Vec<Scope>),
    /// Lists the watched entities and their state.
    Watchlist,
    /// Past and present incidents of an entity, or of all that are watched.
    History(Option<Entity>),
    /// The changes of the incident with this number.
    Outage(i64),
    /// The state of the sources.
    Sources,
    /// Sends a sample alert to the chat.
    Test,
    /// Removes everything stored about the chat, once that is confirmed.
    Forget(Meant),
    /// The first message of a private chat; it may come by a link that names an entity.
    Start(Option<Entity>),
    /// Describes the bot and its data.
    About,
    /// The help of one command, or of all.
    Help(Option<String>),
}

/// The subscriptions that a chat asks for, with their options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The entities, or everything that is watched.
    pub scopes: Vec<Scope>,
    /// The options that apply to each of the scopes.
    pub options: Options,
    /// The time zone as the person wrote it, if they named one.
    pub zone_said: Option<SaidZone>,
}

/// The subscriptions that `/unsubscribe` ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsubscribe {
    /// None was named: ends the only subscription, if there is just one.
    Unnamed,
    /// Ends the subscriptions to these.
    These(Vec<Scope>),
    /// Ends all subscriptions of the chat.
    Everything,
}

/// Whether `/forget` was confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// `/forget` alone: only asks for a confirmation.
    Asked,
    /// `/forget yes`: removes the data.
    Sure,
}

/// Every command, without its slash, in the order of `/help`.
pub const WORDS: [&str; 15] = [
    "status",
    "why",
    "subscribe",
    "unsubscribe",
    "subscriptions",
    "mute",
    "unmute",
    "watchlist",
    "history",
    "outage",
    "sources",
    "test",
    "forget",
    "about",
    "help",
];

/// The commands that change what is sent to a chat. Only its admins may use them.
pub const CHANGING: [&str; 6] = ["subscribe", "unsubscribe", "mute", "unmute", "test", "forget"];

/// The most characters of a line that are read; the rest is cut off.
const LONGEST_LINE: usize = 1000;

/// Parses a line without a watchlist: the only names known are those of countries.
pub fn parse(text: &str) -> Result<Command, Mistake> {
    parse_in(text, &Watchlist::default())
}

/// Parses a line: a command with or without its slash, with options by place or by name, or a plain
/// question. Looks up names in the watchlist too.
pub fn parse_in(text: &str, watchlist: &Watchlist) -> Result<Command, Mistake> {
    let text: String = text.trim().chars().take(LONGEST_LINE).collect();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
    let has_slash = word.starts_with('/');
    let word = word.strip_prefix('/').unwrap_or(word).to_lowercase();
    let outcome = command(&word, &without_names(&word, rest.trim()), watchlist);
    // A command that changes something must be given exactly; it is never guessed from a question.
    let may_be_plain =
        !has_slash || matches!(word.as_str(), "status" | "why" | "history" | "outage");
    match outcome {
        Some(Ok(command)) => Ok(command),
        Some(Err(mistake)) if may_be_plain => {
            plain::understand(text.trim_start_matches('/'), watchlist).ok_or(mistake)
        }
        Some(Err(mistake)) => Err(mistake),
        None if has_slash => Err(Mistake::unknown(&word)),
        None => plain::understand(&text, watchlist).ok_or_else(|| plain::mistake(&text, watchlist)),
    }
}

/// Returns whether a text is a plain question about an entity's state, and not a change of
/// subscriptions.
pub fn is_question(text: &str) -> bool {
    matches!(parse(text), Ok(Command::Status(_) | Command::Why { .. } | Command::History(_)))
}

/// Writes a command that was given as (name, value) options as a typed line.
pub fn line(word: &str, given: &[(&str, &str)]) -> String {
    let (mut first, mut rest) = ("", String::new());
    for (name, value) in given {
        match *name {
            "what" | "id" | "command" | "sure" => first = value,
            "for" => rest.extend([" for ", value]),
            "when" => rest.extend([" ", value]),
            name => rest.extend([" ", name, ": ", value]),
        }
    }
    format!("{word} {first}{rest}")
}

/// Returns the names of the options that a typed line gives by their place.
fn by_place(word: &str) -> &'static [&'static str] {
    match word {
        "status" | "history" | "subscribe" | "unsubscribe" | "unmute" => &["what"],
        "why" => &["what", "when"],
        "mute" => &["what", "for"],
        "outage" => &["id"],
        "forget" => &["sure"],
        "help" => &["command"],
        _ => &[],
    }
}

/// Rewrites options in the form that Discord shows (`what: KP for: 2h`) to the typed form
/// (`KP for 2h`).
fn without_names(word: &str, rest: &str) -> String {
    let names = by_place(word);
    let mut starts: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    for part in rest.split_inclusive(char::is_whitespace) {
        let key = part.split_once(':').map(|(key, _)| key.to_lowercase());
        starts.extend(
            names.iter().find(|name| key.as_deref() == Some(**name)).map(|name| (at, *name)),
        );
        at += part.len();
    }
    if starts.first().is_none_or(|(start, _)| *start > 0) {
        return rest.to_owned();
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([rest.len()]);
    let given: Vec<(&str, &str)> = starts
        .iter()
        .zip(ends)
        .map(|((start, name), end)| (*name, rest[start + name.len() + 1..end].trim()))
        .collect();
    line(word, &given).strip_prefix(word).unwrap_or_default().trim().to_owned()
}

/// Parses the rest of a line as the options of a command. `None` if the word is not a command.
fn command(word: &str, rest: &str, watchlist: &Watchlist) -> Option<Result<Command, Mistake>> {
    Some(match word {
        "status" if is_all(rest) => Ok(Command::Status(Vec::new())),
        "status" => entities(rest, watchlist).map(Command::Status).map_err(Mistake::from),
        "why" => why(rest, watchlist),
        "subscribe" => wish(rest, watchlist).map(Command::Subscribe),
        "unsubscribe" => unsubscribe(rest, watchlist).map(Command::Unsubscribe),
        "subscriptions" => Ok(Command::Subscriptions),
        "mute" => mute(rest, watchlist),
        "unmute" if rest.is_empty() || is_all_mutes(rest) => Ok(Command::Unmute(Vec::new())),
        "unmute" => scopes(rest, watchlist).map(Command::Unmute).map_err(Mistake::from),
        "watchlist" => Ok(Command::Watchlist),
        "history" if rest.is_empty() || is_all(rest) => Ok(Command::History(None)),
        "history" => lookup::parse_in(rest, watchlist)
            .map(|what| Command::History(Some(what)))
            .map_err(Mistake::from),
        "outage" => incident(rest).map(Command::Outage).ok_or(Mistake::NoNumber),
        "sources" => Ok(Command::Sources),
        "test" => Ok(Command::Test),
        "forget" => Ok(Command::Forget(match rest.to_lowercase().as_str() {
            "yes" | "true" => Meant::Sure,
            _ => Meant::Asked,
        })),
        "start" => Ok(Command::Start(lookup::parse_in(rest, watchlist).ok())),
        "about" => Ok(Command::About),
        "help" => Ok(Command::Help(
            (!rest.is_empty()).then(|| rest.trim_start_matches('/').to_lowercase()),
        )),
        _ => return None,
    })
}

fn wish(text: &str, watchlist: &Watchlist) -> Result<Wish, Mistake> {
    let (what, given) = options::split(text);
    // In `subscribe to north korea` the `to` is a preposition; Tonga is `TO` or `Tonga`.
    let what = what.strip_prefix("to ").unwrap_or(what);
    if what.is_empty() {
        return Err(Mistake::NothingNamed { word: "subscribe" });
    }
    let scopes = scopes(what, watchlist);
    let known = scopes.as_deref().unwrap_or_default();
    let nearby = known.iter().filter_map(|scope| match scope {
        Scope::One(entity) => Some(lookup::zone_of(entity, watchlist.wholes_of(entity))),
        Scope::All => None,
    });
    let nearby: Vec<_> = nearby.collect();
    let (options, zone_said) = options::read(&given, &nearby)?;
    Ok(Wish { scopes: scopes?, options, zone_said })
}

fn unsubscribe(rest: &str, watchlist: &Watchlist) -> Result<Unsubscribe, Mistake> {
    Ok(match rest.to_lowercase().as_str() {
        "" => Unsubscribe::Unnamed,
        "everything" => Unsubscribe::Everything,
        _ => Unsubscribe::These(scopes(rest.strip_prefix("from ").unwrap_or(rest), watchlist)?),
    })
}

/// Returns whether all mutes are to end, which is `everything`; `all` names the mute of everything
/// watched.
fn is_all_mutes(rest: &str) -> bool {
    rest.eq_ignore_ascii_case("everything")
}

/// Parses `KP`, `north korea 17:34`, `AS131279 2025-06-06 17:34`, `KP 2h ago`, `yesterday KP`. The
/// longest end of the text that is a moment is taken as the moment.
fn why(text: &str, watchlist: &Watchlist) -> Result<Command, Mistake> {
    if text.is_empty() {
        return Err(Mistake::WhyWhat);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let parts = |at: usize| (words[..at].join(" "), words[at..].join(" "));
    let at_the_end = (1..words.len()).map(parts).find(|(_, when)| When::parse(when).is_some());
    let at_the_front = || {
        let turned = (1..words.len()).rev().map(parts).map(|(when, what)| (what, when));
        turned.into_iter().find(|(what, when)| {
            When::parse(when).is_some() && lookup::find(what, watchlist).is_some()
        })
    };
    let Some((what, when)) = at_the_end.or_else(at_the_front) else {
        return Ok(Command::Why { entity: lookup::parse_in(text, watchlist)?, when: When::Now });
    };
    let entity = lookup::parse_in(&what, watchlist)?;
    let nearby = lookup::zone_of(&entity, watchlist.wholes_of(&entity));
    let when = When::parse_near(&when, &[nearby]).unwrap_or(When::Now);
    Ok(Command::Why { entity, when })
}

/// Parses `KP for 2h`, `KP 2h`.
fn mute(text: &str, watchlist: &Watchlist) -> Result<Command, Mistake> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let parted = match text.rsplit_once(" for ") {
        Some((what, length)) => Some((what.to_owned(), span::parse(length))),
        None => (1..words.len()).find_map(|at| {
            let length = span::parse(&words[at..].join(" "))?;
            Some((words[..at].join(" "), Some(length)))
        }),
    };
    let Some((what, Some(length))) = parted else { return Err(Mistake::NoLength) };
    if length > LONGEST {
        return Err(Mistake::NoLength);
    }
    if what.trim().is_empty() {
        return Err(Mistake::NothingNamed { word: "mute" });
    }
    Ok(Command::Mute { scopes: scopes(&what, watchlist)?, length })
}

/// Parses an incident's number: `3`, `#3`, `Incident 3`, `incident 3 · /outage 3`.
fn incident(text: &str) -> Option<i64> {
    let lower = text.trim().to_lowercase();
    let mut rest = lower.as_str();
    for prefix in ["/outage", "outage", "incident", "number", "no.", "id:", "#", "№"] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest).trim_start();
    }
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    let is_end =
        after.trim_start().is_empty() || after.trim_start().starts_with(['·', ':', ',', ')', '.']);
    number.parse().ok().filter(|id| is_end && *id > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Kinds, Layer, Quiet, Sensitivity};

    fn status_of(line: &str) -> Vec<String> {
        match parse(line).unwrap() {
            Command::Status(entities) => entities.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn wish_of(line: &str) -> Wish {
        match parse(line).unwrap() {
            Command::Subscribe(wish) => wish,
            other => panic!("{other:?}"),
        }
    }

    fn mistake(line: &str) -> String {
        parse(line).unwrap_err().to_string()
    }

    #[test]
    fn an_entity_may_be_called_what_people_call_it() {
        assert_eq!(status_of("/status KP"), ["country/KP"]);
        assert_eq!(status_of("status north korea"), ["country/KP"]);
        assert_eq!(
            status_of("/status KP IR AS131279 kp"),
            ["country/KP", "country/IR", "asn/131279"]
        );
        assert_eq!(status_of("/status"), Vec::<String>::new());
    }

    #[test]
    fn a_wish_may_say_how_it_wants_to_be_told() {
        let wish = wish_of(
            "/subscribe north korea from: suspected kinds: starts, recoveries layers: routing, web mention: @ops \
             quiet: 22-07 zone: asia/seoul",
        );
        assert_eq!(wish.scopes, [Scope::One("country/KP".parse().unwrap())]);
        assert_eq!(
            wish.options,
            Options {
                sensitivity: Some(Sensitivity::Eager),
                kinds: Kinds { updates: false, recoveries: true },
                layers: vec![Layer::Routing, Layer::Web],
                mention: Some("@ops".into()),
                quiet: Quiet::parse("22-07"),
                zone: Some(chrono_tz::Tz::Asia__Seoul),
            }
        );
        assert_eq!(wish_of("/subscribe all").scopes, [Scope::All]);
        assert_eq!(wish_of("/subscribe 2001:db8::/32 AS1 from:sure").scopes.len(), 2);
    }

    #[test]
    fn why_takes_a_moment_at_its_end() {
        let why = |line: &str| match parse(line).unwrap() {
            Command::Why { entity, when } => (entity.to_string(), when),
            other => panic!("{other:?}"),
        };
        assert_eq!(why("/why KP"), ("country/KP".into(), When::Now));
        assert_eq!(why("/why north korea"), ("country/KP".into(), When::Now));
        assert_eq!(why("/why North Korea 2h ago"), ("country/KP".into(), When::Ago(7200)));
        let at = crate::domain::Timestamp::parse("2025-06-06 17:34").unwrap();
        assert_eq!(why("/why AS131279 2025-06-06 17:34"), ("asn/131279".into(), When::At(at)));
        assert!(mistake("/why KP yesterdy").contains("KP yesterdy"));
        assert!(mistake("/why").starts_with("say of what: /why KP, /why AS131279 17:34"));
    }

    #[test]
    fn a_slip_gets_the_nearest_word() {
        assert_eq!(mistake("/statsu KP"), "there is no command `statsu`; did you mean /status?");
        assert_eq!(mistake("/frobnicate"), "there is no command `frobnicate`; /help lists them");
        assert_eq!(parse("/outage three").unwrap_err(), Mistake::NoNumber);
        assert_eq!(
            mistake("/subscribe KP form: sure"),
            "there is no option `form`; did you mean `from`?"
        );
        assert_eq!(
            mistake("/subscribe KP zone: Asia/Soul"),
            "`Asia/Soul` is no time zone; did you mean `Asia/Seoul`?"
        );
        assert_eq!(
            mistake("/subscribe KP quiet: night"),
            "`night` are no quiet hours; say them as 22-07 or 22:30-06:45, with zone: Europe/Berlin where not in UTC"
        );
        assert!(
            mistake("/subscribe KP kinds: recoveries")
                .starts_with("a recovery goes only to a chat that heard")
        );
        assert!(
            mistake("/subscribe KP layers: roads")
                .starts_with("`roads` is no layer; there are routing, reach")
        );
        assert!(mistake("/subscribe").starts_with("say of what: /subscribe KP"));
        assert!(mistake("/subscribe Nort Korea").contains("did you mean North Korea (KP)"));
    }

    #[test]
    fn a_mute_has_a_length() {
        let mute = |line| match parse(line).unwrap() {
            Command::Mute { scopes, length } => (scopes.len(), length),
            other => panic!("{other:?}"),
        };
        assert_eq!(mute("/mute KP for 2h"), (1, 7200));
        assert_eq!(mute("/mute KP IR for 90 min"), (2, 5400));
        assert_eq!(mute("/mute all for 3 days"), (1, 259_200));
        for wrong in
            ["/mute KP", "/mute KP for", "/mute KP for ever", "/mute KP for 0h", "/mute KP for 99d"]
        {
            assert_eq!(parse(wrong).unwrap_err(), Mistake::NoLength, "{wrong}");
        }
    }
}
