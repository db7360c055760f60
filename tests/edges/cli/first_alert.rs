//! The steps of docs/discord.md and docs/telegram.md, as they stand there, against the doubles.

use super::{Bot, Place};
use crate::doubles::{DiscordDouble, TelegramDouble, discord, telegram};
use linkdown::clock::Clock;
use nix::sys::signal::Signal;
use serde_json::json;

const DISCORD: &str = include_str!("../../../docs/discord.md");
const TELEGRAM: &str = include_str!("../../../docs/telegram.md");

/// The `linkdown` commands in a page's shell blocks.
fn commands(page: &str) -> Vec<&str> {
    page.lines().map(str::trim).filter_map(|line| line.strip_prefix("linkdown ")).collect()
}

/// A place with a token in a file, as step 2 leaves it.
fn place(name: &str, token: &str, variable: &'static str, api: (&'static str, String)) -> Place {
    Place::new()
        .watching("[watch]\nentities = ['KP']\n[sources.ioda]\nenabled = false\n[sources.ripestat]\nenabled = false\n")
        .holding(name, format!("{token}\n"))
        .with(variable, name)
        .with(api.0, api.1)
}

fn quotes(page: &str, said: &str) {
    assert!(page.contains(said), "the page does not hold `{said}`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_to_the_first_alert_on_discord_is_as_its_page_says() {
    let double = DiscordDouble::start(Clock::system()).await;
    let guild = double.guild("Newsroom");
    let ops = double.channel(guild, "ops");
    let ann = double.member(guild, "Ann", "Manage Server");
    quotes(DISCORD, "export LINKDOWN_DISCORD_TOKEN_FILE=discord.token");
    let api = ("LINKDOWN_DISCORD_API_URL", double.url());
    let place = place("discord.token", discord::TOKEN, "LINKDOWN_DISCORD_TOKEN_FILE", api);
    assert_eq!(commands(DISCORD), ["invite", "run"]);
    let invited = place.runs("invite").well();
    quotes(DISCORD, invited.trim().replace(&discord::APPLICATION.to_string(), "APPLICATION").as_str());
    let mut bot: Bot = place.starts("run");
    bot.says("Discord: connected as ");
    double.ready().await;

    let answer = double.slash(&ann, ops, "subscribe", json!({ "what": "KP" })).await;
    quotes(DISCORD, answer.text.lines().next().unwrap());
    let answer = double.slash(&ann, ops, "test", json!({})).await;
    quotes(DISCORD, answer.text.split(',').next().unwrap());
    assert!(double.sees(ops).contains("[test] This is where outages will be told."));
    let deliveries = place.runs("deliveries").well();
    assert!(
        deliveries.contains(&format!("discord {ops}")) && deliveries.contains("nothing owed · last sent "),
        "{deliveries}"
    );

    double.may_not(ops, "Send Messages");
    let answer = double.slash(&ann, ops, "subscribe", json!({ "what": "IR" })).await;
    quotes(DISCORD, answer.text.trim());
    tokio::task::spawn_blocking(move || bot.stops_by(Signal::SIGTERM)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_to_the_first_alert_on_telegram_is_as_its_page_says() {
    let double = TelegramDouble::start(Clock::system()).await;
    let dan = double.person("Dan");
    quotes(TELEGRAM, "export LINKDOWN_TELEGRAM_TOKEN_FILE=telegram.token");
    let api = ("LINKDOWN_TELEGRAM_API_URL", double.url());
    let place = place("telegram.token", telegram::TOKEN, "LINKDOWN_TELEGRAM_TOKEN_FILE", api);
    assert_eq!(commands(TELEGRAM), ["run", "invite"]);
    let mut bot: Bot = place.starts("run");
    bot.says("Telegram: connected as @");
    let invited = place.runs("invite").well();
    quotes(TELEGRAM, invited.trim().replace(telegram::USERNAME, "USERNAME").as_str());

    let answers = double.says(&dan, dan.id, "/subscribe KP").await;
    quotes(TELEGRAM, answers[0].first_line());
    double.puts(&dan, dan.id, "/test");
    let messages = double.until_messages(dan.id, 3).await;
    assert!(messages.iter().any(|message| message.text.contains("[test] This is where outages will be told.")));
    let report = messages.iter().find(|message| message.text.starts_with('✅')).unwrap();
    quotes(TELEGRAM, report.first_line().split(',').next().unwrap());
    tokio::task::spawn_blocking(move || bot.stops_by(Signal::SIGTERM)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_without_a_good_token_says_which_and_how_to_get_one() {
    let (discord, telegram) =
        (DiscordDouble::start(Clock::system()).await, TelegramDouble::start(Clock::system()).await);
    let none = Place::new().runs("invite").refused(2);
    assert!(
        none.starts_with("no token is set; put one into LINKDOWN_DISCORD_TOKEN or LINKDOWN_TELEGRAM_TOKEN"),
        "{none}"
    );
    let wrong = Place::new()
        .with("LINKDOWN_DISCORD_TOKEN", "wrong")
        .with("LINKDOWN_DISCORD_API_URL", discord.url())
        .runs("invite")
        .refused(1);
    assert!(wrong.starts_with("Discord: the token is refused") && wrong.contains("developer portal"), "{wrong}");
    let wrong = Place::new()
        .with("LINKDOWN_TELEGRAM_TOKEN", "123:wrong")
        .with("LINKDOWN_TELEGRAM_API_URL", telegram.url())
        .runs("invite")
        .refused(1);
    assert!(wrong.starts_with("Telegram: the token is refused") && wrong.contains("@BotFather"), "{wrong}");
}
