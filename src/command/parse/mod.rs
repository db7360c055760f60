//! From a typed line to a command, or to a mistake that helps. Platforms with options of their own write them as such a
//! line, so that there is one grammar and one set of mistakes.

mod options;
mod span;

use crate::domain::lookup::{self, LookupError};
use crate::domain::{Entity, Options, Scope, Seconds};
pub(super) use span::parse as span;

use super::why::When;
use options::OptionError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Of these, or of all that is watched.
    Status(Vec<Entity>),
    /// Why it is told of, or is not, at a moment.
    Why {
        entity: Entity,
        when: When,
    },
    Subscribe(Wish),
    /// From these, or from the only one that there is; from everything where it says so.
    Unsubscribe(Unsubscribe),
    Subscriptions,
    Mute {
        scopes: Vec<Scope>,
        length: Seconds,
    },
    /// Of these, or all mutes.
    Unmute(Vec<Scope>),
    Watchlist,
    History(Option<Entity>),
    Outage(i64),
    Sources,
    Test,
    /// All that is kept of the chat, once that is said to be meant.
    Forget(Meant),
    /// What a person sees first, perhaps by a link that names an entity.
    Start(Option<Entity>),
    About,
    Help(Option<String>),
}

/// What a chat wants to hear of, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    pub scopes: Vec<Scope>,
    pub options: Options,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsubscribe {
    Unnamed,
    These(Vec<Scope>),
    Everything,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    Asked,
    Sure,
}

