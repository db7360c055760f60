//! The steps of docs/discord.md and docs/telegram.md, done one after another as they stand there, against the doubles: what
//! they say to type is typed, what they say is seen is seen.

use super::{Bot, Place};
use crate::doubles::{DiscordDouble, TelegramDouble, discord, telegram};
use linkdown::clock::Clock;
use nix::sys::signal::Signal;
use serde_json::{Map, Value, json};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

const DISCORD: &str = include_str!("../../../docs/discord.md");
const TELEGRAM: &str = include_str!("../../../docs/telegram.md");
/// Where the pages' alerts come from.
const STORY: &str = include_str!("../../stories/chats/north_korea.rs");

/// The fenced blocks below a heading: the language, and the lines.
fn blocks(page: &'static str, heading: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let section = page.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("the page has no section `{heading}`"));
    let block = |block: &'static str| {
        let (language, lines) = block.split_once('\n').unwrap();
        (language, lines.lines().map(str::trim).filter(|line| !line.is_empty()).collect())
    };
    section.split("```").skip(1).step_by(2).map(block).collect()
}

/// Whether a line of a page says this; `…` stands for anything.
fn says(line: &str, said: &str) -> bool {
    match line.split('…').collect::<Vec<_>>().as_slice() {
        [first, middle @ .., last] => said.strip_prefix(first).is_some_and(|said| {
            let rest = middle
                .iter()
                .try_fold(said, |rest, piece| rest.split_once(piece).map(|(_, after)| after));
            rest.is_some_and(|rest| rest.ends_with(last))
        }),
        _ => line == said,
    }
}

/// That the lines stand in what was seen, in this order.
fn stand_in(lines: &[String], seen: &str) {
    let mut rest = seen.lines().map(str::trim);
    for line in lines {
        assert!(rest.any(|said| says(line, said)), "the page has `{line}`, there was:\n{seen}");
    }
}

fn quotes(page: &str, said: &str) {
    assert!(page.contains(said), "the page does not hold `{said}`");
}

