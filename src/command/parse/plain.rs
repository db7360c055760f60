//! Parses plain questions, as people type them in a private chat with the bot:
//! `is north korea down?`, `🇰🇵`, `why was KP down yesterday`. The grammar is small: a name,
//! surrounded by nothing but known words.

use super::entities::{find, is_all};
use super::mistake::near;
use super::when::{Day, When};
use super::{Command, Mistake, Unsubscribe, Wish};
use crate::domain::{Entity, Options, Scope, Watchlist, lookup};
use crate::render::outside::visible_within;

/// The most words of a question; a longer text is not parsed as one.
const WORDS_AT_MOST: usize = 16;

/// Words of greeting or thanks.
const GREETINGS: &str =
    "hi hello hey hallo hola salut good morning evening afternoon day thanks thank you there bot";
/// Words that may stand before a name.
const BEFORE: &str = "a about access actually alert any are at been bot can check cut did do does down ever explain \
    follow for from get give happen happened happening has have hello hey hi history how how's hows i if in internet is \
    know let like linkdown look me my network net now of off offline ok on once or out outage outages past please reason \
    report say see should show shutdown shutdowns since situation soon status still stop subscribe tell that the there \
    thing things to unsubscribe up us was watch websites we were what what's whats when whenever whether which why will \
    with working would wrong you going go come notify warn alarm blackout blackouts as again today";
/// Words that may stand after a name.
const AFTER: &str = "a access again alive any at available back been behind being blackout blackouts blocked come comes \
    connected connection connectivity cut dead disconnected doing down drops drop ever fine from go goes going gone \
    happening have history in internet is isolated it's its it last lately like net network now of off offline ok okay on \
    online or out outage outages please reachable recently report right s shutdown shutdowns situation status still thanks \
    the there then to today unavailable unreachable up was well were when working yet you for me isn't isnt not";
/// English words that are also a country's code; in a sentence they mean the country only in
/// capitals.
const ENGLISH: &str = "am an and are as at be ben by can cod do fin gum id in is it jam la lie man me my no nor pan per \
    pm so to ton us vat";

fn holds(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|known| known == word)
}

/// The request that a question makes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Status,
    Why,
    History,
    Subscribe,
    Unsubscribe,
}

/// Parses a question, or a name alone. `None` if a word is not known.
pub(super) fn understand(text: &str, watchlist: &Watchlist) -> Option<Command> {
    // In a text all in capitals, capitals do not tell codes from words.
    let is_shouted = !text.contains(char::is_lowercase)
        && words(text).iter().any(|word| word.chars().count() > 3);
    let lowered = if is_shouted { text.to_lowercase() } else { String::new() };
    let text = if is_shouted { &lowered } else { text };
    if is_all(text) {
        return Some(Command::Status(Vec::new()));
    }
    if let Some(entities) = find(text, watchlist, is_name) {
        return Some(Command::Status(entities));
    }
    let words = words(text);
    if words.is_empty() || words.len() > WORDS_AT_MOST {
        return None;
    }
    let lower: Vec<String> =
        words.iter().map(|word| word.to_lowercase().replace('’', "'")).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    if lower.iter().all(|word| holds(GREETINGS, word)) {
        return Some(Command::Start(None));
    }
    if let Some(command) = about_everything(&lower) {
        return Some(command);
    }
    named(&words, &lower, watchlist)
}

/// Builds the error for a text that could not be parsed: with similar names, a similar command, or
/// examples.
pub(super) fn mistake(text: &str, watchlist: &Watchlist) -> Mistake {
    let words = words(text);
    let is_noise = |list: &'static str| move |word: &&&str| holds(list, &word.to_lowercase());
    let first = words.iter().take_while(is_noise(BEFORE)).count();
    let last = words[first..].iter().rev().take_while(is_noise(AFTER)).count();
    let core = words[first..words.len() - last].join(" ");
    if !core.is_empty()
        && let Err(error) = lookup::parse_in(&core, watchlist)
        && (!error.near.is_empty() || core.contains('/'))
    {
        return error.into();
    }
    let word = words.first().map(|word| word.to_lowercase()).unwrap_or_default();
    // Without a slash, only a word very similar to a command counts as one: `what` does not.
    let is_alike =
        |near: &String| strsim::damerau_levenshtein(near, &word) * 3 <= word.chars().count();
    if let Some(near) = near(&word).filter(is_alike) {
        return Mistake::Unknown { said: visible_within(&word, 40), near: Some(near) };
    }
    Mistake::NotUnderstood { said: visible_within(text, 80) }
}

