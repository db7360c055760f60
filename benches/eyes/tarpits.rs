//! A thousand sites that strangers subscribed to, all of them tarpits: they take connections and never answer. For an hour of the
//! bot's clock every target of the operator's is probed in each minute, each site has its turn, and memory stays flat.
//!
//! Everything from the subscriptions in the database to the stored verdicts is the bot's own; only the ports of the sites are the
//! tarpit's, since 80 and 443 are not free for all. Servers stand in a process of their own.

use crate::usage;
use linkdown::app;
use linkdown::clock::{ActivityGuard, Clock};
use linkdown::command::StatusBoard;
use linkdown::config::Config;
use linkdown::detect::State;
use linkdown::domain::{Ask, Control, Options, Scope, Subscription, Timestamp, Watchlist};
use linkdown::failpoints::Failpoints;
use linkdown::ingest::{Pipeline, Watch, probes};
use linkdown::source::probe::prober::{Prober, Targets};
use linkdown::source::probe::tally::Round;
use linkdown::source::probe::{Guard, ProbeContext, Resolver};
use linkdown::store::{Access, BatchId, Store};
use linkdown::supervisor::Supervisor;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, RwLock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc::unbounded_channel;

const OWN: usize = 100;
const SITES: usize = 1000;
/// How many times as fast as the system's the bot's clock goes.
const RATE: u32 = 15;
/// Rounds in which the memory of the detector and of the allocator fills.
const WARMS_UP: usize = 15;
const MEASURED: usize = 60;
/// Rounds whose resident memory is compared: the first and the last so many of those measured.
const COMPARED: usize = 10;
const GROWTH_AT_MOST: f64 = 5.0;

/// From one question to a target to the next, in milliseconds of the bot's clock: a minute, and what a busy machine is late by.
const APART_AT_MOST: i64 = 66_000;

/// What the operator's server has seen of each target.
struct Log {
    last: [i64; OWN],
    /// The longest time between two questions to one target since this was set to 0, in milliseconds.
    longest: i64,
    times: [u32; OWN],
}

type Asked = Arc<Mutex<Log>>;

