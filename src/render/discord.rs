//! Renders a card as a Discord embed, within all limits of one message.

use super::blocks::{blocks, cut, length};
use super::card::{Card, Line, Tone};
use super::console;
use super::line::Part;
use super::outside::visible_within;

/// Discord's limits:
/// <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>
const TITLE: usize = 256;
const DESCRIPTION: usize = 4096;
const FIELDS: usize = 25;
const NAME: usize = 256;
const VALUE: usize = 1024;
const FOOTER: usize = 2048;
/// The limit over all texts in all embeds of a message.
const TOTAL: usize = 6000;
/// Discord's limit for the text of a message outside of embeds.
pub const CONTENT: usize = 2000;
/// The room that is kept for the remark that something does not fit.
const MARK: usize = 60;

/// An embed, with its texts in Discord's markup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Embed {
    /// The card's title, at most 256 UTF-16 units.
    pub title: String,
    /// The lead, the reader's local time, and the entries of a list.
    pub description: String,
    /// The colour of the bar beside the embed: `0xRRGGBB`.
    pub colour: u32,
    /// Name and value of each headed block, at most 25.
    pub fields: Vec<(String, String)>,
    /// The card's foot, which Discord shows without markup.
    pub footer: String,
}

impl Embed {
    /// Returns the length that Discord counts against its limit over all texts.
    pub fn length(&self) -> usize {
        let fields: usize =
            self.fields.iter().map(|(name, value)| length(name) + length(value)).sum();
        length(&self.title) + length(&self.description) + fields + length(&self.footer)
    }
}

/// Renders the card as an embed. Parts that do not fit are counted in a remark.
pub fn embed(card: &Card) -> Embed {
    let footer = cut(
        &card.foot.iter().map(|line| visible_within(line, 300)).collect::<Vec<_>>().join("\n"),
        FOOTER / 2,
    );
    let mut embed = Embed {
        title: cut(&escape_title(&visible_within(&card.title.to_string(), TITLE)), TITLE),
        description: lead(card),
        colour: colour(card.tone),
        fields: Vec::new(),
        footer,
    };
    let (mut lines, mut fields) = (Vec::new(), Vec::new());
    for block in blocks(card) {
        let said: Vec<String> =
            block.lines.iter().map(|line| escape(&visible_within(line, VALUE / 2))).collect();
        if block.heading.is_empty() {
            lines.extend(said);
        } else {
            fields.push((cut(&visible_within(&block.heading, NAME), NAME), said.join("\n")));
        }
    }
    let links: Vec<String> =
        card.links.iter().filter_map(|link| anchor(&link.label, &link.url)).take(6).collect();
    if !links.is_empty() {
        fields.push(("Check".to_owned(), links.join(" · ")));
    }
    fill_description(&mut embed, &lines);
    fill_fields(&mut embed, fields);
    embed
}

/// Renders the card without an embed, for a message that Discord could not read with one. Discord
/// reads markup here too, so everything is escaped except the card's own links at the ends of
/// lines.
pub fn plain(card: &Card) -> String {
    let urls: Vec<&str> = card
        .links
        .iter()
        .filter(|l| anchor(&l.label, &l.url).is_some())
        .map(|l| l.url.as_str())
        .collect();
    let escaped = |line: &str| {
        let own = urls.iter().find_map(|url| Some((line.strip_suffix(url)?, *url)));
        own.map_or_else(|| escape(line), |(before, url)| format!("{}{url}", escape(before)))
    };
    let text = console::text(card);
    let lines: Vec<String> = text.lines().map(escaped).collect();
    cut(&lines.join("\n"), CONTENT)
}

/// Returns the lead, and the first time in the title in each reader's own time zone.
fn lead(card: &Card) -> String {
    let own = card.title.parts().iter().find_map(|part| match part {
        Part::Moment { at, .. } => Some(format!("In your time: <t:{0}:f> (<t:{0}:R>)", at.unix())),
        Part::Text(_) => None,
    });
    let said: Vec<String> = card.lead.iter().map(line).chain(own).collect();
    said.join("\n")
}

fn line(line: &Line) -> String {
    let parts = line.parts().iter().map(|part| match part {
        Part::Text(text) => escape(&visible_within(text, VALUE)),
        Part::Moment { at, .. } => format!("<t:{}:f>", at.unix()),
    });
    parts.collect()
}

/// Adds the entries of a list to the description, as many as there is room for.
fn fill_description(embed: &mut Embed, lines: &[String]) {
    let mut shown = 0;
    for line in lines {
        let more = length(line) + 1;
        if length(&embed.description) + more + MARK > DESCRIPTION
            || embed.length() + more + MARK > TOTAL
        {
            break;
        }
        if !embed.description.is_empty() {
            embed.description.push('\n');
        }
        embed.description.push_str(line);
        shown += 1;
    }
    if shown < lines.len() {
        let left = lines.len() - shown;
        embed.description.extend(["\n… ", &left.to_string(), " more do not fit here"]);
    }
}

