//! Errors in a command, with a correct example in the syntax of the reader.

use super::WORDS;
use super::options::OptionError;
use crate::domain::lookup::LookupError;
use crate::render::Syntax;
use crate::render::outside::visible_within;

/// The greatest edit distance at which a command is suggested: two typing errors.
const NEAR: usize = 2;

/// An error in a command. Its text shows a correct example.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.said(Syntax::Typed))]
pub enum Mistake {
    /// The command does not exist.
    Unknown {
        /// The word as typed, at most 40 characters.
        said: String,
        /// The existing command that is spelled most alike, if one is close.
        near: Option<String>,
    },
    /// The entity was not recognized.
    What(#[from] LookupError),
    /// An option of a subscription was not recognized.
    Option(#[from] OptionError),
    /// The command needs an entity and none was named.
    NothingNamed {
        /// The command, without its slash.
        word: &'static str,
    },
    /// `/why` was given without an entity.
    WhyWhat,
    /// `/mute` was given without a length, or with one of more than 30 days.
    NoLength,
    /// `/outage` was given without an incident's number.
    NoNumber,
    /// The text is neither a command nor a question that can be parsed.
    NotUnderstood {
        /// The text as typed, at most 80 characters.
        said: String,
    },
}

impl Mistake {
    /// Builds the error for a word that is not a command.
    pub(super) fn unknown(word: &str) -> Self {
        Self::Unknown { said: visible_within(word, 40), near: near(word) }
    }

    /// Returns the text of the error, with example commands in the given syntax.
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

/// Returns the command that is spelled most alike, or `None` if none is close.
pub(super) fn near(word: &str) -> Option<String> {
    let nearest =
        WORDS.iter().map(|known| (strsim::damerau_levenshtein(known, word), *known)).min();
    nearest.filter(|(distance, _)| *distance <= NEAR).map(|(_, known)| known.to_owned())
}
