//! From a typed line to a command, or to a mistake that helps.

use crate::domain::Entity;
use crate::domain::lookup::{self, LookupError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Of these, or of all that is watched.
    Status(Vec<Entity>),
    Watchlist,
    History(Option<Entity>),
    Outage(i64),
    Sources,
    Help(Option<String>),
}

/// What was wrong with a command, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    #[error("there is no command `{said}`{}", did_you_mean(.near.as_deref()))]
    Unknown { said: String, near: Option<String> },
    #[error(transparent)]
    What(#[from] LookupError),
    #[error("/outage takes an incident's number, such as /outage 3; /history lists them")]
    NoNumber,
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(|| "; /help lists them".to_owned(), |near| format!("; did you mean /{near}?"))
}

/// Every command by its word.
pub const WORDS: [&str; 6] = ["status", "watchlist", "history", "outage", "sources", "help"];

/// A nearer word than this is offered: two slips of the finger.
const NEAR: usize = 2;

pub fn parse(line: &str) -> Result<Command, Mistake> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let word = word.strip_prefix('/').unwrap_or(word).to_lowercase();
    match word.as_str() {
        "status" => Ok(Command::Status(entities(rest)?)),
        "watchlist" => Ok(Command::Watchlist),
        "history" => Ok(Command::History(if rest.is_empty() { None } else { Some(lookup::parse_what(rest)?) })),
        "outage" => rest.trim_start_matches('#').parse().map(Command::Outage).map_err(|_| Mistake::NoNumber),
        "sources" => Ok(Command::Sources),
        "help" => Ok(Command::Help((!rest.is_empty()).then(|| rest.trim_start_matches('/').to_lowercase()))),
        _ => Err(unknown(&word)),
    }
}

fn unknown(word: &str) -> Mistake {
    let nearest = WORDS.iter().map(|known| (strsim::damerau_levenshtein(known, word), *known)).min();
    let near = nearest.filter(|(distance, _)| *distance <= NEAR).map(|(_, known)| known.to_owned());
    Mistake::Unknown { said: crate::render::words::tame(word, 40), near }
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
        each.map_err(|_| whole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(line: &str) -> Vec<String> {
        match parse(line).unwrap() {
            Command::Status(entities) => entities.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_entity_may_be_called_what_people_call_it() {
        assert_eq!(status_of("/status KP"), ["country/KP"]);
        assert_eq!(status_of("status north korea"), ["country/KP"]);
        assert_eq!(status_of("/status KP IR AS131279"), ["country/KP", "country/IR", "asn/131279"]);
        assert_eq!(status_of("/status"), Vec::<String>::new());
    }

    #[test]
    fn a_slip_gets_the_nearest_word() {
        assert_eq!(parse("/statsu KP").unwrap_err().to_string(), "there is no command `statsu`; did you mean /status?");
        assert_eq!(parse("/frobnicate").unwrap_err().to_string(), "there is no command `frobnicate`; /help lists them");
        assert_eq!(parse("/outage three").unwrap_err(), Mistake::NoNumber);
    }
}
