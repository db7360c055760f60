//! Judges by the messages in the chats and the incidents whether each chat got what it was owed, in
//! order and once.

use std::collections::BTreeMap;

/// The messages of one incident in one chat, in order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The mark in front of each message: 🔴 down or down again, 🟡 partly restored, 🟢 restored.
    pub marks: Vec<char>,
    /// The last mark of the message that is edited.
    pub card: char,
}

/// Groups the messages of a chat by incident; each is `(first line as it was sent, text now)`.
pub fn heard(messages: &[(String, String)]) -> BTreeMap<i64, Heard> {
    let mut by_incident: BTreeMap<i64, Heard> = BTreeMap::new();
    for (first, now) in messages {
        let Some(incident) = incident(now) else { continue };
        let heard = by_incident.entry(incident).or_default();
        // If a start was sent twice, its first message stays unedited and the other one is the
        // card.
        if heard.marks.is_empty() || mark(first) == '🔴' && mark(now) == '🟢' {
            heard.card = mark(now);
        }
        heard.marks.push(mark(first));
    }
    by_incident
}

/// Returns the mark in front of a message. A change during the outage gets a mark of its own here.
fn mark(text: &str) -> char {
    let mark = text.chars().find(|c| ['🔴', '🟡', '🟢', '🟠', '⚪'].contains(c)).unwrap_or(' ');
    match mark {
        '🔴' if text.contains("more of it is gone") || text.contains("gone again") => '🟤',
        mark => mark,
    }
}

/// Returns the incident's number from `Incident 7 · /outage 7`, or on Discord `Incident 7 · /outage
/// id: 7`.
fn incident(text: &str) -> Option<i64> {
    let at = text.rfind("/outage ")? + "/outage ".len();
    let digits: String =
        text[at..].trim_start_matches("id: ").chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The errors in a chat's messages about an incident that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrong {
    pub lost: usize,
    pub doubled: usize,
    pub out_of_order: usize,
    pub stale_cards: usize,
}

impl Wrong {
    pub fn and(self, more: Self) -> Self {
        Self {
            lost: self.lost + more.lost,
            doubled: self.doubled + more.doubled,
            out_of_order: self.out_of_order + more.out_of_order,
            stale_cards: self.stale_cards + more.stale_cards,
        }
    }
}

pub fn judge(heard: Option<&Heard>) -> Wrong {
    let mut wrong = Wrong::default();
    let Some(heard) = heard else { return Wrong { lost: 2, ..wrong } };
    let count = |mark: char| heard.marks.iter().filter(|m| **m == mark).count();
    // The start and the recovery must each be sent once. Newer changes may replace the ones
    // between.
    wrong.lost += usize::from(heard.marks.first() != Some(&'🔴')) + usize::from(count('🟢') == 0);
    wrong.doubled += count('🟢').saturating_sub(1);
    if let Some(back) = heard.marks.iter().position(|mark| *mark == '🟢') {
        wrong.out_of_order += heard.marks[back..].iter().filter(|mark| **mark != '🟢').count();
        // Two starts in a row mean that one message was sent twice.
        wrong.doubled += heard.marks[..back]
            .windows(2)
            .filter(|pair| pair[0] == '🔴' && pair[1] == '🔴')
            .count();
    }
    wrong.stale_cards += usize::from(heard.card != '🟢');
    wrong
}
