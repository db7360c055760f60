//! A message independent of any platform: the same facts in the same order everywhere.

pub use super::line::Line;
pub use crate::domain::Link;
use crate::domain::Phase;

/// The content of a message, in the order in which it is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Card {
    /// The first line: `🔴 North Korea is down · since …`.
    pub title: Line,
    /// The kind of news, for platforms with colours.
    pub tone: Tone,
    /// One line under the title.
    pub lead: Option<Line>,
    /// The measured signals, or the entries of a list.
    pub rows: Vec<Row>,
    /// Labelled sentences: Gateways, Reading, Unknown, Confidence.
    pub notes: Vec<Note>,
    /// Pages on which a reader can check the data.
    pub links: Vec<Link>,
    /// Lines in small print: credits, the incident's number.
    pub foot: Vec<String>,
    /// The buttons, for platforms that have them.
    pub actions: Vec<Action>,
}

/// The kind of news, which a platform may show as a colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// No state of an entity: lists, help, answers.
    #[default]
    Plain,
    /// Up, or up again.
    Up,
    /// Possibly down.
    Suspected,
    /// Down.
    Down,
    /// Partly back.
    Returning,
    /// Unknown, retracted, or about the bot itself.
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
    /// The text on the button.
    pub label: String,
    /// The command that it runs, without a slash: `outage 3`. At most 64 bytes, Telegram's limit.
    pub command: String,
}

/// One measured signal, or one entry of a list, which has no layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The layer: `routing`. Empty if it is that of the row above.
    pub layer: String,
    /// The newest value: `0 of 4 blocks announced`.
    pub measured: String,
    /// The source: `IODA BGP`.
    pub source: String,
    /// The normal value: `normal 4`.
    pub normal: String,
    /// The time of the value: `19:20 UTC`.
    pub at: String,
}

/// A text of one or more lines with a label.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// The label: `Gateways`.
    pub label: String,
    /// The text, with its lines separated by `\n`.
    pub text: String,
}

impl Card {
    /// Returns a card that has only a title.
    pub fn titled(title: impl Into<Line>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Sets the tone.
    #[must_use]
    pub fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// Appends a note.
    pub fn note(&mut self, label: &str, text: impl Into<String>) {
        self.notes.push(Note { label: label.to_owned(), text: text.into() });
    }
}

impl Action {
    /// Returns a button that runs `command`, which has no slash and at most 64 bytes.
    pub fn new(label: impl Into<String>, command: impl Into<String>) -> Self {
        Self { label: label.into(), command: command.into() }
    }
}
