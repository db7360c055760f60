//! Parses the options of a subscription:
//! `sensitivity: eager kinds: starts, recoveries quiet: 22-07 zone: Asia/Seoul`.

use crate::domain::zone::{self, NamedZone};
use crate::domain::{Kinds, Layer, Options, Quiet, Sensitivity};
use crate::render::outside::visible_within;
use chrono_tz::Tz;

/// The option names, in the order in which `/help` lists them.
const KEYS: [&str; 7] = ["sensitivity", "from", "kinds", "layers", "mention", "quiet", "zone"];

/// An error in an option. The text shows the accepted values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    #[error("there is no option `{said}`{}", near_key(.said))]
    Unknown { said: String },
    #[error(
        "`from` takes `sure` (told when it is) or `suspected` (told from the first sign), not `{0}`"
    )]
    From(String),
    #[error(
        "`sensitivity` takes `careful` (told when highly sure), `balanced` (when sure) or `eager` (from the first \
         suspicion), not `{0}`"
    )]
    Sensitivity(String),
    #[error("`{0}` is no kind of news; there are starts, updates and recoveries")]
    Kind(String),
    #[error("a recovery goes only to a chat that heard the start: `kinds` must hold `starts`")]
    NoStarts,
    #[error("`{0}` is no layer; there are routing, reach, traffic, dns, web and mail")]
    Layer(String),
    #[error("`{0}` cannot be called by name; pick a role or a person, or say @name")]
    Mention(String),
    #[error(
        "`{0}` are no quiet hours; say them as 22-07 or 22:30-06:45, with zone: Europe/Berlin where not in UTC"
    )]
    Quiet(String),
    #[error("`{said}` is no time zone{near}")]
    Zone { said: String, near: String },
}

/// Splits a text into the part before the options and the options as (name, value).
pub(super) fn split(text: &str) -> (&str, Vec<(String, &str)>) {
    // An option begins with a word that ends in a colon or has one before its value (`from:`,
    // `from:sure`); an address such as 2001:db8::/32 is not an option.
    let mut starts: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        if let Some((key, value)) = word.split_once(':') {
            let is_a_word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic());
            let is_known = KEYS.contains(&key.to_lowercase().as_str());
            // `eager: from the first suspicion` is the label of a sensitivity in a list, not an
            // option.
            let is_value =
                Sensitivity::ALL.iter().any(|known| known.as_str().eq_ignore_ascii_case(key));
            if is_value {
                at += word.len();
                continue;
            }
            if is_known || is_a_word && !value.contains([':', '/']) {
                starts.push((at, at + key.len()));
            }
        }
        at += word.len();
    }
    let what = text[..starts.first().map_or(text.len(), |(start, _)| *start)].trim();
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    let given = starts.iter().zip(ends);
    let given = given.map(|((start, colon), end)| {
        (text[*start..*colon].to_lowercase(), text[colon + 1..end].trim())
    });
    (what, given.collect())
}

/// Parses the options. `nearby` are the zones in which times are shown to the reader; they decide
/// an ambiguous abbreviation. Also returns the zone as written, if one was given.
pub(super) fn read(
    given: &[(String, &str)],
    nearby: &[Tz],
) -> Result<(Options, Option<SaidZone>), OptionError> {
    let mut options = Options::default();
    let mut said = None;
    for (key, value) in given {
        let shown = || visible_within(value, 40);
        match key.as_str() {
            "sensitivity" => {
                let word =
                    Sensitivity::parse(value).ok_or_else(|| OptionError::Sensitivity(shown()))?;
                options.sensitivity = Some(word);
            }
            // The older option for two of the three sensitivities.
            "from" => {
                options.sensitivity = match value.to_lowercase().as_str() {
                    "suspected" => Some(Sensitivity::Eager),
                    "sure" => Some(Sensitivity::Balanced),
                    _ => return Err(OptionError::From(shown())),
                }
            }
            "kinds" => options.kinds = kinds(value)?,
            "layers" => options.layers = layers(value)?,
            "mention" => {
                options.mention =
                    Some(mention(value).ok_or_else(|| OptionError::Mention(shown()))?);
            }
            "quiet" => {
                let (hours, place) = quiet(value);
                options.quiet =
                    Some(Quiet::parse(hours).ok_or_else(|| OptionError::Quiet(shown()))?);
                if let Some(place) = place {
                    said = Some(said_zone(place, nearby)?);
                }
            }
            "zone" => said = Some(said_zone(value, nearby)?),
            _ => return Err(OptionError::Unknown { said: visible_within(key, 20) }),
        }
    }
    options.zone = said.as_ref().map(|said: &SaidZone| said.named.zone);
    Ok((options, said))
}