#[allow(clippy::too_many_lines)] // One story, told in order.
pub async fn run() {
    let (mut servers, [dns, tarpit]) = start_servers();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("linkdown.db"), Access::Own).unwrap();
    let begin = Timestamp::parse("2025-06-06 12:00").unwrap();
    let clock = Clock::accelerated(begin, RATE);
    let asked: Asked = Arc::new(Mutex::new(Log { last: [0; OWN], longest: 0, times: [0; OWN] }));
    let good = serve_operator(clock.clone(), Arc::clone(&asked)).await;
    let config = config(good);
    let watchlist = Arc::new(Watchlist::new(config.watch.clone()));
    watchlist.set_subscribed(subscribe(&store).await);

    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let resolver = Resolver::with(clock.clone(), vec![dns]);
    let kit = Arc::new(ProbeContext::new(
        clock.clone(),
        guard,
        resolver,
        "https://example.org/",
        config.probe.timeout,
    ));
    let (configured, list) = (config.probe.targets.clone(), Arc::clone(&watchlist));
    let targets = move || -> Targets {
        let mut all = app::targets(&configured, &list);
        all.chats.iter_mut().for_each(|target| target.port = tarpit.port());
        all
    };
    let supervisor = Supervisor::new(clock.clone());
    let prober = Prober {
        kit,
        targets: Arc::new(targets),
        controls: controls(good),
        every: config.probe.every,
        in_flight: config.probe.in_flight,
        sites_in_flight: config.limits.sites_in_flight as usize,
        progress: supervisor.progress("the probes"),
    };
    let watch = Watch {
        store: store.clone(),
        state: Arc::new(RwLock::new(State::default())),
        watchlist,
        clock: clock.clone(),
        failpoints: Failpoints::default(),
        wake: Vec::new(),
    };
    let pipeline = Arc::new(tokio::sync::Mutex::new(Pipeline::new(watch, BatchId::default())));
    let (tell, mut rounds) = unbounded_channel::<(Round, ActivityGuard)>();
    let (hand_on, mut taken) = unbounded_channel();
    let progress = supervisor.progress("the probes");
    let taking = tokio::spawn(async move {
        probes::run(&mut taken, pipeline, StatusBoard::default(), progress).await;
    });
    let probing = tokio::spawn(prober.run(tell, supervisor.watchdog(), ActivityGuard::default()));

    println!(
        "\n{SITES} tarpit sites of strangers beside {OWN} targets of the operator's, {RATE} times as fast"
    );
    println!(
        "{:>7} {:>10} {:>12} {:>10} {:>13}",
        "minute", "operator's", "sites asked", "no turn", "resident MiB"
    );
    let (mut resident, mut incomplete, mut left_out, mut last) = (Vec::new(), 0, 0, None);
    let mut turns = vec![0_u32; 2 * SITES];
    for number in 0..WARMS_UP + MEASURED {
        let (round, busy) = rounds.recv().await.unwrap();
        let own = round
            .found
            .iter()
            .filter(|(number, found)| *number < OWN && found.outcome().does_work())
            .count();
        let sites = round.found.iter().filter(|(number, _)| *number >= OWN);
        sites.clone().for_each(|(number, _)| turns[*number - OWN] += 1);
        if number == WARMS_UP {
            let mut asked = asked.lock().unwrap();
            (asked.longest, asked.times) = (0, [0; OWN]);
        }
        if number >= WARMS_UP {
            incomplete += usize::from(own < OWN);
            left_out +=
                usize::from(last.is_some_and(|last| round.start - last != config.probe.every));
            resident.push(usage::memory("self").0);
        }
        if number % 10 == 4 {
            let (sites, unreached) = (sites.count() / 2, round.unreached.len() / 2);
            println!(
                "{number:>7} {own:>10} {sites:>12} {unreached:>10} {:>13.1}",
                usage::memory("self").0
            );
        }
        last = Some(round.start);
        hand_on.send((round, busy)).unwrap();
    }
    probing.abort();
    drop(hand_on);
    taking.await.unwrap();
    let late = supervisor.works()[0].late;
    let _ = servers.kill();
    let _ = servers.wait();

    let asked = asked.lock().unwrap();
    let longest = asked.last.iter().map(|last| clock.millis() - last).fold(asked.longest, i64::max);
    let times = asked.times.iter().min().unwrap();
    let mean = |rounds: &[f64]| rounds.iter().sum::<f64>() / rounds.len() as f64;
    let (first, end) = (mean(&resident[..COMPARED]), mean(&resident[resident.len() - COMPARED..]));
    let growth = (end / first - 1.0) * 100.0;
    let (least, most) = (turns.iter().min().unwrap(), turns.iter().max().unwrap());
    println!(
        "  each of the operator's targets was asked {times} times or more in {MEASURED} minutes, at most {:.1} s apart (owed {:.0})",
        longest as f64 / 1000.0,
        APART_AT_MOST as f64 / 1000.0
    );
    println!(
        "  rounds in which one did not work: {incomplete} of {MEASURED} (owed 0); rounds left out: {left_out} (owed 0)"
    );
    println!("  turns of a site: {least} to {most} (owed: 1 or more, none two more than another)");
    println!(
        "  resident, mean of the first {COMPARED} minutes {first:.1} MiB, of the last {COMPARED} {end:.1} MiB: {growth:+.1} % \
         (owed {GROWTH_AT_MOST:.0})"
    );
    let is_kept = incomplete + left_out == 0
        && longest <= APART_AT_MOST
        && *times as usize + 2 >= MEASURED
        && late.is_none()
        && *least > 0
        && most - least <= 2
        && growth <= GROWTH_AT_MOST;
    println!("  {}", if is_kept { "kept" } else { "BROKEN" });
    if !is_kept {
        std::process::exit(1);
    }
}