/// Splits a text into words without punctuation around them. Leaves out words of punctuation only.
fn words(text: &str) -> Vec<&str> {
    let marks = ['?', '!', '.', ',', ';', '"', '“', '”', '„', '…', '`', '¿', '¡'];
    text.split_whitespace()
        .map(|word| word.trim_matches(marks))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Parses questions without a name: `what is down?`, `help me`, `what can you do`.
fn about_everything(lower: &[&str]) -> Option<Command> {
    let said = lower.join(" ");
    let is_help = matches!(
        said.as_str(),
        "help me"
            | "help please"
            | "please help"
            | "what can you do"
            | "what do you do"
            | "how does this work"
            | "how"
            | "commands"
            | "menu"
    );
    if is_help {
        return Some(Command::Help(None));
    }
    let everything = [
        "anything",
        "everything",
        "something",
        "what",
        "who",
        "what's",
        "whats",
        "which",
        "anybody",
        "all",
    ];
    let asks = lower.iter().any(|word| everything.contains(word));
    let is_down = lower.iter().any(|word| {
        matches!(*word, "down" | "offline" | "up" | "happening" | "wrong" | "out" | "watched")
    });
    let known = |word: &&str| {
        everything.contains(word) || holds(BEFORE, word) || holds(AFTER, word) || *word == "watched"
    };
    (asks && is_down && lower.iter().all(known)).then(|| Command::Status(Vec::new()))
}

/// Parses a question that names an entity: takes the longest name that has only known words around
/// it.
fn named(words: &[&str], lower: &[&str], watchlist: &Watchlist) -> Option<Command> {
    let mut best: Option<(usize, Question<'_>)> = None;
    for from in 0..words.len() {
        // Only known words, or a moment, may stand before the name.
        let Some(before) = around(&words[..from], BEFORE) else { continue };
        for until in (from + 1..=words.len()).rev() {
            if best.as_ref().is_some_and(|(length, _)| *length >= until - from) {
                break;
            }
            if until - from == 1 && !is_name(words[from]) {
                continue;
            }
            let Some(after) = around(&words[until..], AFTER) else { continue };
            let name = words[from..until].join(" ");
            // Accepts `north korea's internet`.
            let name = name.strip_suffix("'s").or_else(|| name.strip_suffix("’s")).unwrap_or(&name);
            if let Some(entities) = find(name, watchlist, is_name) {
                let moment = if after.is_empty() { before.clone() } else { after };
                best = Some((
                    until - from,
                    Question {
                        entities,
                        moment,
                        before: lower[..from].to_vec(),
                        after: lower[until..].to_vec(),
                    },
                ));
            }
        }
    }
    best?.1.command(watchlist)
}

/// Returns whether a word of a sentence may be a name: `in` is a word, `IN` is India.
fn is_name(word: &str) -> bool {
    word.chars().all(char::is_uppercase) || !holds(ENGLISH, &word.to_lowercase())
}

/// Finds the words of a moment among words that are otherwise all in the list. Returns an empty
/// list if no moment is named, and `None` if another word occurs.
fn around<'a>(words: &[&'a str], list: &str) -> Option<Vec<&'a str>> {
    let is_known = |words: &[&str]| {
        words.iter().all(|word| holds(list, &word.to_lowercase().replace('’', "'")))
    };
    if words.len() > WORDS_AT_MOST {
        return None;
    }
    for length in (1..=words.len()).rev() {
        for from in 0..=words.len() - length {
            let (before, rest) = words.split_at(from);
            let (moment, after) = rest.split_at(length);
            if is_known(before) && is_known(after) && When::parse(&moment.join(" ")).is_some() {
                return Some(moment.to_vec());
            }
        }
    }
    is_known(words).then(Vec::new)
}

struct Question<'a> {
    entities: Vec<Entity>,
    /// The words of the moment; empty if none is named.
    moment: Vec<&'a str>,
    before: Vec<&'a str>,
    after: Vec<&'a str>,
}

impl Question<'_> {
    fn command(self, watchlist: &Watchlist) -> Option<Command> {
        let has = |word: &str| self.before.contains(&word) || self.after.contains(&word);
        let scopes = || self.entities.iter().cloned().map(Scope::One).collect();
        match self.wants() {
            Wants::Subscribe => Some(Command::Subscribe(Wish {
                scopes: scopes(),
                options: Options::default(),
                zone_said: None,
            })),
            Wants::Unsubscribe => Some(Command::Unsubscribe(Unsubscribe::These(scopes()))),
            Wants::History => {
                self.entities.first().cloned().map(|entity| Command::History(Some(entity)))
            }
            wants => {
                let [entity] = self.entities.as_slice() else {
                    return Some(Command::Status(self.entities));
                };
                let zone = lookup::zone_of(entity, watchlist.wholes_of(entity));
                let named = (!self.moment.is_empty()).then(|| self.moment.join(" "));
                let when =
                    named.and_then(|text| When::parse_near(&text, &[zone])).unwrap_or(When::Now);
                let of_the_past = ["was", "were", "did", "happened"].into_iter().any(has);
                let is_of_now = when == When::Now || is_today(when) && !of_the_past;
                match wants {
                    Wants::Why => Some(Command::Why { entity: entity.clone(), when }),
                    _ if is_of_now => Some(Command::Status(self.entities)),
                    _ => Some(Command::Why { entity: entity.clone(), when }),
                }
            }
        }
    }

    fn wants(&self) -> Wants {
        let has = |words: &[&str]| words.iter().any(|word| self.before.contains(word));
        if has(&["unsubscribe", "stop"]) {
            Wants::Unsubscribe
        } else if has(&["subscribe", "notify", "warn", "alert", "alarm", "watch", "follow"])
            || has(&["tell", "know"])
                && has(&["when", "whenever", "once", "if"])
                && self.goes_down()
        {
            Wants::Subscribe
        } else if has(&["why", "explain", "reason"]) {
            Wants::Why
        } else if has(&["history", "past", "when", "ever"]) || self.after.contains(&"history") {
            Wants::History
        } else {
            Wants::Status
        }
    }

    /// Returns whether a future outage is meant: `when it goes down`, not `whether it is down`.
    fn goes_down(&self) -> bool {
        ["goes", "go", "drops", "drop", "comes", "come"]
            .into_iter()
            .any(|word| self.after.contains(&word))
            || self.before.iter().any(|word| matches!(*word, "when" | "whenever" | "once"))
    }
}