/// What was wrong with a command, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    #[error("there is no command `{said}`{}", did_you_mean(.near.as_deref()))]
    Unknown { said: String, near: Option<String> },
    #[error(transparent)]
    What(#[from] LookupError),
    #[error(transparent)]
    Option(#[from] OptionError),
    #[error("say of what: /{word} KP, /{word} AS131279, /{word} all; /help {word} tells more")]
    NothingNamed { word: &'static str },
    #[error("say of what: /why KP, /why AS131279 17:34, /why KP 2h ago; /help why tells more")]
    WhyWhat,
    #[error("say for how long: /mute KP for 2h, /mute all for 3d; 30 days at most")]
    NoLength,
    #[error("/outage takes an incident's number, such as /outage 3; /history lists them")]
    NoNumber,
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(|| "; /help lists them".to_owned(), |near| format!("; did you mean /{near}?"))
}

/// Every command by its word, in the order of `/help`.
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

/// Those that change what a chat is told: for who manages it.
pub const CHANGING: [&str; 6] = ["subscribe", "unsubscribe", "mute", "unmute", "test", "forget"];

/// A nearer word than this is offered: two slips of the finger.
const NEAR: usize = 2;
/// Longer than this nobody means to type.
const LONGEST: usize = 1000;

pub fn parse(line: &str) -> Result<Command, Mistake> {
    let line: String = line.trim().chars().take(LONGEST).collect();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
    let rest = rest.trim();
    let word = word.strip_prefix('/').unwrap_or(word).to_lowercase();
    match word.as_str() {
        "status" => Ok(Command::Status(entities(rest)?)),
        "why" => why(rest),
        "subscribe" => Ok(Command::Subscribe(wish(rest)?)),
        "unsubscribe" => Ok(Command::Unsubscribe(match rest.to_lowercase().as_str() {
            "" => Unsubscribe::Unnamed,
            "everything" => Unsubscribe::Everything,
            _ => Unsubscribe::These(scopes(rest)?),
        })),
        "subscriptions" => Ok(Command::Subscriptions),
        "mute" => mute(rest),
        "unmute" => Ok(Command::Unmute(if rest.is_empty() { Vec::new() } else { scopes(rest)? })),
        "watchlist" => Ok(Command::Watchlist),
        "history" => Ok(Command::History(if rest.is_empty() { None } else { Some(lookup::parse_what(rest)?) })),
        "outage" => rest.trim_start_matches('#').parse().map(Command::Outage).map_err(|_| Mistake::NoNumber),
        "sources" => Ok(Command::Sources),
        "test" => Ok(Command::Test),
        "forget" => Ok(Command::Forget(if rest.eq_ignore_ascii_case("yes") { Meant::Sure } else { Meant::Asked })),
        "start" => Ok(Command::Start(lookup::parse_what(rest).ok())),
        "about" => Ok(Command::About),
        "help" => Ok(Command::Help((!rest.is_empty()).then(|| rest.trim_start_matches('/').to_lowercase()))),
        _ => Err(unknown(&word)),
    }
}

fn unknown(word: &str) -> Mistake {
    let nearest = WORDS.iter().map(|known| (strsim::damerau_levenshtein(known, word), *known)).min();
    let near = nearest.filter(|(distance, _)| *distance <= NEAR).map(|(_, known)| known.to_owned());
    Mistake::Unknown { said: crate::render::words::tame(word, 40), near }
}

fn wish(text: &str) -> Result<Wish, Mistake> {
    let (what, given) = options::split(text);
    if what.is_empty() {
        return Err(Mistake::NothingNamed { word: "subscribe" });
    }
    let options = options::read(&given)?;
    Ok(Wish { scopes: scopes(what)?, options })
}

/// `KP`, `north korea 17:34`, `AS131279 2025-06-06 17:34`, `KP 2h ago`: the longest end that is a moment is one.
fn why(text: &str) -> Result<Command, Mistake> {
    if text.is_empty() {
        return Err(Mistake::WhyWhat);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let parted = (1..words.len()).find_map(|at| {
        let when = When::parse(&words[at..].join(" "))?;
        Some((words[..at].join(" "), when))
    });
    let (what, when) = parted.unwrap_or_else(|| (text.to_owned(), When::Now));
    Ok(Command::Why { entity: lookup::parse_what(&what)?, when })
}

fn mute(text: &str) -> Result<Command, Mistake> {
    let (what, length) = text.rsplit_once(" for ").ok_or(Mistake::NoLength)?;
    let length = span::parse(length).ok_or(Mistake::NoLength)?;
    if what.trim().is_empty() {
        return Err(Mistake::NothingNamed { word: "mute" });
    }
    Ok(Command::Mute { scopes: scopes(what)?, length })
}

/// `all`, or entities.
fn scopes(text: &str) -> Result<Vec<Scope>, LookupError> {
    if text.trim().eq_ignore_ascii_case("all") {
        return Ok(vec![Scope::All]);
    }
    Ok(entities(text)?.into_iter().map(Scope::One).collect())
}

/// One name of several words (`north korea`), or several entities (`KP IR AS131279`).
fn entities(text: &str) -> Result<Vec<Entity>, LookupError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    lookup::parse_what(text).map(|entity| vec![entity]).or_else(|whole| {
        let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        if words.len() < 2 {
            return Err(whole);
        }
        // If each word stands for something it is a list; else the person meant one name, and slipped.
        let each: Result<Vec<_>, _> = words.iter().map(|word| lookup::parse_what(word)).collect();
        let mut each = each.map_err(|_| whole)?;
        let mut seen = Vec::new();
        each.retain(|entity| {
            !seen.contains(entity) && {
                seen.push(entity.clone());
                true
            }
        });
        Ok(each)
    })
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
        assert_eq!(status_of("/status KP IR AS131279 kp"), ["country/KP", "country/IR", "asn/131279"]);
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
        assert_eq!(mistake("/subscribe KP form: sure"), "there is no option `form`; did you mean `from`?");
        assert_eq!(mistake("/subscribe KP zone: Asia/Soul"), "`Asia/Soul` is no time zone; did you mean `Asia/Seoul`?");
        assert_eq!(
            mistake("/subscribe KP quiet: night"),
            "`night` are no quiet hours; say them as 22-07 or 22:30-06:45, with zone: Europe/Berlin where not in UTC"
        );
        assert!(mistake("/subscribe KP kinds: recoveries").starts_with("a recovery goes only to a chat that heard"));
        assert!(mistake("/subscribe KP layers: roads").starts_with("`roads` is no layer; there are routing, reach"));
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
        for wrong in ["/mute KP", "/mute KP for", "/mute KP for ever", "/mute KP for 0h", "/mute KP for 99d"] {
            assert_eq!(parse(wrong).unwrap_err(), Mistake::NoLength, "{wrong}");
        }
    }
}
