//! `/help [command]`

use crate::render::Card;
use crate::render::lists::{HelpLine, help};

const LINES: [HelpLine; 6] = [
    HelpLine {
        usage: "/status [what]",
        what: "how it stands now, with the numbers: a country by code or name, AS131279, a prefix, a site, region/4416; \
               several at once; all that is watched where nothing is named",
    },
    HelpLine { usage: "/watchlist", what: "what is watched, and how each stands" },
    HelpLine { usage: "/history [what]", what: "past and present incidents, newest first" },
    HelpLine { usage: "/outage ID", what: "one incident: each change with its evidence in full" },
    HelpLine { usage: "/sources", what: "how the sources are doing" },
    HelpLine { usage: "/help [command]", what: "this" },
];

pub(super) fn answer(about: Option<&str>) -> Card {
    let about: Vec<HelpLine> =
        LINES.into_iter().filter(|line| about.is_none_or(|word| line.usage[1..].starts_with(word))).collect();
    help(if about.is_empty() { &LINES } else { &about })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_line() {
        for word in crate::command::parse::WORDS {
            assert_eq!(answer(Some(word)).notes.len(), 1, "{word}");
        }
        assert_eq!(answer(Some("nonsense")).notes.len(), LINES.len());
    }
}
