//! The log: which events may be logged, whatever `RUST_LOG` asks for, and which texts are removed
//! from them.

use super::LogFormat;
use crate::chat::console::{LogWriter, has_colour};
use crate::config::Secrets;
use crate::render::outside::is_unseen;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{PoisonError, RwLock};
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Crates whose logs `RUST_LOG` may switch on in full. A reading of their sources showed that they
/// log sockets, names, addresses and TLS handshakes, and never payloads. All other crates may log
/// only warnings and errors: serenity and tungstenite log whole frames, reqwest and teloxide whole
/// addresses with Telegram's token in them.
const OPEN: [&str; 5] = ["linkdown", "hickory_proto", "hyper_util", "mio", "rustls"];

/// This target is never logged: for a frame that cannot be read it logs people's messages and the
/// tokens of Discord's interactions, as a warning.
const NEVER: &str = "serenity::gateway::ws";

/// The text that replaces a secret.
const REDACTED: &str = "[redacted]";

/// The least length of a secret in bytes. Shorter ones are words of ordinary lines, and no token is
/// that short.
const SHORTEST: usize = 8;

/// Every form of every secret that was read, longest first.
static SECRETS: RwLock<Vec<SecretString>> = RwLock::new(Vec::new());

/// Starts logging to stderr, so that stdout holds only the console's messages. `RUST_LOG` overrides
/// the level within the limits of this module.
pub(super) fn log(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = fmt::layer().with_writer(Redacting);
    let lines = match format {
        LogFormat::Human => lines.with_ansi(has_colour(&io::stderr())).with_target(false).boxed(),
        LogFormat::Json => lines.with_ansi(false).json().boxed(),
    };
    // Only the first of several calls in one process has an effect, which is enough.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .with(filter_fn(may_be_logged))
        .try_init();
}

/// Decides whether an event may be logged at all. It is applied beside the user's filter, so a more
/// specific directive there cannot override it.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let name = target.split("::").next().unwrap_or(target);
    OPEN.contains(&name) || (*metadata.level() <= LevelFilter::WARN && target != NEVER)
}

/// Redacts these secrets in everything that is logged from now on.
pub(super) fn keep_out(secrets: &Secrets) {
    let all = [
        &secrets.discord_token,
        &secrets.telegram_token,
        &secrets.radar_token,
        &secrets.heartbeat_url,
    ];
    let mut known = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    for form in all.into_iter().flatten().flat_map(|secret| forms(secret.expose_secret())) {
        if !known.iter().any(|other| other.expose_secret() == form) {
            known.push(form.into());
        }
    }
    // A form that contains another is replaced first.
    known.sort_by_key(|form| std::cmp::Reverse(form.expose_secret().len()));
}

/// Returns the forms in which a secret may be written: as it is, as in a URL, in base64 at each of
/// the three offsets, and as the hexadecimal and the decimal bytes of a frame. For a Telegram token
/// and a URL it adds the forms of the part that is the secret.
fn forms(secret: &str) -> Vec<String> {
    let mut parts = vec![secret];
    if let Some((_, path)) = secret.split_once("://") {
        parts.extend(path.split_once('/').map(|(_, path)| path));
    } else {
        parts.extend(secret.split_once(':').map(|(_, part)| part));
    }
    let mut forms = Vec::new();
    for part in parts.into_iter().filter(|part| part.len() >= SHORTEST) {
        forms.push(part.to_owned());
        forms.push(percent(part));
        for skipped in 0..3 {
            // The first and the last character may hold bits of the bytes beside the secret.
            for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                let text = engine.encode([&[0; 2][..skipped.min(2)], part.as_bytes()].concat());
                let from = [0, 2, 3][skipped];
                forms.extend(text.get(from..text.len() - 1).map(str::to_owned));
            }
        }
        forms.push(hexadecimal(part).to_uppercase());
        forms.push(hexadecimal(part));
        forms.push(part.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "));
    }
    forms
}

fn hexadecimal(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Replaces every known secret in a text by `[redacted]`.
pub fn redact(text: &str) -> Cow<'_, str> {
    let known = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut text = Cow::Borrowed(text);
    for secret in known.iter().map(SecretString::expose_secret) {
        if text.contains(secret) {
            text = Cow::Owned(text.replace(secret, REDACTED));
        }
    }
    text
}

/// Removes the characters that hide text or change its direction, which a source's or a site's text
/// may hold. Control characters stay: the formatter escapes those in fields, and its colours
/// consist of them.
fn visible(text: &str) -> String {
    text.chars().filter(|c| c.is_control() || !is_unseen(*c)).collect()
}

/// Writes lines to the log without secrets and hidden characters, as the last safeguard. Each event
/// arrives as one write.
#[derive(Clone, Copy, Debug)]
struct Redacting;

impl Write for Redacting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LogWriter.write_all(redact(&visible(&String::from_utf8_lossy(bytes))).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        LogWriter.flush()
    }
}

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn a_line_of_the_log_holds_nothing_that_hides_or_turns_text() {
        let line = "\u{1b}[33mWARN\u{1b}[0m a\u{202e}b\u{e0041}c\u{61c}d\u{ad}e ✅\n";
        assert_eq!(visible(line), "\u{1b}[33mWARN\u{1b}[0m abcde ✅\n");
    }

    const TOKEN: &str = "987654321:AAq_secret-of-this-test-alone_0123";

    fn known() -> Secrets {
        Secrets {
            telegram_token: Some(TOKEN.into()),
            heartbeat_url: Some("https://ping.example/a-path-of-this-test".into()),
            ..Secrets::default()
        }
    }

    #[test]
    fn a_secret_is_taken_out_in_whatever_form_it_is_written() {
        keep_out(&known());
        let secret = TOKEN.split_once(':').unwrap().1;
        let debug_of_bytes = format!("{:?}", TOKEN.as_bytes());
        let mut written = vec![
            TOKEN.to_owned(),
            format!("https://api.telegram.org/bot{TOKEN}/getMe"),
            format!("bot{}", TOKEN.replace(':', "%3A")),
            debug_of_bytes.clone(),
            hexadecimal(TOKEN),
            "https://ping.example/a-path-of-this-test".to_owned(),
            "/a-path-of-this-test?x".to_owned(),
        ];
        // The token between other bytes, as in a header or a frame.
        written.extend(
            (0..6).map(|before| STANDARD.encode(format!("{}{TOKEN}rest", "x".repeat(before)))),
        );
        for text in written {
            let shown = redact(&text);
            assert!(shown.contains(REDACTED), "{text}");
            assert!(!shown.contains(secret) && !shown.contains("a-path-of-this-test"), "{shown}");
        }
        assert_eq!(redact("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn a_word_is_no_secret() {
        keep_out(&Secrets { radar_token: Some("short".into()), ..Secrets::default() });
        assert_eq!(redact("a short line"), "a short line");
    }
}
