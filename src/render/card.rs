//! A message before any platform has touched it: the same facts in the same order everywhere.

pub use super::line::Line;
pub use crate::domain::Link;
use crate::domain::Phase;

/// What a message says, in the order in which it says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Card {
    /// `🔴 North Korea is down · since …`
    pub title: Line,
    /// What kind of news it is, for platforms that have colours.
    pub tone: Tone,
    /// One line under the title.
    pub lead: Option<Line>,
    pub rows: Vec<Row>,
    /// Labelled sentences: Gateways, Reading, Unknown, Confidence.
    pub notes: Vec<Note>,
    pub links: Vec<Link>,
    pub foot: Vec<String>,
    /// What a person may do about it, where the platform has buttons.
    pub actions: Vec<Action>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    Up,
    Suspected,
    Down,
    Returning,
    Unknown,
}

impl From<Phase> for Tone {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Suspected => Self::Suspected,
            Phase::Down => Self::Down,
            Phase::Returning => Self::Returning,
            Phase::Recovered => Self::Up,
            Phase::Retracted => Self::Unknown,
        }
    }
}

/// A button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub label: String,
    /// The command that it stands for, without its slash: `outage 3`. At most 64 bytes, as Telegram wants it.
    pub command: String,
}

/// One measured signal, or one entry of a list, which has no layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `routing`; empty where it is that of the row above.
    pub layer: String,
    /// `0 of 4 blocks announced`
    pub measured: String,
    /// `IODA BGP`
    pub source: String,
    /// `normal 4`
    pub normal: String,
    /// `19:20 UTC`
    pub at: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub label: String,
    pub text: String,
}

impl Card {
    pub fn titled(title: impl Into<Line>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    #[must_use]
    pub fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    pub fn note(&mut self, label: &str, text: impl Into<String>) {
        self.notes.push(Note { label: label.to_owned(), text: text.into() });
    }
}

impl Action {
    pub fn new(label: impl Into<String>, command: impl Into<String>) -> Self {
        Self { label: label.into(), command: command.into() }
    }
}