/// A time zone and the words by which it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidZone {
    /// The words, at most 40 characters.
    pub said: String,
    /// The zone, and other zones with the same abbreviation.
    pub named: NamedZone,
}

/// Splits quiet hours from the zone after them, as `/subscriptions` shows them:
/// `not from 22:00–07:00 Asia/Seoul`.
fn quiet(value: &str) -> (&str, Option<&str>) {
    let value = value.trim();
    let value = value.strip_prefix("not ").unwrap_or(value);
    let value = value.strip_prefix("from ").unwrap_or(value).trim();
    match value.find(|c: char| c.is_alphabetic()) {
        Some(at) if at > 0 => (value[..at].trim(), Some(value[at..].trim())),
        _ => (value, None),
    }
}

fn words(value: &str) -> impl Iterator<Item = String> {
    let words =
        value.split([',', ' ', '+', '&']).filter(|word| !word.is_empty()).map(str::to_lowercase);
    words.filter(|word| !matches!(word.as_str(), "and" | "or"))
}

fn kinds(value: &str) -> Result<Kinds, OptionError> {
    let mut kinds = Kinds { updates: false, recoveries: false };
    let mut starts = false;
    for word in words(value) {
        match word.as_str() {
            "starts" | "start" => starts = true,
            "updates" | "update" => kinds.updates = true,
            "recoveries" | "recovery" => kinds.recoveries = true,
            "all" | "everything" => (starts, kinds) = (true, Kinds::default()),
            "alone" | "only" => {}
            _ => return Err(OptionError::Kind(visible_within(&word, 40))),
        }
    }
    if starts { Ok(kinds) } else { Err(OptionError::NoStarts) }
}

fn layers(value: &str) -> Result<Vec<Layer>, OptionError> {
    let mut layers = Vec::new();
    // `/subscriptions` shows layers as `only where routing or web is lost`.
    let value = value.trim();
    let value = value
        .strip_prefix("only where ")
        .and_then(|rest| rest.strip_suffix(" is lost"))
        .unwrap_or(value);
    for word in words(value) {
        let layer = Layer::ALL.into_iter().find(|layer| layer.as_str() == word);
        let layer = layer.ok_or_else(|| OptionError::Layer(visible_within(&word, 40)))?;
        if !layers.contains(&layer) {
            layers.push(layer);
        }
    }
    Ok(layers)
}

/// Parses a mention: `<@&123>` and `<@123>` for a role and a person on Discord, `@name` on
/// Telegram. Rejects everything else, and names that call everybody.
fn mention(value: &str) -> Option<String> {
    let value = value.trim();
    let is_number =
        |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let discord = value.strip_prefix("<@").and_then(|rest| rest.strip_suffix('>'));
    let discord = discord.map(|id| id.strip_prefix('&').unwrap_or(id)).is_some_and(is_number);
    let telegram = value.strip_prefix('@').is_some_and(|name| {
        (3..=32).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !matches!(name.to_lowercase().as_str(), "everyone" | "here" | "all")
    });
    (discord || telegram).then(|| value.to_owned())
}

/// Parses a zone, also in the form that `/subscriptions` shows: `times in Asia/Seoul`.
fn said_zone(value: &str, nearby: &[Tz]) -> Result<SaidZone, OptionError> {
    let value = value.trim();
    let value = value.strip_prefix("times in ").unwrap_or(value);
    if let Some(named) = zone::find(value, nearby) {
        return Ok(SaidZone { said: visible_within(value, 40), named });
    }
    let near: Vec<String> = zone::near(value).iter().map(|name| format!("`{name}`")).collect();
    let near = match near.as_slice() {
        [] => "; zones are called as in Europe/Berlin, Asia/Seoul, UTC".to_owned(),
        near => format!("; did you mean {}?", near.join(" or ")),
    };
    Err(OptionError::Zone { said: visible_within(value, 40), near })
}

fn near_key(said: &str) -> String {
    let nearest = KEYS.iter().map(|key| (strsim::damerau_levenshtein(key, said), *key)).min();
    match nearest {
        Some((distance, key)) if distance <= 2 => format!("; did you mean `{key}`?"),
        _ => format!("; there are {}", KEYS.join(", ")),
    }
}