/// Somebody who does what a page says.
struct Newcomer {
    place: Place,
    token: &'static str,
    /// What stands in the page for a number or a name, and what it is here.
    names: Vec<(&'static str, String)>,
    bot: Option<Bot>,
    /// What came of the last thing that was done; nothing where it goes on.
    seen: Option<String>,
    /// What `linkdown` was asked.
    asked: Vec<&'static str>,
}

impl Newcomer {
    fn new(
        token: &'static str,
        api: (&'static str, String),
        names: Vec<(&'static str, String)>,
    ) -> Self {
        let place = Place::new().with(api.0, api.1).with("PATH", "/usr/bin:/bin");
        Self { place, token, names, bot: None, seen: None, asked: Vec::new() }
    }

    /// As it is called here.
    fn here(&self, line: &str) -> String {
        self.names.iter().fold(line.to_owned(), |line, (there, here)| line.replace(there, here))
    }

    fn types(&mut self, line: &'static str) {
        if let Some((name, value)) =
            line.strip_prefix("export ").and_then(|rest| rest.split_once('='))
        {
            self.place.environment.push((name, value.to_owned()));
        } else if line == "linkdown run" {
            self.asked.push("run");
            (self.bot, self.seen) = (Some(self.place.starts("run")), None);
        } else if let Some(asked) = line.strip_prefix("linkdown ") {
            self.asked.push(asked);
            self.seen = Some(self.place.runs(asked).well());
        } else {
            self.pastes(line);
        }
    }

    /// Gives the token to a line of the shell.
    fn pastes(&self, line: &str) {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", line]).current_dir(self.place.path("")).stdin(Stdio::piped());
        let mut shell = shell.env_clear().env("PATH", "/usr/bin:/bin").spawn().unwrap();
        writeln!(shell.stdin.take().unwrap(), "{}", self.token).unwrap();
        assert!(shell.wait().unwrap().success(), "{line}");
        for name in self.place.files() {
            let mode = std::fs::metadata(self.place.path(&name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name} is for its owner alone");
        }
    }

    fn sees(&mut self, lines: &[&str]) {
        let lines: Vec<String> = lines.iter().map(|line| self.here(line)).collect();
        match (&self.seen, &mut self.bot) {
            (Some(seen), _) => stand_in(&lines, seen),
            (None, Some(bot)) => lines.iter().for_each(|line| {
                let said = bot.says(line.rsplit('…').next().unwrap());
                assert!(says(line, &said), "the page has `{line}`, it said `{said}`");
            }),
            (None, None) => panic!("nothing was done by which `{lines:?}` could be seen"),
        }
    }

    fn stops_after(self, asked: &[&str]) {
        assert_eq!(self.asked, asked);
        self.bot.unwrap().stops_by(Signal::SIGTERM);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_to_the_first_alert_on_discord_is_as_its_page_says() {
    let double = DiscordDouble::start(Clock::system()).await;
    let guild = double.guild("Newsroom");
    let ops = double.channel(guild, "ops");
    let ann = double.member(guild, "Ann", "Manage Server");
    let names = vec![
        ("1234567890123456789", discord::APPLICATION.to_string()),
        ("1111111111111111111", ops.to_string()),
    ];
    let mut newcomer =
        Newcomer::new(discord::TOKEN, ("LINKDOWN_DISCORD_API_URL", double.url()), names);
    for (language, lines) in blocks(DISCORD, "From nothing") {
        match lines.as_slice() {
            lines if language == "sh" => lines.iter().for_each(|line| newcomer.types(line)),
            [typed, seen @ ..] if typed.starts_with("> /") => {
                let mut words = typed.trim_start_matches("> /").split(' ');
                let command = words.next().unwrap();
                let options: Map<String, Value> = words
                    .map(|word| word.split_once(':').unwrap())
                    .map(|(name, value)| (name.to_owned(), json!(value)))
                    .collect();
                let answer = double.slash(&ann, ops, command, Value::Object(options)).await;
                assert!(answer.ephemeral, "only alerts are public");
                let public = double
                    .bot_messages(ops)
                    .iter()
                    .map(|message| message.text() + "\n")
                    .collect::<String>();
                newcomer.seen = Some(public + &answer.text);
                newcomer.sees(seen);
            }
            seen => newcomer.sees(seen),
        }
    }
    let offered = double.completes(&ann, ops, "subscribe", "what", "north").await;
    assert!(
        offered.iter().any(|(shown, _)| DISCORD.contains(&format!("`north` offers {shown}"))),
        "{offered:?}"
    );
    double.may_not(ops, "Send Messages");
    let answer = double.slash(&ann, ops, "subscribe", json!({ "what": "IR" })).await;
    quotes(DISCORD, answer.text.trim());
    newcomer.stops_after(&["invite", "run", "deliveries"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_to_the_first_alert_on_telegram_is_as_its_page_says() {
    let double = TelegramDouble::start(Clock::system()).await;
    // People take longer for these steps than a test does.
    double.unlimited();
    let (group, bob) = (double.supergroup("Ops"), double.person("Bob"));
    double.admin(group, &bob);
    let names = vec![
        ("YourLinkdownBot", telegram::USERNAME.to_owned()),
        ("-1001111111111", group.to_string()),
    ];
    let mut newcomer =
        Newcomer::new(telegram::TOKEN, ("LINKDOWN_TELEGRAM_API_URL", double.url()), names);
    for (language, lines) in blocks(TELEGRAM, "From nothing") {
        match lines.as_slice() {
            lines if language == "sh" => lines.iter().for_each(|line| newcomer.types(line)),
            [typed, seen @ ..] if typed.starts_with("> /") => {
                let before = double.messages(group).len();
                double.puts(&bob, group, newcomer.here(typed.trim_start_matches("> ")).as_str());
                // A sample and the answer, or the answer alone.
                let messages = double
                    .until_messages(group, before + if typed.ends_with("/test") { 2 } else { 1 })
                    .await;
                let texts: Vec<&str> =
                    messages[before..].iter().map(|message| message.text.as_str()).collect();
                newcomer.seen = Some(texts.join("\n"));
                newcomer.sees(seen);
            }
            seen => newcomer.sees(seen),
        }
    }
    newcomer.stops_after(&["run", "invite", "deliveries"]);
}

#[test]
fn the_alerts_in_the_pages_are_those_of_the_story() {
    let story = STORY.replace("[17:47] ", "");
    for page in [DISCORD, TELEGRAM] {
        let shown = blocks(page, "What an alert looks like");
        let lines: Vec<String> = shown[0].1.iter().map(|line| (*line).to_owned()).collect();
        stand_in(&lines, &story);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_without_a_good_token_says_which_and_how_to_get_one() {
    let (discord, telegram) =
        (DiscordDouble::start(Clock::system()).await, TelegramDouble::start(Clock::system()).await);
    let none = Place::new().runs("invite").refused(2);
    let needed = "no token is set; put one into LINKDOWN_DISCORD_TOKEN or LINKDOWN_TELEGRAM_TOKEN";
    assert!(
        none.starts_with(needed) && none.contains("docs/discord.md and docs/telegram.md"),
        "{none}"
    );
    quotes(DISCORD, needed);
    quotes(TELEGRAM, needed);
    let wrong = Place::new()
        .with("LINKDOWN_DISCORD_TOKEN", "wrong")
        .with("LINKDOWN_DISCORD_API_URL", discord.url())
        .runs("invite")
        .refused(1);
    assert!(wrong.contains("developer portal"), "{wrong}");
    quotes(DISCORD, wrong.split_inclusive('.').next().unwrap());
    // Of the form that Telegram's tokens have, and of another.
    for token in ["123456789:AAF4kEbUTtokenOfAnotherBotHere00000", "wrong"] {
        let wrong = Place::new()
            .with("LINKDOWN_TELEGRAM_TOKEN", token)
            .with("LINKDOWN_TELEGRAM_API_URL", telegram.url())
            .runs("invite")
            .refused(1);
        quotes(TELEGRAM, &wrong);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_one_platform_refuses_is_printed_for_the_other() {
    let telegram = TelegramDouble::start(Clock::system()).await;
    let discord = DiscordDouble::start(Clock::system()).await;
    let place = Place::new()
        .with("LINKDOWN_DISCORD_TOKEN", discord::TOKEN)
        .with("LINKDOWN_DISCORD_API_URL", discord.url())
        .with("LINKDOWN_TELEGRAM_TOKEN", "wrong")
        .with("LINKDOWN_TELEGRAM_API_URL", telegram.url());
    let said = place.runs("invite");
    assert!(
        said.out.starts_with("Discord   https://discord.com/") && said.out.lines().count() == 1,
        "{said:?}"
    );
    assert!(said.code == Some(1) && said.err.starts_with("linkdown: Telegram: "), "{said:?}");
}