/// Targets of the operator's at a server that answers, twenty networks with five each.
fn config(good: SocketAddr) -> Config {
    let target = |n: usize| {
        format!(
            "[[probe.target]]\nentity = 'asn/{}'\nprobe = 'http://{good}/{n}'\n",
            64_512 + n / 5
        )
    };
    let networks: Vec<String> = (0..OWN / 5).map(|n| format!("'asn/{}'", 64_512 + n)).collect();
    let targets: String = (0..OWN).map(target).collect();
    Config::parse(
        &format!("[watch]\nentities = [{}]\n{targets}", networks.join(", ")),
        "bench.toml",
    )
    .unwrap()
}

fn controls(good: SocketAddr) -> Vec<Control> {
    let control = |n: usize| Control {
        operator: format!("operator {}", n / 2),
        place: "here".to_owned(),
        ask: Ask::Tcp { address: good },
    };
    (0..16).map(control).collect()
}

/// Ten strangers with a hundred sites each, in as many servers. Returns what is subscribed to.
async fn subscribe(store: &Store) -> Vec<linkdown::domain::Entity> {
    let subscribed = store.write(|tx| {
        for n in 0..SITES {
            let (stranger, scope) =
                (n / 100, Scope::One(format!("site/tarpit{n}.example").parse().unwrap()));
            let chat = tx.chats().ensure("discord", &format!("{}", 7000 + stranger))?;
            tx.chats().belongs_to(
                chat.id,
                Some(&format!("{stranger}")),
                Some(&format!("{stranger}")),
            )?;
            let wish = Subscription {
                chat,
                scope,
                since: Timestamp::from_unix(0),
                options: Options::default(),
            };
            tx.subscriptions().subscribe_as(&wish, Some(&format!("{stranger}")))?;
        }
        tx.subscriptions().entities()
    });
    subscribed.await.unwrap()
}

/// Answers at once, and notes when each target was asked by the bot's clock.
async fn serve_operator(clock: Clock, asked: Asked) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let talk = move |mut stream: TcpStream, clock: Clock, asked: Asked| async move {
        let mut head = [0; 2048];
        let length = stream.read(&mut head).await.unwrap_or(0);
        let path = String::from_utf8_lossy(&head[..length]);
        let number = path
            .split(' ')
            .nth(1)
            .and_then(|path| path.trim_start_matches('/').parse::<usize>().ok());
        if let Some(number) = number.filter(|number| *number < OWN) {
            let (now, mut asked) = (clock.millis(), asked.lock().unwrap());
            if asked.last[number] > 0 {
                asked.longest = asked.longest.max(now - asked.last[number]);
            }
            asked.last[number] = now;
            asked.times[number] += 1;
        }
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
            .await;
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, clock.clone(), Arc::clone(&asked)));
        }
    });
    address
}

fn start_servers() -> (Child, [SocketAddr; 2]) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("serve-tarpits")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let addresses: Vec<SocketAddr> =
        line.split_whitespace().map(|address| address.parse().unwrap()).collect();
    (child, addresses.try_into().unwrap())
}

/// A resolver that leads every name to loopback, and the tarpit. Ends with its input.
pub async fn serve() {
    let dns = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tarpit = TcpListener::bind("0.0.0.0:0").await.unwrap();
    println!("{} 127.0.0.1:{}", dns.local_addr().unwrap(), tarpit.local_addr().unwrap().port());
    std::io::stdout().flush().unwrap();
    tokio::spawn(async move {
        let mut asked = [0; 512];
        while let Ok((length, from)) = dns.recv_from(&mut asked).await {
            if let Some(answer) = answer(&asked[..length]) {
                let _ = dns.send_to(&answer, from).await;
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tarpit.accept().await {
            tokio::spawn(async move {
                let mut read = [0; 2048];
                while stream.read(&mut read).await.is_ok_and(|length| length > 0) {}
            });
        }
    });
    let _ =
        tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new())).await;
}

/// The question with one A record, 127.0.0.1 and five minutes; none for any other kind of question.
fn answer(asked: &[u8]) -> Option<Vec<u8>> {
    let mut end = 12;
    while *asked.get(end)? > 0 {
        end += usize::from(asked[end]) + 1;
    }
    end += 5;
    let is_a = asked.get(end - 4..end - 2)? == [0, 1];
    let mut answer = asked[..end].to_vec();
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    if is_a {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}
