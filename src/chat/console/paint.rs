//! Colour on a terminal: the title by its tone, the foot dimmed. There is none in a pipe or with
//! `NO_COLOR`.

use crate::render::card::{Card, Tone};
use crate::render::console::text;
use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;

const RESET: &str = "\u{1b}[0m";
const DIM: &str = "\u{1b}[2m";

/// Whether output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Colour,
}

/// Returns whether this process may write colour to a stream.
pub fn has_colour(stream: &impl IsTerminal) -> bool {
    Paint::of(stream.is_terminal(), |name| std::env::var_os(name)) == Paint::Colour
}

impl Paint {
    /// Decides whether a stream gets colour. A non-empty `NO_COLOR` turns it off
    /// (<https://no-color.org>), and so does `TERM=dumb`.
    pub(super) fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let is_off = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = variable("TERM").as_deref() == Some(OsStr::new("dumb"));
        if is_terminal && !is_off && !is_dumb { Self::Colour } else { Self::Plain }
    }

    /// Returns the printed text of a card.
    pub(super) fn card(self, card: &Card) -> String {
        let text = text(card);
        if self == Self::Plain {
            return text;
        }
        let lines: Vec<&str> = text.lines().collect();
        let foot = lines.len().saturating_sub(card.foot.len()).max(1);
        let painted = lines.iter().enumerate().map(|(at, line)| match at {
            0 => format!("{}{line}{RESET}", title(card.tone)),
            _ if at >= foot => format!("{DIM}{line}{RESET}"),
            _ => (*line).to_owned(),
        });
        painted.collect::<Vec<_>>().join("\n")
    }
}

fn title(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "\u{1b}[1m",
        Tone::Up => "\u{1b}[1;32m",
        Tone::Suspected | Tone::Returning => "\u{1b}[1;33m",
        Tone::Down => "\u{1b}[1;31m",
        Tone::Unknown => "\u{1b}[1;35m",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::outside::is_unseen;

    #[test]
    fn colour_is_for_a_terminal_alone_and_can_be_turned_off() {
        let with = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| OsString::from(value))
        };
        assert_eq!(Paint::of(true, |_| None), Paint::Colour);
        assert_eq!(Paint::of(false, |_| None), Paint::Plain);
        assert_eq!(Paint::of(true, with("NO_COLOR", "1")), Paint::Plain);
        assert_eq!(
            Paint::of(true, with("NO_COLOR", "")),
            Paint::Colour,
            "an empty one says nothing"
        );
        assert_eq!(Paint::of(true, with("TERM", "dumb")), Paint::Plain);
    }

    #[test]
    fn a_title_has_the_colour_of_its_tone_and_nothing_else_is_ordered() {
        let mut card = Card::titled("North Korea\u{1b}[2J is down").toned(Tone::Down);
        card.note("Reading", "both gateways");
        card.foot.push("Incident 1".to_owned());
        let painted = Paint::Colour.card(&card);
        assert_eq!(
            painted,
            "\u{1b}[1;31mNorth Korea[2J is down\u{1b}[0m\n   Reading     both gateways\n\u{1b}[2m   Incident 1\u{1b}[0m"
        );
        assert!(!Paint::Plain.card(&card).contains(|c| c != '\n' && is_unseen(c)));
        assert_eq!(
            Paint::Colour.card(&Card::titled("")),
            "",
            "nothing is painted where there is nothing"
        );
    }
}
