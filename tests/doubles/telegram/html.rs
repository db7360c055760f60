//! Telegram's HTML, as strict as the real parser; stricter in one thing: an `&` that starts none of the four named
//! entities or a numeric one is refused, where the real one would show it as it stands.

use serde_json::{Value, json};

/// Visible text, and what is said about its parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    pub text: String,
    pub entities: Vec<Entity>,
}

/// Offsets and lengths are in UTF-16 units.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    pub kind: &'static str,
    pub offset: usize,
    pub length: usize,
    /// With its name, what else the entity carries: `url`, `language`, `custom_emoji_id`.
    pub extra: Option<(&'static str, String)>,
}

impl Entity {
    pub fn json(&self) -> Value {
        let mut value = json!({"type": self.kind, "offset": self.offset, "length": self.length});
        if let Some((name, extra)) = &self.extra {
            value[*name] = json!(extra);
        }
        value
    }
}

pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

struct Open {
    tag: String,
    argument: String,
    offset: usize,
}

/// The error is what follows "can't parse entities: ".
pub fn parse(html: &str) -> Result<Parsed, String> {
    let mut out = Parsed::default();
    let mut open: Vec<Open> = Vec::new();
    let mut offset = 0;
    let mut rest = html;
    while let Some(next) = rest.chars().next() {
        let at = html.len() - rest.len();
        if next == '<' {
            let inside = &rest[1..];
            rest = if let Some(end) = inside.strip_prefix('/') {
                end_tag(end, at, offset, &mut open, &mut out)?
            } else {
                let (tag, argument, after) = start_tag(inside, at)?;
                open.push(Open { tag, argument, offset });
                after
            };
            continue;
        }
        let (shown, used) =
            if next == '&' { reference(rest, at)? } else { (next, next.len_utf8()) };
        out.text.push(shown);
        offset += shown.len_utf16();
        rest = &rest[used..];
    }
    match open.last() {
        Some(open) => {
            Err(format!("Can't find end tag corresponding to start tag \"{}\"", open.tag))
        }
        None => Ok(trimmed(out)),
    }
}

fn reference(rest: &str, at: usize) -> Result<(char, usize), String> {
    let name_end = rest[1..]
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '#')
        .map_or(rest.len(), |end| end + 1);
    let name = &rest[1..name_end];
    let shown = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        _ => name.strip_prefix('#').and_then(|number| {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| *c != '\0')
        }),
    };
    let shown =
        shown.ok_or_else(|| format!("Unsupported entity \"&{name}\" at byte offset {at}"))?;
    Ok((shown, name_end + usize::from(rest[name_end..].starts_with(';'))))
}

/// The tag's name, what it carries, and what comes after it.
fn start_tag(inside: &str, at: usize) -> Result<(String, String, &str), String> {
    let unclosed = || format!("Unclosed start tag at byte offset {at}");
    let end = inside.find(|c: char| c.is_ascii_whitespace() || c == '>').ok_or_else(unclosed)?;
    let tag = inside[..end].to_lowercase();
    if kind(&tag).is_none() {
        return Err(format!("Unsupported start tag \"{tag}\" at byte offset {at}"));
    }
    let mut argument = String::new();
    let mut rest = inside[end..].trim_ascii_start();
    while !rest.starts_with('>') {
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || c == '=' || c == '>')
            .ok_or_else(unclosed)?;
        let (name, after) = rest.split_at(end);
        rest = after.trim_ascii_start();
        if name.is_empty() {
            return Err(format!("Empty attribute name in the tag \"{tag}\" at byte offset {at}"));
        }
        if tag == "blockquote" && name == "expandable" && !rest.starts_with('=') {
            continue;
        }
        let Some(value) = rest.strip_prefix('=') else {
            return Err(format!(
                "Expected equal sign in declaration of an attribute of the tag \"{tag}\" at byte offset {at}"
            ));
        };
        let (value, after) = attribute(value.trim_ascii_start(), at).ok_or_else(unclosed)?;
        match (tag.as_str(), name) {
            ("a", "href") | ("span" | "code", "class") | ("tg-emoji", "emoji-id") => {
                argument = value;
            }
            _ => {}
        }
        rest = after.trim_ascii_start();
    }
    if tag == "span" && argument != "tg-spoiler" {
        return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {at}"));
    }
    Ok((tag, argument, &rest[1..]))
}