/// Adds the headed blocks, as many as there is room for. A block that is too long is cut at a line.
fn fill_fields(embed: &mut Embed, fields: Vec<(String, String)>) {
    let all = fields.len();
    for (at, (name, value)) in fields.into_iter().enumerate() {
        let value = if length(&value) <= VALUE { value } else { cut_at_a_line(&value) };
        let name = if name.trim().is_empty() { "\u{2013}".to_owned() } else { name };
        let value = if value.trim().is_empty() { "\u{2013}".to_owned() } else { value };
        let is_last = at + 1 == all;
        let more = length(&name) + length(&value) + if is_last { 0 } else { MARK };
        let places = if is_last { FIELDS } else { FIELDS - 1 };
        if embed.fields.len() >= places || embed.length() + more > TOTAL {
            embed.fields.push(("…".to_owned(), format!("{} more do not fit here", all - at)));
            return;
        }
        embed.fields.push((name, value));
    }
}

/// Cuts the value to whole lines, so that no markup is cut in two.
fn cut_at_a_line(value: &str) -> String {
    let mut kept = String::new();
    for line in value.lines() {
        if length(&kept) + length(line) + 3 > VALUE {
            break;
        }
        if !kept.is_empty() {
            kept.push('\n');
        }
        kept.push_str(line);
    }
    kept.push_str("\n…");
    kept
}

/// Escapes everything that Discord would read as markup, `:emoji:` names included.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut at_the_start = true;
    for (at, letter) in text.char_indices() {
        let begins_a_line = at_the_start && matches!(letter, '>' | '#' | '-' | '+');
        let is_emoji = letter == ':' && names_an_emoji(&text[at + 1..]);
        if begins_a_line
            || is_emoji
            || matches!(letter, '\\' | '*' | '_' | '~' | '|' | '`' | '[' | '<' | '@')
        {
            escaped.push('\\');
        }
        escaped.push(letter);
        at_the_start &= letter == ' ';
    }
    escaped
}

/// Returns whether the text after a colon begins with the name of an emoji and a colon: `smile:`.
fn names_an_emoji(rest: &str) -> bool {
    rest.split_once(':').is_some_and(|(name, _)| {
        name.len() > 1
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+' | b'~'))
            && name.bytes().any(|b| b.is_ascii_alphabetic())
    })
}

/// Escapes a title, in which Discord reads no links, mentions, headings, lists or quotes.
fn escape_title(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '*' | '_' | '~' | '|' | '<') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

/// Returns a link in markup, or `None` if the URL is not `https`, is longer than 120 UTF-16 units,
/// or could end the markup around it.
fn anchor(label: &str, url: &str) -> Option<String> {
    let is_plain = url.starts_with("https://")
        && length(url) <= 120
        && !url.contains(|c: char| c.is_whitespace() || c == ')' || c == '(');
    is_plain.then(|| format!("[{}]({url})", escape(&visible_within(label, 40)).replace(']', "")))
}

fn colour(tone: Tone) -> u32 {
    match tone {
        Tone::Plain => 0x58_65_F2,
        Tone::Up => 0x2E_CC_71,
        Tone::Suspected => 0xE6_7E_22,
        Tone::Down => 0xE7_4C_3C,
        Tone::Returning => 0xF1_C4_0F,
        Tone::Unknown => 0x95_A5_A6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::arbitrary::{CARDS, card};

    #[test]
    fn what_a_name_holds_is_never_markup() {
        assert_eq!(
            escape("*bold* @everyone [x](http://y) `c` ||s||"),
            "\\*bold\\* \\@everyone \\[x](http://y) \\`c\\` \\|\\|s\\|\\|"
        );
        assert_eq!(escape("> quote"), "\\> quote");
        assert_eq!(
            escape(":smile: at 17:35:20, 2001:db8::1"),
            "\\:smile: at 17:35:20, 2001\\:db8::1"
        );
        assert_eq!(escape("AS131279 · 175.45.176.0/22"), "AS131279 · 175.45.176.0/22");
    }

    /// Returns whether the text holds anything that Discord would read as markup, except times.
    fn holds_markup(text: &str) -> bool {
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => {
                    letters.next();
                }
                '*' | '_' | '~' | '|' | '`' | '@' => return true,
                '<' => {
                    let tag: String = letters.by_ref().take_while(|c| *c != '>').collect();
                    if !tag.starts_with("t:") {
                        return true;
                    }
                }
                _ => {}
            }
        }
        false
    }

    #[test]
    fn no_embed_is_over_a_limit_or_broken_whatever_it_tells() {
        for seed in 0..CARDS {
            let card = card(seed);
            let embed = embed(&card);
            assert!(embed.length() <= TOTAL, "seed {seed}: {}", embed.length());
            assert!(
                length(&embed.title) <= TITLE && length(&embed.description) <= DESCRIPTION,
                "seed {seed}"
            );
            assert!(embed.fields.len() <= FIELDS && length(&embed.footer) <= FOOTER, "seed {seed}");
            for (name, value) in &embed.fields {
                assert!(
                    (1..=NAME).contains(&length(name)) && (1..=VALUE).contains(&length(value)),
                    "seed {seed}: {value}"
                );
                assert!(name == "Check" || !holds_markup(value), "seed {seed}: {value}");
            }
            assert!(!holds_markup(&embed.description), "seed {seed}: {}", embed.description);
            let plain = plain(&card);
            assert!(length(&plain) <= CONTENT, "seed {seed}");
            let own = |line: &&str| line.contains("https://stat.ripe.net/");
            let markup = plain.lines().filter(|line| !own(line)).find(|line| holds_markup(line));
            assert_eq!(markup, None, "seed {seed}");
        }
    }
}
