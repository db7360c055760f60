//! Renders a card as plain text for a terminal or a pipe.

use super::card::{Card, Row};
use super::outside::visible_lines;

const INDENT: &str = "   ";
/// The width of the first column, in which labels and layers line up. `Confidence` is the longest
/// of the common ones.
const LABEL: usize = 12;

/// Returns the card as aligned lines, without any control character but `\n`.
pub fn text(card: &Card) -> String {
    let mut lines = vec![card.title.to_string()];
    lines.extend(card.lead.iter().map(|lead| format!("{INDENT}{lead}")));
    lines.extend(table(&card.rows));
    // The notes of an alert line up with its table; a longer label shifts only its own line.
    let is_alert = card.rows.iter().any(|row| !row.layer.is_empty());
    let longest = card.notes.iter().map(|note| width(&note.label) + 2).max().unwrap_or(0);
    let label = if is_alert { LABEL } else { longest.max(LABEL) };
    for note in &card.notes {
        for (i, line) in note.text.lines().enumerate() {
            let name = if i == 0 { note.label.as_str() } else { "" };
            let gap = if width(name) >= label { " " } else { "" };
            lines.push(format!("{INDENT}{}{gap}{line}", padded(name, label)));
        }
    }
    if !card.links.is_empty() {
        let shown: Vec<String> =
            card.links.iter().map(|link| format!("{} {}", link.label, link.url)).collect();
        for (i, link) in shown.iter().enumerate() {
            lines.push(format!(
                "{INDENT}{}{link}",
                padded(if i == 0 { "Check" } else { "" }, label)
            ));
        }
    }
    lines.extend(card.foot.iter().map(|foot| format!("{INDENT}{foot}")));
    // A terminal executes control sequences, so none from a name or a source may get through.
    visible_lines(&lines.join("\n"))
}

fn table(rows: &[Row]) -> Vec<String> {
    let column = |of: fn(&Row) -> &str| rows.iter().map(|row| width(of(row))).max().unwrap_or(0);
    let is_list = rows.iter().all(|row| row.layer.is_empty());
    let layer = column(|row| &row.layer).max(LABEL - 2);
    let widths =
        [layer, column(|row| &row.measured), column(|row| &row.source), column(|row| &row.normal)];
    // The entries of a list have no layer, so that column is left out.
    let first = usize::from(is_list);
    rows.iter()
        .map(|row| {
            let cells = [&row.layer, &row.measured, &row.source, &row.normal];
            let cells = cells.iter().zip(widths).skip(first);
            let line: String = cells.map(|(cell, width)| padded(cell, width + 2)).collect();
            format!("{INDENT}{line}{}", row.at).trim_end().to_owned()
        })
        .collect()
}

fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

/// Returns the width in terminal columns: two for each coloured mark, one for any other character.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| if ('\u{1f000}'..='\u{1faff}').contains(&c) || c == '⚪' { 2 } else { 1 })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::arbitrary::{CARDS, card};
    use crate::render::card::{Link, Note};
    use crate::render::outside::is_unseen;

    #[test]
    fn nothing_that_is_shown_is_an_order_to_the_terminal() {
        let mut odd = Card::titled("\u{1b}]0;owned\u{7}North Korea \u{202e}nwod si");
        odd.note("Why\u{1b}[2J", "a\u{8}b");
        assert_eq!(text(&odd), "]0;ownedNorth Korea nwod si\n   Why[2J     ab");
        for seed in 0..CARDS {
            let shown = text(&card(seed));
            assert!(
                !shown.contains(|c| c != '\n' && c != '\u{fe0f}' && is_unseen(c)),
                "{seed}: {shown:?}"
            );
        }
    }

    #[test]
    fn a_card_lines_up_in_columns() {
        let row = |layer: &str, measured: &str, source: &str| Row {
            layer: layer.into(),
            measured: measured.into(),
            source: source.into(),
            normal: "normal 4".into(),
            at: "19:20 UTC".into(),
        };
        let card = Card {
            title: "🔴 North Korea is down".into(),
            rows: vec![
                row("routing", "0 of 4 blocks announced", "IODA BGP"),
                row("", "0 of 4 blocks answer", "IODA probing"),
            ],
            notes: vec![Note { label: "Sure".into(), text: "high\nvery".into() }],
            links: vec![Link { label: "IODA".into(), url: "https://example.org".into() }],
            ..Card::default()
        };
        insta::assert_snapshot!(text(&card), @"
        🔴 North Korea is down
           routing     0 of 4 blocks announced  IODA BGP      normal 4  19:20 UTC
                       0 of 4 blocks answer     IODA probing  normal 4  19:20 UTC
           Sure        high
                       very
           Check       IODA https://example.org
        ");
    }
}
