//! `/help [command]`

use crate::render::Card;
use crate::render::lists::{HelpLine, help};

/// In the order of [`WORDS`](super::WORDS). The first sentence is what platforms show in their menus: at most 100 characters.
pub const LINES: [HelpLine; 15] = [
    HelpLine {
        usage: "/status [what]",
        menu: "How a country, a network or a site stands now",
        more: "With each number, its normal and its age: KP, North Korea, AS131279, 175.45.176.0/22, kcna.kp, \
               region/4416; several at once; all that is watched where nothing is named",
    },
    HelpLine {
        usage: "/why what [when]",
        menu: "Why it is told as down, or why there is no alert of it",
        more: "Each signal's value, normal and evidence, and the rules that were met or not. When: 17:34, 2h ago, \
               2025-06-06 17:34 (UTC); now where not said",
    },
    HelpLine {
        usage: "/subscribe what",
        menu: "Tell this chat when it goes down and when it comes back",
        more: "What: as in /status, or all. Then, where wanted: sensitivity: careful (when highly sure), balanced, \
               eager (from the first sign) · kinds: starts, updates, recoveries · layers: routing, reach, traffic, dns, web, mail · mention: who is \
               called by name · quiet: 22-07 · zone: Asia/Seoul",
    },
    HelpLine {
        usage: "/unsubscribe [what]",
        menu: "Tell this chat no more of it",
        more: "/unsubscribe everything ends all",
    },
    HelpLine {
        usage: "/subscriptions",
        menu: "What this chat hears of, and whether telling it works",
        more: "With what is owed, last sent, last refused",
    },
    HelpLine {
        usage: "/mute what for 2h",
        menu: "Leave this chat alone for a while",
        more: "What: as in /subscribe; how long: 30 min, 2h, 3 days. What happened is summed up at the end",
    },
    HelpLine { usage: "/unmute [what]", menu: "End a mute", more: "What it held back is told at once, as it stands" },
    HelpLine { usage: "/watchlist", menu: "What is watched, and how each stands", more: "" },
    HelpLine { usage: "/history [what]", menu: "Past and present outages, newest first", more: "" },
    HelpLine { usage: "/outage ID", menu: "One outage: each change with its evidence in full", more: "" },
    HelpLine { usage: "/sources", menu: "How the sources are doing", more: "" },
    HelpLine {
        usage: "/test",
        menu: "Send a marked sample here and say whether it arrived",
        more: "It takes the way of every alert",
    },
    HelpLine { usage: "/forget", menu: "Remove all that is kept of this chat", more: "/forget yes does it" },
    HelpLine { usage: "/about", menu: "What this bot is, and whose data it shows", more: "" },
    HelpLine { usage: "/help [command]", menu: "All commands, or one in full", more: "" },
];

pub(super) fn answer(about: Option<&str>) -> Card {
    let one = about.and_then(|word| LINES.iter().find(|line| line.word() == word));
    match one {
        Some(line) => help(std::slice::from_ref(line)),
        None => help(&LINES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::WORDS;

    #[test]
    fn every_command_has_its_line() {
        for (word, line) in WORDS.iter().zip(&LINES) {
            assert!(line.usage[1..].split(' ').next() == Some(word), "{word}");
            assert!(line.menu.chars().count() <= 100, "{word}");
            assert_eq!(answer(Some(word)).notes.len(), 1, "{word}");
        }
        assert_eq!(answer(Some("nonsense")).notes.len(), LINES.len());
    }
}
