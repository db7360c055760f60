//! The bot looks after itself: health and metrics, the heartbeat, a configuration that is read again, a backup that is put
//! back, and the doctor.

use super::{KP, NOBODY, Place};
use crate::doubles::{DiscordDouble, IodaDouble, TelegramDouble, discord, telegram};
use crate::harness::earlier;
use linkdown::clock::Clock;
use linkdown::domain::{Options, Scope, Subscription, Timestamp};
use linkdown::store::{Access, Store};
use nix::sys::signal::Signal;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// A port at which nobody listens yet.
pub(super) fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The whole answer to one GET.
pub(super) fn get(port: u16, path: &str) -> String {
    asked(port, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

fn asked(port: u16, question: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(question.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn on(port: u16) -> String {
    format!("{KP}[web]\nlisten = '127.0.0.1:{port}'\n[sources.radar]\nenabled = false\n")
}

#[test]
fn a_monitor_asks_how_it_does() {
    let port = port();
    let place = Place::new().watching(&on(port));
    let mut bot = place.starts("run");
    bot.says(&format!("health and metrics are served on http://127.0.0.1:{port}/"));
    assert!(get(port, "/health/live").starts_with("HTTP/1.1 200 OK"));
    bot.says("cannot be reached: Connection refused");
    let health = get(port, "/health");
    for words in [
        "\"the watchman\"",
        "\"state\": \"runs\"",
        "\"name\": \"ioda\"",
        "\"troubles\": []",
        "\"status\": \"ok\"",
        "\"version\"",
    ] {
        assert!(health.contains(words), "{words}: {health}");
    }
    let metrics = get(port, "/metrics");
    assert!(
        metrics.contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{metrics}"
    );
    for words in [
        "# TYPE linkdown_build info",
        "linkdown_source_failures{source=\"ioda\"} ",
        "# UNIT linkdown_database_bytes bytes",
        "linkdown_chats{platform=\"console\"} 1",
        "linkdown_incidents_open{phase=\"down\"} 0",
        "linkdown_task_restarts{task=\"the watchman\"} 0",
    ] {
        assert!(metrics.contains(words), "{words}: {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(get(port, "/etc/passwd").starts_with("HTTP/1.1 404"));
    assert!(
        asked(port, "POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            .starts_with("HTTP/1.1 405")
    );
    bot.stops_by(Signal::SIGTERM);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// Connections that say nothing, or a byte now and then, are closed when there are too many: whoever asks is answered.
#[test]
fn a_health_check_is_answered_however_many_hold_their_connections_open() {
    let port = port();
    let place = Place::new().watching(&on(port));
    let mut bot = place.starts("run");
    bot.says(&format!("health and metrics are served on http://127.0.0.1:{port}/"));
    let mut slow = Vec::new();
    for n in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // Some send the beginning of a question, some a whole one to which no end of the answer is read, some nothing.
        let begins = ["GET /health/live HT", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", ""][n % 3];
        stream.write_all(begins.as_bytes()).unwrap();
        slow.push(stream);
        if n % 50 == 49 {
            let began = Instant::now();
            for path in ["/health/live", "/health", "/metrics"] {
                assert!(
                    get(port, path).starts_with("HTTP/1.1 200 OK"),
                    "{path} beside {n} slow connections"
                );
            }
            assert!(
                began.elapsed() < Duration::from_secs(3),
                "{:?} beside {n} slow connections",
                began.elapsed()
            );
        }
    }
    // One byte more each time keeps none of them open for ever.
    slow.retain_mut(|stream| stream.write_all(b"x").is_ok());
    assert!(get(port, "/health/live").starts_with("HTTP/1.1 200 OK"));
    bot.stops_by(Signal::SIGTERM);
}

#[test]
fn a_port_that_somebody_else_has_is_said_and_the_watch_goes_on() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::new().watching(&on(taken.local_addr().unwrap().port()));
    let mut bot = place.starts("run");
    let said = bot.says("health and metrics are not served");
    assert!(said.contains("give another [web] listen"), "{said}");
    bot.types("/status KP");
    bot.says("North Korea: unknown");
    bot.stops_by(Signal::SIGTERM);
}

#[test]
fn a_configuration_is_read_again_when_it_is_good_and_the_old_one_stays_when_it_is_not() {
    let place = Place::new().watching(KP);
    let mut bot = place.starts("run");
    bot.says("cannot be reached");
    std::fs::write(place.path("config/linkdown.toml"), "[watch]\nentities = ['KP', 'XQ']\n")
        .unwrap();
    bot.hangs_up();
    let said = bot.says("the configuration was not taken, and the old one stays in force");
    assert!(said.contains("config/linkdown.toml:2:"), "{said}");
    bot.types("/watchlist");
    bot.says("North Korea");
    std::fs::write(place.path("config/linkdown.toml"), "[watch]\nentities = ['KP', 'Eritrea']\n")
        .unwrap();
    bot.hangs_up();
    bot.says("the configuration was read again and is in force");
    bot.types("/watchlist");
    bot.says("Eritrea");
    bot.stops_by(Signal::SIGTERM);
}

/// It could not begin again, so it does not stop either.
#[test]
fn a_configuration_is_not_taken_while_the_database_cannot_be_written_to() {
    let place = Place::new().watching(KP);
    let mut bot = place.starts("run");
    bot.says("cannot be reached");
    let database = rusqlite::Connection::open(place.path("data/linkdown.db")).unwrap();
    let refuses = "CREATE TRIGGER no_room BEFORE INSERT ON heartbeat BEGIN SELECT RAISE(ABORT, 'no room'); END";
    database.execute_batch(refuses).unwrap();
    bot.hangs_up();
    bot.says("the configuration was not taken, and the old one stays in force");
    bot.types("/watchlist");
    bot.says("North Korea");
    database.execute_batch("DROP TRIGGER no_room").unwrap();
    bot.hangs_up();
    bot.says("the configuration was read again and is in force");
    bot.stops_by(Signal::SIGTERM);
}

#[test]
fn that_the_database_was_migrated_is_told_once_however_often_the_configuration_is_read() {
    let place = Place::new().watching(&format!("{KP}[operator]\nchat = 'telegram:42'\n"));
    std::fs::create_dir(place.path("data")).unwrap();
    earlier::unpack(5, &place.path("data/linkdown.db"));
    let mut bot = place.starts("run");
    bot.says("has brought the database from schema 5");
    bot.hangs_up();
    bot.says("the configuration was read again and is in force");
    bot.stops_by(Signal::SIGTERM);
    let database = rusqlite::Connection::open(place.path("data/linkdown.db")).unwrap();
    let told = "SELECT count(*) FROM delivery JOIN notice ON notice.id = notice_id WHERE body LIKE '%has brought%'";
    assert_eq!(database.query_row(told, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[test]
fn the_heartbeat_is_called_and_its_address_is_told_to_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/ping/s3cret-path", listener.local_addr().unwrap());
    let nothing = "[sources.ioda]\nenabled = false\n[sources.ripestat]\nenabled = false\n[sources.radar]\nenabled = false\n";
    let place = Place::new()
        .watching(&format!("{KP}{nothing}[web]\nenabled = false\n"))
        .with("LINKDOWN_HEARTBEAT_URL", &address)
        .with("RUST_LOG", "trace");
    let mut bot = place.starts("run");
    let (mut stream, _) = listener.accept().unwrap();
    let mut question = [0; 4096];
    let read = stream.read(&mut question).unwrap();
    assert!(
        String::from_utf8_lossy(&question[..read]).starts_with("GET /ping/s3cret-path HTTP/1.1")
    );
    stream.write_all(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n").unwrap();
    let said = bot.says("the heartbeat is not heard (it answers 503)");
    assert!(!said.contains("s3cret"), "{said}");
    let said = bot.stops_by(Signal::SIGTERM);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("s3cret-path")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[test]
fn a_backup_is_put_back_and_what_stood_there_is_kept() {
    let place = Place::new().watching(KP);
    let bot = place.starts("run");
    let database = place.path("data/linkdown.db");
    let began = Instant::now();
    while place.runs("health").code != Some(0) {
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(place.runs("backup copy.db").well(), "");
    let why = place.runs("restore copy.db").refused(1);
    assert!(why.contains("is in use by linkdown with process id"), "{why}");
    bot.stops_by(Signal::SIGTERM);
    let said = place.runs("restore copy.db").well();
    assert!(
        said.starts_with(
            "copy.db is in its place; the old one is kept as data/linkdown.db.before-restore."
        ),
        "{said}"
    );
    assert!(place.path("data/linkdown.db.before-restore").exists());
    assert!(place.runs("restore copy.db").well().contains("linkdown.db.before-restore-2"));

    // What is no whole backup is not taken, and nothing is touched.
    let before = std::fs::read(&database).unwrap();
    let mut bytes = std::fs::read(place.path("copy.db")).unwrap();
    let length = bytes.len();
    bytes[length / 2..].fill(0xAB);
    std::fs::write(place.path("bad.db"), bytes).unwrap();
    std::fs::write(place.path("text.db"), "a shopping list ".repeat(100)).unwrap();
    for (file, words) in [
        ("bad.db", "bad.db"),
        ("text.db", "is no SQLite database"),
        ("none.db", "there is no database none.db"),
    ] {
        let why = place.runs(&format!("restore {file}")).refused(1);
        assert!(why.contains(words), "{why}");
    }
    assert_eq!(std::fs::read(&database).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_what_is_wrong_and_what_to_do() {
    let place = Place::new().watching(KP);
    let said = place.runs("doctor");
    assert_eq!(said.code, Some(1), "{said:?}");
    for words in [
        "hint  configuration: 1 entity watched; set [linkdown] contact",
        "hint  database: there is no database data/linkdown.db yet",
        "WRONG source ioda: cannot be reached: Connection refused (os error 111); is this machine's way out open",
        "ok    source ripestat: each entity about every ",
        "hint  source radar: off: no token",
        "hint  discord: off: no token; to use it, put one into a file and name that in LINKDOWN_DISCORD_TOKEN_FILE",
        "hint  operator: no chat is told",
        "hint  heartbeat: nobody notices",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert!(said.err.starts_with("linkdown: 2 things are wrong, "), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_looks_at_each_chat() {
    let (discord, telegram) =
        (DiscordDouble::start(Clock::system()).await, TelegramDouble::start(Clock::system()).await);
    let ioda = IodaDouble::start(Clock::system()).await;
    ioda.set("country/KP", "bgp", |_| Some(4.0));
    let guild = discord.guild("Newsroom");
    let (ops, shut) = (discord.channel(guild, "ops"), discord.channel(guild, "shut"));
    discord.may_not(shut, "Send Messages");
    let (crew, left) = (telegram.supergroup("Crew"), telegram.supergroup("Left"));
    telegram.kicks(left);
    let place = Place::new()
        .watching(&format!(
            "{KP}[linkdown]\ncontact = 'mailto:ops@example.org'\n[operator]\nchat = 'telegram:{crew}'\n"
        ))
        .with("LINKDOWN_DISCORD_TOKEN", discord::TOKEN)
        .with("LINKDOWN_TELEGRAM_TOKEN", telegram::TOKEN)
        .with("LINKDOWN_DISCORD_API_URL", discord.url())
        .with("LINKDOWN_TELEGRAM_API_URL", telegram.url())
        .with("LINKDOWN_IODA_URL", ioda.url())
        .with("LINKDOWN_RIPESTAT_URL", NOBODY);
    let store = Store::open(place.path("data/linkdown.db"), Access::Own).unwrap();
    let chats = [
        ("discord", ops.to_string()),
        ("discord", shut.to_string()),
        ("telegram", crew.to_string()),
        ("telegram", left.to_string()),
    ];
    store
        .write(move |tx| {
            for (platform, address) in &chats {
                let chat = tx.chats().ensure(platform, address)?;
                let (scope, since, options) =
                    (Scope::All, Timestamp::from_unix(0), Options::default());
                tx.subscriptions().subscribe(&Subscription { chat, scope, since, options })?;
            }
            Ok(())
        })
        .await
        .unwrap();
    drop(store);
    let said = tokio::task::spawn_blocking(move || place.runs("doctor")).await.unwrap();
    for words in [
        "ok    database: data/linkdown.db is whole".to_owned(),
        "ok    disk: ".to_owned(),
        "ok    source ioda: it answers".to_owned(),
        "ok    discord: the token is good".to_owned(),
        format!("ok    discord {ops}: it can be told"),
        format!(
            "WRONG discord {shut}: I lack Send Messages in #shut: let the bot in, or give it back what is missing"
        ),
        "ok    telegram: the token is good".to_owned(),
        format!("ok    telegram {crew}: it can be told"),
        format!("WRONG telegram {left}: "),
        "ok    operator: told on telegram".to_owned(),
    ] {
        assert!(said.out.contains(&words), "{words}: {}{}", said.out, said.err);
    }
    assert_eq!(said.code, Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_names_a_webhook_that_keeps_commands_away() {
    let telegram = TelegramDouble::start(Clock::system()).await;
    telegram.sets_webhook("https://hooks.example.org/123456789:secret-path");
    let dan = telegram.person("Dan");
    telegram.puts(&dan, dan.id, "/about");
    let said = async |config: &str| {
        let place = Place::new()
            .watching(&format!("{KP}{config}"))
            .with("LINKDOWN_TELEGRAM_TOKEN", telegram::TOKEN)
            .with("LINKDOWN_TELEGRAM_API_URL", telegram.url());
        tokio::task::spawn_blocking(move || place.runs("doctor")).await.unwrap().out
    };
    let left_alone = said("").await;
    let words = "WRONG telegram: a webhook at hooks[.]example[.]org takes this bot's commands, so none arrives here \
                 (1 update waits for it): stop the program that uses it, then call deleteWebhook, or set [telegram] \
                 remove_webhook = true and let `linkdown run` remove it";
    assert!(
        left_alone.contains("ok    telegram: the token is good") && left_alone.contains(words),
        "{left_alone}"
    );
    let allowed = said("[telegram]\nremove_webhook = true\n").await;
    assert!(
        allowed.contains("hint  telegram: a webhook at hooks[.]example[.]org")
            && !allowed.contains("secret-path")
    );
    assert!(telegram.webhook().is_some(), "the doctor changes nothing");
    telegram.removes_webhook();
    assert!(!said("").await.contains("webhook"));
}

#[test]
fn the_service_manager_is_told_where_it_stands() {
    let place = Place::new().watching(KP);
    let socket = std::os::unix::net::UnixDatagram::bind(place.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let place = place.with("NOTIFY_SOCKET", "notify");
    // A sign of life may come between two stages, and then not again for half a minute.
    let lives = std::cell::Cell::new(false);
    let told = |words: &str| {
        for _ in 0..10 {
            let mut bytes = [0; 256];
            let length = socket.recv(&mut bytes).unwrap();
            let said = String::from_utf8_lossy(&bytes[..length]);
            lives.set(lives.get() || said.contains("WATCHDOG=1"));
            if said.contains(words) {
                return;
            }
        }
        panic!("{words} was not told");
    };
    let bot = place.starts("run");
    told("READY=1");
    let good = std::fs::read(place.path("config/linkdown.toml")).unwrap();
    for config in [&*good, b"[watch]\nentities = ["] {
        std::fs::write(place.path("config/linkdown.toml"), config).unwrap();
        bot.hangs_up();
        // Also of one that is not taken: it waits for both.
        told("RELOADING=1\nMONOTONIC_USEC=");
        told("READY=1");
    }
    if !lives.get() {
        told("WATCHDOG=1");
    }
    bot.stops_by(Signal::SIGTERM);
    told("STOPPING=1");
}
