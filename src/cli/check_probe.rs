//! `linkdown check --probe`: probes the controls, then every target once, and prints each answer.

use super::{Common, Failure, config};
use crate::app::{kit, targets};
use crate::clock::Clock;
use crate::domain::lookup::display_name;
use crate::domain::{Target, UplinkState, Watchlist};
use crate::render::outside::visible_lines;
use crate::render::words::plural;
use crate::source::probe::attempt::{Found, probe};
use crate::source::probe::look::look;
use crate::source::probe::uplink::Looks;
use crate::source::probe::{Outcome, icmp};
use futures_util::StreamExt;
use futures_util::stream;
use std::io::{self, Write};

/// The number of targets that are probed at the same time; speed does not matter here.
const AT_ONCE: usize = 16;

pub(super) async fn run(common: &Common) -> Result<(), Failure> {
    let config = config(common)?;
    let kit = kit(&config, &Clock::system());
    let controls = &config.probe.controls;
    let mut looks = Looks::default();
    looks.add(look(&kit, controls, &(0..controls.len()).collect::<Vec<_>>()).await, controls);
    let line = looks.judge(controls);
    let mut out = io::stdout();
    let mut say = |line: String| writeln!(out, "{line}").map_err(Failure::unwritten);
    say(format!("\nour own line: {}, {}", line.line, visible_lines(&line.why)))?;
    if !icmp::is_allowed() {
        say("ICMP may not be sent by this user: TCP port 80 is asked instead. To allow it: \
             sysctl net.ipv4.ping_group_range=\"0 2147483647\""
            .to_owned())?;
    }
    let targets = targets(&config.probe.targets, &Watchlist::new(config.watch.clone())).operator;
    let kit = &kit;
    let asked = stream::iter(
        targets.iter().map(|target| async move { (target, probe(kit, target).await) }),
    );
    let found: Vec<(&Target, Found)> = asked.buffered(AT_ONCE).collect().await;
    let mut last = None;
    for (target, found) in &found {
        if last != Some(&target.entity) {
            say(format!("\n{} ({})", target.entity, display_name(&target.entity)))?;
            last = Some(&target.entity);
        }
        say(visible_lines(&line_of(target, found)))?;
    }
    let working = found.iter().filter(|(_, found)| found.outcome().does_work()).count();
    say(format!("\n{working} of {} work", plural(found.len() as u64, "target", "targets")))?;
    if line.line == UplinkState::Good {
        Ok(())
    } else {
        Err(Failure::Work(format!(
            "our own line is {}: what the targets answered says little",
            line.line
        )))
    }
}

/// Returns a line such as `  http://www.kcna.kp/ at 175.45.176.71: works`, and below it the reason
/// for the target.
fn line_of(target: &Target, found: &Found) -> String {
    let seen: Vec<String> =
        found.seen.iter().map(|seen| format!("at {}: {}", seen.address, seen.outcome)).collect();
    let seen = match (seen.is_empty(), found.outcome()) {
        (true, outcome @ Outcome::Unknown { .. }) => outcome.to_string(),
        _ => seen.join(", "),
    };
    let mut parts = vec![format!("  {target} {seen}")];
    if let (Some(why), false) = (&found.name_trouble, found.seen.is_empty()) {
        parts.push(format!("; its name is not found ({why})"));
    }
    if let Some(ends_at) = found.certificate.as_ref().and_then(|seen| seen.ends_at) {
        parts.push(format!("; certificate until {}", ends_at.utc().format("%Y-%m-%d")));
    }
    if let Some(why) = &target.why {
        let known = target
            .known
            .as_ref()
            .map(|known| format!(" (last known to work: {known})"))
            .unwrap_or_default();
        parts.push(format!("\n      {why}{known}"));
    }
    parts.concat()
}
