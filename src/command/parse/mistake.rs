//! What is wrong with a command, and what would be right, in the syntax of the reader.

use super::WORDS;
use super::options::OptionError;
use crate::domain::lookup::LookupError;
use crate::render::Syntax;
use crate::render::outside::visible_within;

/// A nearer word than this is offered: two slips of the finger.
const NEAR: usize = 2;

/// What was wrong with a command, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said(Syntax::Typed))]
pub enum Mistake {
    Unknown {
        said: String,
        near: Option<String>,
    },
    What(#[from] LookupError),
    Option(#[from] OptionError),
    NothingNamed {
        word: &'static str,
    },
    WhyWhat,
    NoLength,
    NoNumber,
    /// Neither a command nor a question that is understood.
    NotUnderstood {
        said: String,
    },
}

impl Mistake {
    /// There is no such command.
    pub(super) fn unknown(word: &str) -> Self {
        Self::Unknown { said: visible_within(word, 40), near: near(word) }
    }

    /// Says what is wrong to somebody who gives commands in that syntax.
    pub fn said(&self, syntax: Syntax) -> String {
        let call = |word: &str, options: &[(&str, &str)]| syntax.call(word, options);
        let help = |word: &str| syntax.call("help", &[("command", word)]);
        match self {
            Self::Unknown { said, near: Some(near) } => {
                format!("there is no command `{said}`; did you mean /{near}?")
            }
            Self::Unknown { said, near: None } => {
                format!("there is no command `{said}`; /help lists them")
            }
            Self::What(error) => error.to_string(),
            Self::Option(error) => error.to_string(),
            Self::NothingNamed { word } => {
                let length = if *word == "mute" { Some(("for", "2h")) } else { None };
                let of = |what| {
                    let options: Vec<(&str, &str)> =
                        [("what", what)].into_iter().chain(length).collect();
                    call(word, &options)
                };
                format!(
                    "say of what: {}, {}, {}; {} tells more",
                    of("KP"),
                    of("AS131279"),
                    of("all"),
                    help(word)
                )
            }
            Self::WhyWhat => format!(
                "say of what: {}, {}, {}; {} tells more",
                call("why", &[("what", "KP")]),
                call("why", &[("what", "AS131279"), ("when", "17:34")]),
                call("why", &[("what", "KP"), ("when", "2h ago")]),
                help("why")
            ),
            Self::NoLength => format!(
                "say for how long: {}, {}; 30 days at most",
                call("mute", &[("what", "KP"), ("for", "2h")]),
                call("mute", &[("what", "all"), ("for", "3d")])
            ),
            Self::NoNumber => {
                format!(
                    "/outage takes an incident's number, such as {}; /history lists them",
                    syntax.outage(3)
                )
            }
            Self::NotUnderstood { said } => format!(
                "I did not understand `{said}`. Name a country, a network or a site, such as KP, North Korea or \
                 AS131279, or ask \"is North Korea down?\"; /help lists all commands"
            ),
        }
    }
}

/// The command that may have been meant.
pub(super) fn near(word: &str) -> Option<String> {
    let nearest =
        WORDS.iter().map(|known| (strsim::damerau_levenshtein(known, word), *known)).min();
    nearest.filter(|(distance, _)| *distance <= NEAR).map(|(_, known)| known.to_owned())
}