/// A value, quoted or bare, and what comes after it.
fn attribute(rest: &str, at: usize) -> Option<(String, &str)> {
    let quote = rest.chars().next()?;
    if quote != '"' && quote != '\'' {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-')?;
        return Some((rest[..end].to_lowercase(), &rest[end..]));
    }
    let (raw, after) = rest[1..].split_once(quote)?;
    let mut value = String::new();
    let mut raw = raw;
    while let Some(next) = raw.chars().next() {
        // In an attribute an `&` may well be one: addresses are full of them.
        let (shown, used) =
            reference(raw, at).ok().filter(|_| next == '&').unwrap_or((next, next.len_utf8()));
        value.push(shown);
        raw = &raw[used..];
    }
    Some((value, after))
}

fn end_tag<'a>(
    inside: &'a str,
    at: usize,
    offset: usize,
    open: &mut Vec<Open>,
    out: &mut Parsed,
) -> Result<&'a str, String> {
    let Some(opened) = open.pop() else {
        return Err(format!("Unexpected end tag at byte offset {at}"));
    };
    let unclosed = || format!("Unclosed end tag at byte offset {at}");
    let end = inside.find(|c: char| c.is_ascii_whitespace() || c == '>').ok_or_else(unclosed)?;
    let (name, expected) = (inside[..end].to_lowercase(), &opened.tag);
    let after = inside[end..].trim_ascii_start().strip_prefix('>').ok_or_else(unclosed)?;
    if !name.is_empty() && name != *expected {
        return Err(format!(
            "Unmatched end tag at byte offset {at}, expected \"</{expected}>\", found \"</{name}>\""
        ));
    }
    let given = opened.argument;
    let extra = match opened.tag.as_str() {
        "tg-emoji" if given.parse::<i64>().is_ok_and(|id| id != 0) => {
            Some(("custom_emoji_id", given))
        }
        "tg-emoji" => return Err("Invalid custom emoji identifier specified".to_owned()),
        "a" => Some((
            "url",
            if given.is_empty() { from_unit(&out.text, opened.offset).to_owned() } else { given },
        )),
        "code" => given.strip_prefix("language-").map(|language| ("language", language.to_owned())),
        _ => None,
    };
    let is_link = |url: &str| {
        ["http://", "https://", "tg://", "mailto:", "tel:"].iter().any(|s| url.starts_with(s))
    };
    // A link to nowhere is no error: it is shown as plain text.
    let is_dead = matches!(&extra, Some(("url", url)) if !is_link(url));
    if offset > opened.offset && !is_dead {
        let kind = kind(&opened.tag).unwrap_or_default();
        out.entities.push(Entity {
            kind,
            offset: opened.offset,
            length: offset - opened.offset,
            extra,
        });
    }
    Ok(after)
}

fn kind(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "code" => "code",
        "pre" => "pre",
        "a" => "text_link",
        "tg-spoiler" | "span" => "spoiler",
        "tg-emoji" => "custom_emoji",
        "blockquote" => "blockquote",
        _ => return None,
    })
}

fn from_unit(text: &str, offset: usize) -> &str {
    let mut seen = 0;
    let start = text.char_indices().find(|(_, c)| {
        seen += c.len_utf16();
        seen > offset
    });
    start.map_or("", |(at, _)| &text[at..])
}

/// Without the blanks around the text, which Telegram takes away.
fn trimmed(parsed: Parsed) -> Parsed {
    let text = parsed.text.trim();
    let before = units(&parsed.text) - units(parsed.text.trim_start());
    let length = units(text);
    let within = |entity: Entity| {
        let start = entity.offset.saturating_sub(before);
        let end = (entity.offset + entity.length).saturating_sub(before).min(length);
        (end > start).then(|| Entity { offset: start, length: end - start, ..entity })
    };
    let mut entities: Vec<Entity> = parsed.entities.into_iter().filter_map(within).collect();
    entities.sort_by_key(|entity| (entity.offset, std::cmp::Reverse(entity.length)));
    Parsed { text: text.to_owned(), entities }
}
