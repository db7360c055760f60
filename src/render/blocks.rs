//! A card as blocks of lines with headings, for platforms whose screens are too narrow for a table.

use super::card::{Card, Row};

/// A heading and the lines below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The layer of the rows or the label of the note; empty for the entries of a list.
    pub heading: String,
    /// The rows, or the lines of the note, as plain text.
    pub lines: Vec<String>,
}

/// Returns the rows and then the notes of a card as blocks.
pub fn blocks(card: &Card) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for row in &card.rows {
        match blocks.last_mut().filter(|_| row.layer.is_empty()) {
            Some(block) => block.lines.push(line(row)),
            None => blocks.push(Block { heading: row.layer.clone(), lines: vec![line(row)] }),
        }
    }
    blocks.extend(card.notes.iter().map(|note| Block {
        heading: note.label.clone(),
        lines: note.text.lines().map(str::to_owned).collect(),
    }));
    blocks
}

/// Returns a row in one line: `0 of 4 blocks announced · normal 4 · IODA BGP · 19:20 UTC`.
fn line(row: &Row) -> String {
    let cells = [&row.measured, &row.normal, &row.source, &row.at];
    let said: Vec<&str> =
        cells.into_iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect();
    said.join(" · ")
}

/// Returns the length in UTF-16 units, in which both Telegram and Discord count.
pub fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Cuts the text to at most `most` UTF-16 units, with an ellipsis where it was cut.
pub fn cut(text: &str, most: usize) -> String {
    if length(text) <= most {
        return text.to_owned();
    }
    let mut left = most.saturating_sub(1);
    let fits = |c: &char| {
        let needs = c.len_utf16();
        let fits = needs <= left;
        left = left.saturating_sub(needs);
        fits
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}…", kept.trim_end())
}
