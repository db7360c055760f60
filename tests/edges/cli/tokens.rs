//! No token in any log, however much is logged and whatever goes wrong; nor in the database, nor in what is printed.

use super::{Bot, Place};
use crate::doubles::{DiscordDouble, TelegramDouble, discord, telegram};
use linkdown::chat::discord::Discord;
use linkdown::chat::telegram::Telegram;
use linkdown::clock::Clock;
use nix::sys::signal::Signal;
use secrecy::SecretString;
use serde_json::json;

/// Whole, and the part that must stay secret.
fn secrets() -> [&'static str; 3] {
    let secret = telegram::TOKEN.split_once(':').unwrap().1;
    [discord::TOKEN, telegram::TOKEN, secret]
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_logged_stored_or_printed_whatever_goes_wrong() {
    let (discord, telegram) =
        (DiscordDouble::start(Clock::system()).await, TelegramDouble::start(Clock::system()).await);
    let guild = discord.guild("Newsroom");
    let ops = discord.channel(guild, "ops");
    let ann = discord.member(guild, "Ann", "Manage Server");
    let dan = telegram.person("Dan");
    let place = Place::new()
        .watching("[watch]\nentities = ['KP']\n[sources.ioda]\nenabled = false\n[sources.ripestat]\nenabled = false\n")
        .with("LINKDOWN_DISCORD_TOKEN", discord::TOKEN)
        .with("LINKDOWN_TELEGRAM_TOKEN", telegram::TOKEN)
        .with("LINKDOWN_DISCORD_API_URL", discord.url())
        .with("LINKDOWN_TELEGRAM_API_URL", telegram.url())
        .with("RUST_LOG", "trace")
        .with("RUST_BACKTRACE", "1");
    let mut bot: Bot = place.starts("run");
    bot.says("Telegram: connected as @");
    discord.ready().await;

    discord.slash(&ann, ops, "subscribe", json!({ "what": "KP" })).await;
    telegram.says(&dan, dan.id, "/subscribe KP").await;
    for fault in [
        telegram::Fault::Status(502),
        telegram::Fault::Reset,
        telegram::Fault::RateLimited(1),
        telegram::Fault::BadRequest("Bad Request: can't parse entities"),
        telegram::Fault::NotJson,
    ] {
        telegram.fault_polling(fault, 1);
        telegram.fault(fault, 1);
        telegram.puts(&dan, dan.id, "/test");
    }
    for fault in [
        discord::Fault::Status(500),
        discord::Fault::Reset,
        discord::Fault::HtmlPage,
        discord::Fault::Malformed400,
        discord::Fault::RateLimited { after_ms: 100, global: false },
    ] {
        discord.fault(fault, 1);
        discord.slash(&ann, ops, "test", json!({})).await;
    }
    discord.gateway().drops();
    discord.revokes_token();
    telegram.revokes_token();
    bot.says("Telegram: the token is refused");
    let said = tokio::task::spawn_blocking(move || bot.stops_by(Signal::SIGTERM)).await.unwrap();
    assert!(said.contains("TRACE") && said.len() > 10_000, "everything was logged: {} bytes", said.len());
    for secret in secrets() {
        assert!(!said.contains(secret), "in the log: {}", line_with(&said, secret));
        for name in place.files() {
            let path = place.path(&name);
            let stored = if path.is_file() { std::fs::read(path).unwrap() } else { Vec::new() };
            assert!(!holds(&stored, secret), "in {name}");
        }
        for file in std::fs::read_dir(place.path("data")).unwrap() {
            let path = file.unwrap().path();
            assert!(!holds(&std::fs::read(&path).unwrap(), secret), "in {}", path.display());
        }
    }
}

fn line_with(said: &str, secret: &str) -> String {
    let line = said.lines().find(|line| line.contains(secret)).unwrap_or_default();
    line.chars().take(400).collect()
}

#[test]
fn no_debug_form_shows_a_token() {
    let token = |text: &str| SecretString::from(text.to_owned());
    let discord = Discord::new(&token(discord::TOKEN), None, None).unwrap();
    let telegram = Telegram::new(&token(telegram::TOKEN), None, None).unwrap();
    let shown = format!("{discord:?} {discord:#?} {telegram:?} {telegram:#?}");
    for secret in secrets() {
        assert!(!shown.contains(secret), "{shown}");
    }
}
