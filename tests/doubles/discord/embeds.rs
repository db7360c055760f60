//! Embeds: how long each part may be, and all of them together.

use super::refusal::Complaints;
use serde_json::{Value, json};

const ALL_TOGETHER: usize = 6000;

/// The embeds as Discord keeps them.
pub(super) fn check(complaints: &mut Complaints, path: &str, given: &Value) -> Vec<Value> {
    let embeds = complaints.list(path, Some(given), 10);
    let mut total = 0;
    for (at, embed) in embeds.iter().enumerate() {
        total += one(complaints, &format!("{path}.{at}"), embed);
    }
    if total > ALL_TOGETHER {
        let why = format!("Embed size exceeds maximum size of {ALL_TOGETHER}");
        complaints.say(path, "MAX_EMBED_SIZE_EXCEEDED", why);
    }
    let kept = |embed: &Value| {
        let mut kept = embed.clone();
        if kept.is_object() {
            kept["type"] = json!("rich");
        }
        kept
    };
    embeds.iter().map(kept).collect()
}

/// How many characters count.
fn one(complaints: &mut Complaints, path: &str, embed: &Value) -> usize {
    let at = |name: &str| format!("{path}.{name}");
    let long = |value: &Value| value.as_str().map_or(0, |text| text.trim().chars().count());
    if !embed.is_object() {
        complaints.say(path, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType");
        return 0;
    }
    complaints.text(&at("title"), embed.get("title"), 0, 256);
    complaints.text(&at("description"), embed.get("description"), 0, 4096);
    complaints.text(
        &at("footer.text"),
        embed.pointer("/footer/text"),
        usize::from(!embed["footer"].is_null()),
        2048,
    );
    complaints.text(
        &at("author.name"),
        embed.pointer("/author/name"),
        usize::from(!embed["author"].is_null()),
        256,
    );
    for (name, pointer) in [
        ("url", "/url"),
        ("footer.icon_url", "/footer/icon_url"),
        ("author.url", "/author/url"),
        ("author.icon_url", "/author/icon_url"),
        ("image.url", "/image/url"),
        ("thumbnail.url", "/thumbnail/url"),
    ] {
        complaints.address(&at(name), embed.pointer(pointer));
    }
    let colour = &embed["color"];
    if !colour.is_null() && colour.as_u64().is_none_or(|colour| colour > 0x00ff_ffff) {
        complaints.say(
            &at("color"),
            "NUMBER_TYPE_MAX",
            "int value should be less than or equal to 16777215.",
        );
    }
    let time = &embed["timestamp"];
    if !time.is_null()
        && time.as_str().is_none_or(|text| chrono::DateTime::parse_from_rfc3339(text).is_err())
    {
        let why = format!("Could not parse {time}. Should be ISO8601.");
        complaints.say(&at("timestamp"), "DATE_TIME_TYPE_PARSE", why);
    }
    let mut total = long(&embed["title"]) + long(&embed["description"]);
    total += long(&embed["footer"]["text"]) + long(&embed["author"]["name"]);
    let fields = complaints.list(&at("fields"), embed.get("fields"), 25);
    for (nth, field) in fields.iter().enumerate() {
        complaints.text(&at(&format!("fields.{nth}.name")), field.get("name"), 1, 256);
        complaints.text(&at(&format!("fields.{nth}.value")), field.get("value"), 1, 1024);
        total += long(&field["name"]) + long(&field["value"]);
    }
    let shows =
        ["footer", "author", "image", "thumbnail"].iter().any(|part| !embed[*part].is_null());
    if total == 0 && fields.is_empty() && !shows {
        complaints.required(&at("description"));
    }
    total
}

impl Complaints {
    /// An address that Discord shows or opens.
    pub(super) fn address(&mut self, path: &str, value: Option<&Value>) {
        let Some(value) = value.filter(|value| !value.is_null()) else { return };
        let text = value.as_str().unwrap_or_default();
        let is_web = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        if is_web.is_none_or(str::is_empty) {
            match text.split_once(':') {
                Some((scheme, _)) if !text.starts_with("http") => {
                    let why = format!("Scheme \"{scheme}\" must be one of ('http', 'https').");
                    self.say(path, "URL_TYPE_INVALID_SCHEME", why);
                }
                _ => self.say(path, "URL_TYPE_INVALID_URL", "Not a well formed URL."),
            }
        }
    }
}
