//! Recognises tokens by their form, so that a token in the wrong variable is found before it is
//! sent to anybody.
//!
//! Services do not promise the shapes of their tokens, so an unknown shape is accepted. Discord:
//! three parts with dots, the first of them the bot's number in base64
//! (<https://discord.com/developers/docs/reference#authentication> shows one). Telegram:
//! `123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11`
//! (<https://core.telegram.org/bots/api#authorizing-your-bot>). Cloudflare: forty characters, or a
//! prefix that its scanners know (<https://developers.cloudflare.com/fundamentals/api/>).

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use std::fmt;

/// The kind of a text that its form makes certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The token of a Discord bot.
    Discord,
    /// The token of a Telegram bot.
    Telegram,
    /// A Cloudflare API token.
    Cloudflare,
    /// Digits only: the number of an application, a server or a chat.
    Number,
    /// 64 hexadecimal digits: the key with which Discord signs interactions.
    PublicKey,
    /// A URL.
    Address,
    /// The path of a file.
    Path,
}

impl Shape {
    /// Returns the shape of a text, or `None` if it may be anything.
    pub(super) fn of(text: &str) -> Option<Self> {
        if text.contains("://") {
            Some(Self::Address)
        } else if is_telegram(text) {
            Some(Self::Telegram)
        } else if is_discord(text) {
            Some(Self::Discord)
        } else if text.starts_with('/') || text.starts_with("./") || text.starts_with("../") {
            Some(Self::Path)
        } else if text.len() >= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Some(Self::Number)
        } else if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Some(Self::PublicKey)
        } else if is_cloudflare(text) {
            Some(Self::Cloudflare)
        } else {
            None
        }
    }

    /// Returns whether the text is a secret of one of the three services.
    pub(super) const fn is_token(self) -> bool {
        matches!(self, Self::Discord | Self::Telegram | Self::Cloudflare)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discord => "a Discord bot token (it belongs into LINKDOWN_DISCORD_TOKEN)",
            Self::Telegram => "a Telegram bot token (it belongs into LINKDOWN_TELEGRAM_TOKEN)",
            Self::Cloudflare => "a Cloudflare API token (it belongs into LINKDOWN_RADAR_TOKEN)",
            Self::Number => "a number such as an application id or a chat id, not a token",
            Self::PublicKey => "the public key of a Discord application, not its bot token",
            Self::Address => "an address, not a token",
            Self::Path => "the path of a file (a file is named by the variable that ends in _FILE)",
        })
    }
}

/// Returns whether the text is the bot's number, a colon and 35 characters. The lengths have some
/// room, because Telegram does not promise them.
fn is_telegram(text: &str) -> bool {
    text.split_once(':').is_some_and(|(number, secret)| {
        (5..=20).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && (30..=64).contains(&secret.len())
            && secret.bytes().all(is_base64url)
    })
}

fn is_discord(text: &str) -> bool {
    let text = text.strip_prefix("Bot ").unwrap_or(text);
    let parts: Vec<&str> = text.split('.').collect();
    let [number, time, secret] = parts[..] else { return false };
    // Discord does not promise either whether it pads the base64.
    let lenient =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(
        &base64::alphabet::URL_SAFE,
        lenient.with_decode_allow_trailing_bits(true),
    )
    .decode(number);
    decoded.is_ok_and(|id| (15..=20).contains(&id.len()) && id.iter().all(u8::is_ascii_digit))
        && (5..=8).contains(&time.len())
        && (25..=60).contains(&secret.len())
        && time.bytes().chain(secret.bytes()).all(is_base64url)
}

fn is_cloudflare(text: &str) -> bool {
    let has_prefix = ["cfut_", "cfat_", "cfk_"].iter().any(|prefix| text.starts_with(prefix));
    // A digit, a capital and a small letter must occur: a word of forty letters is not a token.
    let is_mixed = text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
        && text.bytes().any(|byte| byte.is_ascii_lowercase());
    text.bytes().all(is_base64url)
        && ((has_prefix && text.len() >= 40) || (text.len() == 40 && is_mixed))
}

const fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// None of these tokens was ever issued.
    #[test]
    fn a_token_is_known_by_its_form() {
        for (text, shape) in [
            ("123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11", Shape::Telegram),
            ("7123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0", Shape::Telegram),
            ("MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs", Shape::Discord),
            (
                "MTE5ODYyMjQ4MzQ3MTkyNTI0OA.G4x7Zq.aBcDeFgHiJkLmNoPqRsTuVwXyZ012345678901",
                Shape::Discord,
            ),
            ("Sn3lZJTBX6kkg7OdcBUAxOO963GEIyGQqnFTOFYY", Shape::Cloudflare),
            ("80351110224678912", Shape::Number),
            ("e7a50664188fafe6ff57b471cdb18c67f94b2d1ae43cd1d9b5f4d5b9bd9f3e4a", Shape::PublicKey),
            ("https://discord.com/api/oauth2/authorize?client_id=1", Shape::Address),
            ("/run/secrets/discord_token", Shape::Path),
        ] {
            assert_eq!(Shape::of(text), Some(shape), "{text}");
        }
        for unknown in [
            "s3cret",
            "abc",
            "a.b.c",
            "123:abc",
            "discord.token",
            "a-new-kind-of-token-that-nobody-knows-yet",
        ] {
            assert_eq!(Shape::of(unknown), None, "{unknown}");
        }
    }
}
