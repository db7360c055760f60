//! A message before any platform has touched it: the same facts in the same order everywhere.

pub use crate::domain::Link;

/// What a message says, in the order in which it says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Card {
    /// `🔴 North Korea is down · 2 h 12 min, since …`
    pub title: String,
    /// One line under the title.
    pub lead: Option<String>,
    pub rows: Vec<Row>,
    /// Labelled sentences: Gateways, Reading, Sure, Unknown.
    pub notes: Vec<Note>,
    pub links: Vec<Link>,
    pub foot: Vec<String>,
}

/// One measured signal.
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
    pub fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    pub fn note(&mut self, label: &str, text: impl Into<String>) {
        self.notes.push(Note { label: label.to_owned(), text: text.into() });
    }
}
