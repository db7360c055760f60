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

/// Each of them as it may be written: plain, as in a URL, in base64 wherever it begins, as the bytes of a frame.
fn every_form() -> Vec<String> {
    let mut forms = Vec::new();
    for secret in secrets() {
        forms.push(secret.to_owned());
        forms.push(secret.replace(':', "%3A"));
        for before in 0..3 {
            let text = base64(&[vec![0; before], secret.as_bytes().to_vec()].concat());
            // The characters at either end hold bits of what stands beside it.
            forms.push(text[4..text.len() - 4].to_owned());
        }
        forms.push(secret.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat());
        forms.push(secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", "));
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three
            .iter()
            .enumerate()
            .fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..=three.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

/// The most specific directives there are: each module of each package of Cargo.lock that logs, switched on by its own
/// name, in the longest form. A package whose sources are not here is switched on as a whole.
fn directives() -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let home = std::env::var("CARGO_HOME")
        .unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()));
    let registries = std::fs::read_dir(format!("{home}/registry/src")).into_iter().flatten();
    let registries: Vec<_> = registries.map(|entry| entry.unwrap().path()).collect();
    let mut targets = std::collections::BTreeSet::from(["trace".to_owned()]);
    for package in lock.split("[[package]]") {
        let value = |key: &str| {
            let line =
                package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            line.map(|value| value.trim_end_matches('"').to_owned())
        };
        let (Some(name), Some(version)) = (value("name"), value("version")) else { continue };
        let krate = name.replace('-', "_");
        targets.insert(format!("{krate}=trace"));
        for registry in &registries {
            let sources = registry.join(format!("{name}-{version}/src"));
            for module in logging_modules(&sources, &krate) {
                targets.insert(format!("{module}=trace"));
            }
        }
    }
    // What the longest of them were found to show.
    for known in [
        "tungstenite::protocol",
        "tungstenite::protocol::frame",
        "serenity::gateway::ws",
        "reqwest::connect",
    ] {
        targets.insert(format!("{known}=trace"));
    }
    targets.into_iter().collect::<Vec<_>>().join(",")
}

/// `tungstenite::protocol::frame` for `src/protocol/frame/mod.rs`, where that logs.
fn logging_modules(sources: &std::path::Path, krate: &str) -> Vec<String> {
    let (mut modules, mut folders) = (Vec::new(), vec![sources.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                let logs = ["trace!", "debug!", "info!", "log!", "event!", "instrument"];
                if logs.iter().any(|word| text.contains(word)) {
                    let module = path.strip_prefix(sources).unwrap().with_extension("");
                    let names = module.iter().map(|name| name.to_str().unwrap().to_owned());
                    let names =
                        names.filter(|name| !["mod", "lib", "main"].contains(&name.as_str()));
                    modules.push(
                        [krate.to_owned()].into_iter().chain(names).collect::<Vec<_>>().join("::"),
                    );
                }
            }
        }
    }
    modules
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_logged_stored_or_printed_whatever_goes_wrong() {
    let said = everything_goes_wrong("trace").await;
    assert!(
        said.contains("TRACE") && said.len() > 10_000,
        "everything was logged: {} bytes",
        said.len()
    );
}

/// `RUST_LOG=tungstenite::protocol=trace` once logged the frame by which the bot identifies itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_filter_of_the_user_s_switches_on_what_logs_tokens() {
    let directives = directives();
    for needed in
        ["tungstenite::protocol=trace", "serenity=trace", "reqwest=trace", "linkdown=trace"]
    {
        assert!(directives.split(',').any(|one| one == needed), "{needed}: {directives}");
    }
    // One string of an environment holds 128 KiB.
    assert!((2_000..120_000).contains(&directives.len()), "{} bytes", directives.len());
    let said = everything_goes_wrong(&directives).await;
    assert!(said.contains("TRACE"), "they are in force: {} bytes", said.len());
    let said = everything_goes_wrong(
        "linkdown=info,tungstenite::protocol=trace,serenity::gateway::ws=trace",
    )
    .await;
    assert!(!said.contains("tungstenite"), "{said}");
}

/// Runs a bot with that filter through all that may go wrong on both platforms. Returns its log, in which no token is.
async fn everything_goes_wrong(filter: &str) -> String {
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
        .with("RUST_LOG", filter)
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
    for secret in every_form() {
        let secret = secret.as_str();
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
    // What takes tokens out of the log has nothing to do: none of them gets so far.
    assert!(!said.contains("[redacted]"), "{}", line_with(&said, "[redacted]"));
    said
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
