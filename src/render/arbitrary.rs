//! Random cards for the property tests of the renderers, with odd characters in every text and
//! lengths beyond all limits. A card depends only on its seed, so a failure can be reproduced.

use super::card::{Action, Card, Line, Link, Note, Row, Tone};
use crate::domain::Timestamp;
use chrono_tz::Tz;
use fastrand::Rng;

/// The number of cards that a property test checks.
pub(super) const CARDS: u64 = 2_000;

const ODD: [&str; 12] = [
    "North Korea",
    "0 of 4 blocks announced",
    "<b>&amp;</b>",
    "&&&&<<<<\"\"\"\"",
    "**bold** __under__ ~~gone~~ ||secret|| `code`",
    "@everyone <@&123> <#1> [x](https://a.b/_c_)",
    "مصر \u{202e}txet desrever",
    "👩‍👩‍👧🇰🇵 ́́́́",
    "line\nbreak\r\n\u{0}\u{7}",
    "\\\\\\ # heading > quote - list",
    "",
    " ",
];

/// The pieces of hostile texts.
const HOSTILE: [&str; 30] = [
    "https://",
    "http://",
    "tg://",
    "www.",
    "evil",
    ".example",
    ".com",
    ".рф",
    "t.me/",
    "@",
    "/",
    "#",
    "$",
    "BTC",
    "<",
    "t:0:R>",
    "@everyone",
    "<@&1>",
    "</x:1>",
    ":smile:",
    "+4912345678",
    "\u{61c}",
    "\u{ad}",
    "\u{202e}",
    "\u{e0041}",
    "\u{fe0f}",
    "**",
    "`",
    " ",
    "[x](http://y.example)",
];

/// Returns a text as an attacker or a faulty server may write it.
pub(super) fn hostile(rng: &mut Rng) -> String {
    let piece = |rng: &mut Rng| match rng.u8(0..10) {
        0..=6 => HOSTILE[rng.usize(0..HOSTILE.len())].to_owned(),
        7..=8 => rng.char(' '..='~').to_string(),
        _ => rng.char(..).to_string(),
    };
    (0..rng.usize(1..14)).map(|_| piece(rng)).collect()
}

fn text(rng: &mut Rng) -> String {
    match rng.u8(0..60) {
        0..=40 => ODD[rng.usize(0..ODD.len())].to_owned(),
        41..=42 => hostile(rng),
        43..=50 => (0..rng.usize(0..30)).map(|_| rng.char(' '..='~')).collect(),
        51..=58 => (0..rng.usize(0..30)).map(|_| rng.char(..)).collect(),
        _ => ODD[rng.usize(0..ODD.len())].repeat(rng.usize(0..300)),
    }
}

fn line(rng: &mut Rng) -> Line {
    let line = Line::from(text(rng));
    let now = Timestamp::from_unix(1_749_231_240);
    if rng.bool() {
        line.at(Timestamp::from_unix(rng.i64(0..4_000_000_000)), Tz::Asia__Tehran, now)
    } else {
        line
    }
}

fn several<T>(rng: &mut Rng, most: usize, one: impl Fn(&mut Rng) -> T) -> Vec<T> {
    (0..rng.usize(0..most)).map(|_| one(rng)).collect()
}

pub(super) fn card(seed: u64) -> Card {
    let rng = &mut Rng::with_seed(seed);
    let row = |rng: &mut Rng| Row {
        layer: text(rng),
        measured: text(rng),
        source: text(rng),
        normal: text(rng),
        at: text(rng),
    };
    let most_rows = if rng.u8(0..20) == 0 { 90 } else { 8 };
    Card {
        title: line(rng),
        tone: Tone::Down,
        lead: rng.bool().then(|| line(rng)),
        rows: several(rng, most_rows, row),
        notes: several(rng, 8, |rng| Note { label: text(rng), text: text(rng) }),
        links: several(rng, 4, |rng| Link {
            label: text(rng),
            url: format!("https://stat.ripe.net/{}", text(rng)),
        }),
        foot: several(rng, 5, text),
        actions: vec![Action::new("Details", "outage 1")],
    }
}
