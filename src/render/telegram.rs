//! Renders a card as Telegram's HTML. Each line closes its own tags, so that a message can be cut
//! at any line.

use super::blocks::{blocks, cut, length};
use super::card::Card;
use super::console;
use super::outside::visible_within;

/// Telegram's limit for one message, in UTF-16 units. Telegram counts the text without the markup;
/// here the markup counts as well, which is on the safe side.
pub const LIMIT: usize = 4096;
/// The longest text in a line, in UTF-16 units after escaping.
const LINE: usize = 900;
/// The longest line of the foot, in UTF-16 units after escaping, so that the foot and the links
/// fit.
const FOOT: usize = 300;

/// Renders the card as HTML of at most `LIMIT` UTF-16 units. A remark counts the lines left out.
pub fn html(card: &Card) -> String {
    let mut head = vec![format!("<b>{}</b>", escaped(&card.title.to_string()))];
    head.extend(card.lead.iter().map(|lead| escaped(&lead.to_string())));
    let mut foot: Vec<String> = Vec::new();
    let links: Vec<String> =
        card.links.iter().filter_map(|link| anchor(&link.label, &link.url)).take(6).collect();
    if !links.is_empty() {
        foot.push(format!("<b>Check</b> {}", links.join(" · ")));
    }
    foot.extend(
        card.foot.iter().take(6).map(|line| format!("<i>{}</i>", escaped_within(line, FOOT))),
    );
    let body = body(card);
    let room = LIMIT.saturating_sub(taken(&head) + taken(&foot) + 80);
    let mut kept = Vec::new();
    let mut used = 0;
    for line in &body {
        used += length(line) + 1;
        if used > room {
            break;
        }
        kept.push(line.clone());
    }
    let lost = body.len() - kept.len();
    while kept.last().is_some_and(String::is_empty) {
        kept.pop();
    }
    if lost > 0 {
        kept.push(format!("<i>… {lost} more lines do not fit here</i>"));
    }
    head.extend(kept);
    if !foot.is_empty() {
        head.push(String::new());
        head.extend(foot);
    }
    head.join("\n")
}

/// Renders the card without markup, for a message that Telegram could not parse with it.
pub fn plain(card: &Card) -> String {
    cut(&console::text(card), LIMIT)
}

/// Returns the lines of the body, with an empty one around each block that is long.
fn body(card: &Card) -> Vec<String> {
    let mut lines = Vec::new();
    let mut last_was_long = false;
    for block in blocks(card) {
        let heading = if block.heading.is_empty() {
            String::new()
        } else {
            format!("<b>{}</b>", escaped(&block.heading))
        };
        let is_long =
            block.lines.len() > 1 || block.lines.iter().any(|line| line.chars().count() > 60);
        if is_long || last_was_long || lines.is_empty() {
            lines.push(String::new());
        }
        last_was_long = is_long;
        match (heading.is_empty(), is_long, block.lines.as_slice()) {
            (false, false, [one]) => lines.push(format!("{heading} {}", escaped(one))),
            (no_heading, _, many) => {
                lines.extend((!no_heading).then_some(heading));
                lines.extend(many.iter().map(|line| escaped(line)));
            }
        }
    }
    lines
}

fn taken(lines: &[String]) -> usize {
    lines.iter().map(|line| length(line) + 1).sum()
}

/// Returns a text as one escaped line of at most `LINE` units.
fn escaped(text: &str) -> String {
    escaped_within(text, LINE)
}

/// Returns a text as one escaped line of at most `most` UTF-16 units after escaping.
fn escaped_within(text: &str, most: usize) -> String {
    let whole = escape(&visible_within(text, most));
    if length(&whole) <= most {
        return whole;
    }
    let mut kept = String::new();
    for letter in text.chars() {
        let next = escape(&visible_within(letter.encode_utf8(&mut [0; 4]), 1));
        if length(&kept) + length(&next) >= most {
            break;
        }
        kept.push_str(&next);
    }
    kept.push('…');
    kept
}

/// Escapes the characters with a meaning in Telegram's HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Returns a link in HTML, or `None` if the URL is not `https` or is longer than 400 bytes.
fn anchor(label: &str, url: &str) -> Option<String> {
    let is_plain =
        url.starts_with("https://") && url.len() <= 400 && !url.contains(char::is_whitespace);
    is_plain.then(|| format!("<a href=\"{}\">{}</a>", escape(url), escaped_within(label, 60)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::arbitrary::{CARDS, card};

    /// Returns the first error that Telegram's parser would find: an unknown tag or entity, or a
    /// tag that is not nested or closed.
    fn broken(html: &str) -> Option<String> {
        let mut open: Vec<String> = Vec::new();
        let mut rest = html;
        while let Some(at) = rest.find(['<', '&', '>']) {
            let tail = &rest[at..];
            if tail.starts_with('>') {
                return Some("a bare >".into());
            }
            if tail.starts_with('&') {
                let end = tail.find(';')?;
                if !["&lt;", "&gt;", "&amp;", "&quot;"].contains(&&tail[..=end]) {
                    return Some(format!("entity {}", &tail[..=end]));
                }
                rest = &tail[end + 1..];
                continue;
            }
            let Some(end) = tail.find('>') else { return Some("an open tag".into()) };
            let tag = &tail[1..end];
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop().as_deref() != Some(name) {
                    return Some(format!("/{name} closes nothing"));
                }
            } else {
                let name = tag.split(' ').next().unwrap().to_owned();
                if !["b", "i", "a"].contains(&name.as_str()) {
                    return Some(format!("tag {name}"));
                }
                open.push(name);
            }
            rest = &tail[end + 1..];
        }
        (!open.is_empty()).then(|| format!("{open:?} stay open"))
    }

    #[test]
    fn no_message_is_too_long_or_broken_whatever_it_tells() {
        for seed in 0..CARDS {
            let card = card(seed);
            let html = html(&card);
            assert!(length(&html) <= LIMIT, "seed {seed}: {}", length(&html));
            assert_eq!(broken(&html), None, "seed {seed}: {html}");
            assert!(length(&plain(&card)) <= LIMIT, "seed {seed}");
        }
    }
}
