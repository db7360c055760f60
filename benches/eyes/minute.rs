//! The real binary with 1,000 targets, each once a minute.

use crate::serve::Hosts;
use crate::usage;
use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const WARMS_UP: Duration = Duration::from_secs(130);
const MEASURED: Duration = Duration::from_mins(4);

pub async fn run() {
    let hosts = Hosts::start();
    let ports = hosts.ports;
    let folder = tempfile::tempdir().unwrap();
    let mut config = String::from(
        "[watch]\nentities = []\n[sources.ioda]\nenabled = false\n[sources.ripestat]\nenabled = false\n[sources.radar]\nenabled = false\n\
         [ris-live]\nenabled = false\n[probe]\nallow_networks = ['127.0.0.0/8']\ncontrols = 'controls.toml'\n",
    );
    let mut number = 0;
    for (count, kind, port, path) in [
        (400, "http", ports.http, "/"),
        (300, "tcp", ports.tcp, ""),
        (200, "dns", ports.dns, "/kp"),
        (100, "smtp", ports.smtp, ""),
    ] {
        for _ in 0..count {
            // Ten hosts in ten blocks for each of a hundred networks.
            let (entity, block) = (number % 100, number / 100);
            writeln!(
                config,
                "[[probe.target]]\nentity = 'asn/{}'\nprobe = '{kind}://127.{block}.{entity}.{}:{port}{path}'",
                64_512 + entity,
                1 + number % 250
            )
            .unwrap();
            number += 1;
        }
    }
    std::fs::write(folder.path().join("bench.toml"), config).unwrap();
    let control = |operator: &str| {
        format!(
            "[[control]]\noperator = '{operator}'\nplace = 'here'\ntcp = '127.0.0.1:{}'\n",
            ports.tcp
        )
    };
    let controls = ["one", "two", "three", "four"].map(control).concat();
    std::fs::write(folder.path().join("controls.toml"), controls).unwrap();
    let mut bot = Command::new(env!("CARGO_BIN_EXE_linkdown"))
        .args(["run", "--config", "bench.toml", "--database", "linkdown.db"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = bot.id().to_string();
    tokio::time::sleep(WARMS_UP).await;
    let (before, began) = (usage::cpu(&process), Instant::now());
    tokio::time::sleep(MEASURED).await;
    let share = (usage::cpu(&process) - before) / began.elapsed().as_secs_f64();
    let (resident, peak) = usage::memory(&process);
    // To the end of a round: else the tenths at its beginning would hold one more.
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 60;
    tokio::time::sleep(Duration::from_secs(60 - second)).await;
    bot.kill().unwrap();
    bot.wait().unwrap();
    let tenths = hosts.tenths();
    let all: u64 = tenths.iter().sum();
    let mean = all as f64 / tenths.len() as f64;
    let least = *tenths.iter().min().unwrap() as f64 / mean * 100.0;
    let most = *tenths.iter().max().unwrap() as f64 / mean * 100.0;
    println!(
        "\n1,000 targets a minute (400 HTTP, 300 TCP, 200 DNS, 100 SMTP), the real binary, {} s",
        MEASURED.as_secs()
    );
    println!("  processor    {:.2} % of one core (owed 3)", share * 100.0);
    println!("  resident     {resident:.1} MiB, at most {peak:.1} (owed 40)");
    println!(
        "  spread       {all} asked; the tenths of a minute hold {least:.0} to {most:.0} % of their mean"
    );
}
