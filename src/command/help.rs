//! `/help [command]`.

use crate::domain::{Layer, Sensitivity};
use crate::render::lists::{HelpLine, help};
use crate::render::syntax::Usage;
use crate::render::words::listed;
use crate::render::{Card, Syntax};

const fn required(name: &'static str, typed: &'static str) -> Usage {
    Usage { name, typed, is_required: true }
}

const fn optional(name: &'static str, typed: &'static str) -> Usage {
    Usage { name, typed, is_required: false }
}

/// The channel in which a command takes effect, on a platform that lets one choose it.
const CHANNEL: Usage = optional("channel", "");

fn nothing(_: Syntax) -> String {
    String::new()
}

/// The help of every command, in the order of [`WORDS`](super::WORDS). `menu` is the text in a
/// platform's command menu: at most 100 characters.
pub const LINES: [HelpLine; 15] = [
    HelpLine {
        word: "status",
        options: &[optional("what", "what")],
        menu: "How a country, a network or a site stands now",
        more: |_| {
            "With each number, its normal and its age: KP, North Korea, 🇰🇵, AS131279, 175.45.176.0/22, kcna.kp, \
             region/4416; several at once; all that is watched where nothing is named"
                .to_owned()
        },
    },
    HelpLine {
        word: "why",
        options: &[required("what", "what"), optional("when", "when")],
        menu: "Why it is told as down, or why there is no alert of it",
        more: |_| {
            "Each signal's value, normal and evidence, and the rules that were met or not. When: 17:34, 2h ago, \
             yesterday, last night, monday 9:00, 7 june 02:34 KST, 2025-06-06 17:34; UTC where no zone is named, now \
             where nothing is said"
                .to_owned()
        },
    },
    HelpLine {
        word: "subscribe",
        options: &[
            required("what", "what"),
            optional("sensitivity", ""),
            optional("kinds", ""),
            optional("layers", ""),
            optional("mention", ""),
            optional("quiet", ""),
            optional("zone", ""),
            CHANNEL,
        ],
        menu: "Tell this chat when it goes down and when it comes back",
        more: |syntax| {
            let as_status = syntax.call("status", &[]);
            let sensitivities =
                Sensitivity::ALL.map(|word| format!("{word} ({})", word.meaning())).join(", ");
            let layers = listed(&Layer::ALL.map(|layer| layer.to_string()));
            format!(
                "What: as in {as_status}, or all. Then, where wanted: sensitivity: {sensitivities} · kinds: starts, \
                 updates, recoveries · layers: {layers} · mention: who is called by name · quiet: 22-07 · zone: \
                 Asia/Seoul, KST"
            )
        },
    },
    HelpLine {
        word: "unsubscribe",
        options: &[optional("what", "what"), CHANNEL],
        menu: "Tell this chat no more of it",
        more: |syntax| {
            format!("{} ends all", syntax.call("unsubscribe", &[("what", "everything")]))
        },
    },
    HelpLine {
        word: "subscriptions",
        options: &[CHANNEL],
        menu: "What this chat hears of, and whether telling it works",
        more: |_| "With what is owed, last sent, last refused".to_owned(),
    },
    HelpLine {
        word: "mute",
        options: &[required("what", "what"), required("for", "for 2h"), CHANNEL],
        menu: "Leave this chat alone for a while",
        more: |syntax| {
            format!(
                "What: as in {}; how long: 30 min, 2h, 3 days. What happened is summed up at the end",
                syntax.call("subscribe", &[])
            )
        },
    },
    HelpLine {
        word: "unmute",
        options: &[optional("what", "what"), CHANNEL],
        menu: "End a mute",
        more: |_| "What it held back is told at once, as it stands".to_owned(),
    },
    HelpLine {
        word: "watchlist",
        options: &[],
        menu: "What is watched, and how each stands",
        more: nothing,
    },
    HelpLine {
        word: "history",
        options: &[optional("what", "what")],
        menu: "Past and present outages, newest first",
        more: nothing,
    },
    HelpLine {
        word: "outage",
        options: &[required("id", "ID")],
        menu: "One outage: each change with its evidence in full",
        more: nothing,
    },
    HelpLine { word: "sources", options: &[], menu: "How the sources are doing", more: nothing },
    HelpLine {
        word: "test",
        options: &[CHANNEL],
        menu: "Send a marked sample here and say whether it arrived",
        more: |_| "It takes the way of every alert".to_owned(),
    },
    HelpLine {
        word: "forget",
        options: &[optional("sure", ""), CHANNEL],
        menu: "Remove all that is kept of this chat",
        more: |syntax| format!("{} does it", syntax.call("forget", &[("sure", "yes")])),
    },
    HelpLine {
        word: "about",
        options: &[],
        menu: "What this bot is, and whose data it shows",
        more: nothing,
    },
    HelpLine {
        word: "help",
        options: &[optional("command", "command")],
        menu: "All commands, or one in full",
        more: nothing,
    },
];

pub(super) fn answer(about: Option<&str>, syntax: Syntax) -> Card {
    let one = about.and_then(|word| LINES.iter().find(|line| line.word() == word));
    if let Some(line) = one {
        return help(std::slice::from_ref(line), syntax);
    }
    let mut card = help(&LINES, syntax);
    if syntax == Syntax::Typed {
        card.foot.push("Or just ask: is North Korea down?".to_owned());
    }
    card
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::WORDS;

    #[test]
    fn every_command_has_its_line() {
        for (word, line) in WORDS.iter().zip(&LINES) {
            assert_eq!(line.word(), *word);
            assert!(line.menu.chars().count() <= 100, "{word}");
            for syntax in [Syntax::Typed, Syntax::Slash] {
                assert_eq!(answer(Some(word), syntax).notes.len(), 1, "{word}");
            }
        }
        assert_eq!(answer(Some("nonsense"), Syntax::Typed).notes.len(), LINES.len());
    }

    #[test]
    fn each_platform_is_shown_its_own_form() {
        let label = |word, syntax| answer(Some(word), syntax).notes[0].label.clone();
        assert_eq!(label("mute", Syntax::Typed), "/mute what for 2h");
        assert_eq!(label("mute", Syntax::Slash), "/mute what: for: [channel:]");
        assert_eq!(label("status", Syntax::Typed), "/status [what]");
        assert_eq!(label("forget", Syntax::Slash), "/forget [sure:] [channel:]");
    }
}
