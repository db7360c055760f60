//! What the binary leaves on a disk and in memory: who may read it, and what becomes of it when somebody deletes or
//! replaces it under a running bot.

use super::care::{get, port};
use super::{Bot, KP, Place};
use crate::doubles::{IodaDouble, TelegramDouble, telegram};
use linkdown::clock::Clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const NOTHING: &str = "[sources.ioda]\nenabled = false\n[sources.ripestat]\nenabled = false\n[sources.radar]\nenabled = false\n";
/// "Within seconds", with room for a machine that does much else.
const SECONDS: Duration = Duration::from_secs(15);

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

/// By a shell that lets everybody read new files and asks for core files of any size.
fn carelessly(place: &Place, line: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!(
        "umask 000; ulimit -c unlimited; exec {} {line}",
        env!("CARGO_BIN_EXE_linkdown")
    ));
    shell
        .current_dir(place.path(""))
        .env_clear()
        .envs(place.environment.iter().map(|(name, value)| (*name, value)));
    shell.env("PATH", "/usr/bin:/bin");
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_file_is_its_owner_s_alone_whatever_the_umask() {
    let ioda = IodaDouble::start(Clock::system()).await;
    ioda.set("country/KP", "bgp", |_| Some(4.0));
    let place = Place::new()
        .watching(&format!("{KP}[web]\nenabled = false\n"))
        .with("LINKDOWN_IODA_URL", ioda.url());
    let mut bot = Bot::new(carelessly(&place, "run").stdin(Stdio::piped()).spawn().unwrap());
    bot.types("/watchlist");
    bot.says("North Korea");
    tokio::task::spawn_blocking(move || {
        for line in [
            "backup copy.db",
            "record --entity country/KP --from 2025-06-06 --until 2025-06-07 --out kp.csv",
            "replay --observations kp.csv --events events.jsonl",
        ] {
            let done = carelessly(&place, line).output().unwrap();
            assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        }
        for name in [
            "data/linkdown.db",
            "data/linkdown.db-wal",
            "data/linkdown.db-shm",
            "data/linkdown.db.lock",
            "copy.db",
            "kp.csv",
            "events.jsonl",
        ] {
            assert_eq!(mode(&place.path(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&place.path("data")), 0o700);
        assert!(!place.files().iter().any(|name| name.contains("partial")), "{:?}", place.files());
        bot.stops_by(Signal::SIGTERM);
    })
    .await
    .unwrap();
}

#[test]
fn no_core_file_is_written_although_the_shell_asks_for_one() {
    let place = Place::new().watching(&format!("{KP}{NOTHING}[web]\nenabled = false\n"));
    let mut child = carelessly(&place, "run").stdin(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let mut bot = Bot::new(
        Command::new("true").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap(),
    );
    std::mem::swap(&mut bot.child, &mut child);
    let began = Instant::now();
    let limits = loop {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core =
            limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().to_owned();
        if core.split_whitespace().nth(5) == Some("0") || began.elapsed() > SECONDS {
            break core;
        }
    };
    assert_eq!(limits.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{limits}");
    kill(Pid::from_raw(pid as i32), Signal::SIGABRT).unwrap();
    let status = bot.child.wait().unwrap();
    assert_eq!((status.signal(), status.core_dumped()), (Some(Signal::SIGABRT as i32), false));
    assert!(!place.files().iter().any(|name| name.starts_with("core")), "{:?}", place.files());
    let _ = child.wait();
}

/// A bot that tells its operator on Telegram, with the database at hand.
fn with_operator(telegram: &TelegramDouble, port: u16) -> (Place, Bot, i64) {
    let crew = telegram.supergroup("Crew");
    let place = Place::new()
        .watching(&format!("{KP}{NOTHING}[web]\nlisten = '127.0.0.1:{port}'\n[operator]\nchat = 'telegram:{crew}'\n"))
        .with("LINKDOWN_TELEGRAM_TOKEN", telegram::TOKEN)
        .with("LINKDOWN_TELEGRAM_API_URL", telegram.url());
    let mut bot = place.starts("run");
    bot.says("Telegram: connected as @");
    (place, bot, crew)
}

/// Waits for a message with these words.
async fn until_told(telegram: &TelegramDouble, chat: i64, words: &str) -> String {
    let began = Instant::now();
    loop {
        let messages = telegram.messages(chat);
        if let Some(message) = messages.iter().find(|message| message.text.contains(words)) {
            return message.text.clone();
        }
        assert!(began.elapsed() < SECONDS, "{words}: {messages:?}");
        tokio::task::yield_now().await;
    }
}

/// Waits until `/health` holds the words.
fn until_health_says(port: u16, words: &str) -> String {
    let began = Instant::now();
    loop {
        let said = get(port, "/health");
        if said.contains(words) {
            return said;
        }
        assert!(began.elapsed() < SECONDS, "{words}: {said}");
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_deleted_is_noticed_written_anew_and_told() {
    let telegram = TelegramDouble::start(Clock::system()).await;
    let port = port();
    let (place, mut bot, crew) = with_operator(&telegram, port);
    bot.types("/subscribe Eritrea");
    bot.says("Eritrea");
    let deleted = Instant::now();
    std::fs::remove_dir_all(place.path("data")).unwrap();
    bot.says("the database was deleted while linkdown ran on it");
    assert!(deleted.elapsed() < SECONDS, "{:?}", deleted.elapsed());
    let told =
        until_told(&telegram, crew, "the database was deleted while the bot ran on it").await;
    assert!(told.contains("nothing is lost"), "{told}");
    until_health_says(port, "the database was deleted while the bot ran on it");
    // What was stored before, and what is confirmed after, is in the file that is there now.
    bot.types("/subscribe Cuba");
    bot.says("Cuba");
    bot.stops_by(Signal::SIGTERM);
    let file = rusqlite::Connection::open(place.path("data/linkdown.db")).unwrap();
    for entity in ["country/ER", "country/CU"] {
        let count = "SELECT count(*) FROM subscription WHERE entity = ?1";
        assert_eq!(
            file.query_row(count, [entity], |row| row.get::<_, i64>(0)).unwrap(),
            1,
            "{entity}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_replaced_ends_the_process_which_says_so_everywhere() {
    let telegram = TelegramDouble::start(Clock::system()).await;
    let port = port();
    let (place, mut bot, crew) = with_operator(&telegram, port);
    assert_eq!(place.runs("backup new.db").code, Some(0));
    std::fs::rename(place.path("new.db"), place.path("data/linkdown.db")).unwrap();
    let before = std::fs::read(place.path("data/linkdown.db")).unwrap();
    // While nothing is written, or in the middle of a step.
    bot.says("replaced by another file");
    bot.types("/subscribe Cuba");
    let answer = bot.says("replaced");
    assert!(!answer.contains("will be told"), "{answer}");
    let told = until_told(&telegram, crew, "replaced by another file").await;
    assert!(told.contains("its next start takes the"), "{told}");
    until_health_says(port, "replaced by another file");
    bot.says("linkdown: database data/linkdown.db ");
    let status = bot.child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    // Not a byte of the new one was touched, and the next start takes it.
    assert_eq!(std::fs::read(place.path("data/linkdown.db")).unwrap(), before);
    let mut next = place.starts("run");
    next.types("/watchlist");
    next.says("North Korea");
    next.stops_by(Signal::SIGTERM);
}

#[test]
fn the_doctor_refuses_a_secret_that_everybody_may_read_and_a_start_warns_of_it() {
    let token = "MTMwMDAwMDAwMDAwMDAwMDAwMQ.GdOuBl.eXampleOnly-0123456789_abcdefghijklmno";
    let place = Place::new()
        .watching(&format!("{KP}{NOTHING}[web]\nenabled = false\n"))
        .holding("discord.token", token)
        .with("LINKDOWN_DISCORD_TOKEN_FILE", "discord.token")
        .with("LINKDOWN_DISCORD_API_URL", super::NOBODY);
    let file = place.path("discord.token");
    for (mode, is_refused) in [(0o644, true), (0o604, true), (0o600, false), (0o440, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let said = place.runs("doctor");
        let line = said.out.lines().find(|line| line.starts_with("WRONG secret: "));
        assert_eq!(line.is_some(), is_refused, "{mode:o}: {said:?}");
        assert!(line.is_none_or(|line| line.contains("chmod 600 discord.token")), "{line:?}");
        assert!(!said.out.contains("eXampleOnly") && !said.err.contains("eXampleOnly"));
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bot = place.starts("run");
    bot.says("every user of this machine may read discord.token (mode 644)");
    bot.types("/watchlist");
    bot.says("North Korea");
    bot.stops_by(Signal::SIGTERM);
}

#[test]
fn a_token_in_the_wrong_variable_is_said_before_anybody_is_called() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    for line in ["run", "doctor", "invite"] {
        let place = Place::new()
            .with("LINKDOWN_DISCORD_TOKEN", telegram::TOKEN)
            .with("LINKDOWN_DISCORD_API_URL", &url)
            .with("LINKDOWN_TELEGRAM_API_URL", &url);
        let said = place.runs(line);
        assert_eq!(said.code, Some(2), "{said:?}");
        let why = "LINKDOWN_DISCORD_TOKEN holds a Telegram bot token (it belongs into LINKDOWN_TELEGRAM_TOKEN)";
        assert!(said.err.contains(why) && !said.err.contains(telegram::TOKEN), "{said:?}");
    }
    assert!(listener.accept().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forgotten_is_in_no_file_of_the_folder() {
    let telegram = TelegramDouble::start(Clock::system()).await;
    let port = port();
    let (place, bot, _) = with_operator(&telegram, port);
    let dan = telegram.person("Dan");
    telegram.says(&dan, dan.id, "/subscribe Eritrea mention: @marked_mention").await;
    let holds = |words: &str| {
        let files = std::fs::read_dir(place.path("data")).unwrap().map(|file| file.unwrap().path());
        files
            .filter(|file| {
                std::fs::read(file)
                    .unwrap()
                    .windows(words.len())
                    .any(|window| window == words.as_bytes())
            })
            .count()
    };
    let address = dan.id.to_string();
    assert!(holds(&address) > 0);
    telegram.says(&dan, dan.id, "/forget yes").await;
    // A read that was under way may hold the log for a moment.
    let began = Instant::now();
    while holds(&address) + holds("marked_mention") > 0 {
        assert!(began.elapsed() < SECONDS, "{address}");
        std::thread::yield_now();
    }
    bot.stops_by(Signal::SIGTERM);
    assert_eq!(holds(&address) + holds("marked_mention"), 0);
}
