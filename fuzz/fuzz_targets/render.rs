//! Whatever a card holds: no message is over a platform's limit, no markup is broken, and nobody is called who should not be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkdown::render::card::{Card, Link, Note, Row};
use linkdown::render::{console, discord, telegram};

/// Fields follow each other behind this.
const NEXT: char = '\u{1f}';

fuzz_target!(|text: &str| {
    let mut fields = text.split(NEXT).map(str::to_owned);
    let mut card = Card::titled(fields.next().unwrap_or_default());
    while let Some(kind) = fields.next() {
        let mut field = || fields.next().unwrap_or_default();
        match kind.as_str() {
            "row" => card.rows.push(Row { layer: field(), measured: field(), source: field(), normal: field(), at: field() }),
            "note" => card.notes.push(Note { label: field(), text: field() }),
            "link" => card.links.push(Link { label: field(), url: format!("https://stat.ripe.net/{}", field()) }),
            "lead" => card.lead = Some(field().into()),
            _ => card.foot.push(kind),
        }
    }
    assert!(discord::embed(&card).length() <= 6000);
    assert!(discord::plain(&card).chars().count() <= 2000);
    let html = telegram::html(&card);
    let mut rest = &*html;
    let mut visible = 0;
    while let Some(at) = rest.find('<') {
        visible += rest[..at].encode_utf16().count();
        let end = rest[at..].find('>').expect("a tag that is opened is closed") + at;
        let tag = rest[at + 1..end].trim_start_matches('/');
        assert!(["b", "i", "a"].contains(&tag.split(' ').next().unwrap_or_default()), "<{tag}>");
        rest = &rest[end + 1..];
    }
    visible += rest.encode_utf16().count();
    // An entity counts as one character; counted as written it is only more.
    assert!(visible <= 4096 * 6, "{visible}");
    assert!(telegram::plain(&card).encode_utf16().count() <= 4096);
    let shown = console::text(&card);
    assert!(!shown.contains(['\u{202e}', '\u{7}', '\u{1b}']), "{shown:?}");
});