fn is_today(when: When) -> bool {
    matches!(when, When::Day { day: Day::Before(0), .. })
}

#[cfg(test)]
mod tests {
    use super::super::{parse, parse_in};
    use super::*;

    fn understood(text: &str) -> String {
        match parse(text) {
            Ok(Command::Status(entities)) => {
                let names: Vec<String> = entities.iter().map(ToString::to_string).collect();
                format!("status {}", names.join(" ")).trim().to_owned()
            }
            Ok(Command::Why { entity, when: When::Now }) => format!("why {entity}"),
            Ok(Command::Why { entity, when }) => format!("why {entity} {when:?}"),
            Ok(Command::History(Some(entity))) => format!("history {entity}"),
            Ok(Command::Subscribe(wish)) => format!("subscribe {:?}", wish.scopes.len()),
            Ok(other) => format!("{other:?}"),
            Err(mistake) => mistake.to_string(),
        }
    }

    #[test]
    fn a_plain_question_is_understood() {
        for text in [
            "KP",
            "🇰🇵",
            "🇰🇵 North Korea (KP)",
            "north korea",
            "North Korea?",
            "status KP",
            "status of north korea",
            "is north korea down?",
            "Is North Korea down right now?",
            "is the internet down in north korea?",
            "is there internet in North Korea",
            "is north korea's internet down",
            "hey, is KP still offline?",
            "KP down?",
            "how is north korea doing",
            "what about north korea?",
            "what's going on in north korea",
            "what is happening in KP?",
            "can you tell me whether north korea is online",
            "is north korea down today?",
            "any outages in north korea",
            "outage in north korea?",
            "tell me if north korea is down",
            "please check KP",
            "/status is north korea down?",
        ] {
            assert_eq!(understood(text), "status country/KP", "{text}");
        }
        for (text, expected) in [
            ("is the gambia down", "status country/GM"),
            ("are KP and IR down?", "status country/KP country/IR"),
            ("is guinea bissau up", "status country/GW"),
            ("is AS131279 reachable?", "status asn/131279"),
            ("is kcna.kp up?", "status site/kcna.kp"),
            ("is IN down?", "status country/IN"),
            ("IS NORTH KOREA DOWN???", "status country/KP"),
            ("KP IS", "status country/KP country/IS"),
            ("what is down?", "status"),
            ("is anything down", "status"),
            ("all", "status"),
            ("why is north korea down?", "why country/KP"),
            ("why north korea", "why country/KP"),
            ("when was north korea last down", "history country/KP"),
            ("history of north korea", "history country/KP"),
            ("subscribe to north korea", "subscribe 1"),
            ("tell me when north korea goes down", "subscribe 1"),
            ("let me know when KP goes offline", "subscribe 1"),
            ("notify me if KP or IR goes down", "subscribe 2"),
            ("hello", "Start(None)"),
            ("what can you do?", "Help(None)"),
        ] {
            assert_eq!(understood(text), expected, "{text}");
        }
        for text in [
            "was north korea down yesterday?",
            "what happened in KP yesterday",
            "why was KP down yesterday",
        ] {
            assert!(
                understood(text).starts_with("why country/KP Day { day: Before(1)"),
                "{text}: {}",
                understood(text)
            );
        }
        assert!(
            understood("was KP down at 17:34 yesterday")
                .starts_with("why country/KP Day { day: Before(1), hours: At(63240)")
        );
    }

    #[test]
    fn what_is_not_understood_gets_help() {
        for (text, expected) in [
            ("kore", "did you mean North Korea (KP), South Korea (KR)?"),
            (
                "is nort korea down?",
                "no country, network or site is called `nort korea`; did you mean North Korea (KP)",
            ),
            ("statsu KP", "there is no command `statsu`; did you mean /status?"),
            (
                "what is the weather in paris",
                "I did not understand `what is the weather in paris`.",
            ),
            ("is it down?", "I did not understand `is it down?`."),
            ("asdf qwer zxcv", "I did not understand"),
            ("?", "I did not understand"),
        ] {
            assert!(understood(text).contains(expected), "{text}: {}", understood(text));
        }
        let long = "is ".repeat(300);
        assert!(understood(&long).starts_with("I did not understand"));
        assert!(understood("/forget about KP").starts_with("Forget(Asked)"));
        assert!(
            parse_in("/mute is KP down", &Watchlist::default()).is_err(),
            "nothing is changed by a guess"
        );
    }
}
