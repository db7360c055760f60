//! Says, from what the chats hold and what the incidents are, whether each chat heard what it was owed, in order and once.

use std::collections::BTreeMap;

/// What one chat holds of one incident, in the order in which it came.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The kinds by the mark in front of a message: 🔴 start or gone again, 🟡 partly back, 🟢 back.
    pub marks: Vec<char>,
    /// The message that is edited shows this in the end.
    pub card: char,
}

/// By incident, from the messages of a chat: `(first line as it was sent, text now)`.
pub fn heard(messages: &[(String, String)]) -> BTreeMap<i64, Heard> {
    let mut by_incident: BTreeMap<i64, Heard> = BTreeMap::new();
    for (first, now) in messages {
        let Some(incident) = incident(now) else { continue };
        let heard = by_incident.entry(incident).or_default();
        // A start that was told twice leaves its first message as it was: the card is the other.
        if heard.marks.is_empty() || mark(first) == '🔴' && mark(now) == '🟢' {
            heard.card = mark(now);
        }
        heard.marks.push(mark(first));
    }
    by_incident
}

/// The mark in front of a message; what tells of a change while it is down has one of its own here.
fn mark(text: &str) -> char {
    let mark = text.chars().find(|c| ['🔴', '🟡', '🟢', '🟠', '⚪'].contains(c)).unwrap_or(' ');
    match mark {
        '🔴' if text.contains("more of it is gone") || text.contains("gone again") => '🟤',
        mark => mark,
    }
}

/// `Incident 7 · /outage 7`, and on Discord `Incident 7 · /outage id: 7`
fn incident(text: &str) -> Option<i64> {
    let at = text.rfind("/outage ")? + "/outage ".len();
    let digits: String =
        text[at..].trim_start_matches("id: ").chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// What is wrong with what a chat heard of an incident that is over.
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
    // A start, a return: each once. Changes between may be overtaken.
    wrong.lost += usize::from(heard.marks.first() != Some(&'🔴')) + usize::from(count('🟢') == 0);
    wrong.doubled += count('🟢').saturating_sub(1);
    if let Some(back) = heard.marks.iter().position(|mark| *mark == '🟢') {
        wrong.out_of_order += heard.marks[back..].iter().filter(|mark| **mark != '🟢').count();
        // What came twice in a row without anything between was told twice.
        wrong.doubled += heard.marks[..back]
            .windows(2)
            .filter(|pair| pair[0] == '🔴' && pair[1] == '🔴')
            .count();
    }
    wrong.stale_cards += usize::from(heard.card != '🟢');
    wrong
}
