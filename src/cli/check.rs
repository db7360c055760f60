//! `linkdown check`: prints the watched entities, their sources, how often these are polled, and
//! the next ticks.

use super::{Common, Failure, config, environment};
use crate::app::feeds;
use crate::clock::Clock;
use crate::domain::lookup::display_name;
use crate::render::words::{day_and_time, duration, plural};
use crate::source::http::Timeouts;
use std::io::Write;

/// The number of next ticks that are shown for each source.
const FIRINGS: usize = 3;

pub(super) fn run(common: &Common, out: &mut impl Write) -> Result<(), Failure> {
    let config = config(common)?;
    let environment = environment()?;
    let clock = Clock::system();
    let now = clock.now();
    let feeds =
        feeds(&config, &environment.secrets, &environment.addresses, &clock, Timeouts::default())
            .map_err(Failure::work)?;
    let mut lines =
        vec![format!("{} watched:", plural(config.watch.len() as u64, "entity", "entities"))];
    for watched in &config.watch {
        let part =
            watched.part_of.as_ref().map(|whole| format!(", part of {}", display_name(whole)));
        let name = watched.name.clone().unwrap_or_else(|| display_name(&watched.entity));
        lines.push(format!("  {} ({name}){}", watched.entity, part.unwrap_or_default()));
    }
    for feed in &feeds {
        lines.push(String::new());
        let Some(()) = feed.off.is_none().then_some(()) else {
            lines.push(format!(
                "{}: off, {}",
                feed.name(),
                feed.off.as_deref().unwrap_or_default()
            ));
            continue;
        };
        let covered = feed.covered(config.watch.iter().map(|watched| &watched.entity));
        lines.push(format!(
            "{}: {} (with its controls), `{}`",
            feed.name(),
            plural(covered.len() as u64, "entity", "entities"),
            feed.schedule
        ));
        if let Some(budget) = feed.budget() {
            let every = duration(budget.cadence(covered.len()).max(60));
            lines.push(format!(
                "  {} calls a day: each entity about every {every}",
                budget.calls_a_day
            ));
        }
        let firings = feed.schedule.next(now, FIRINGS);
        let shown: Vec<String> =
            firings.into_iter().map(|at| day_and_time(at, config.zone, now)).collect();
        lines.push(format!("  next: {}", shown.join(", ")));
    }
    let probe = &config.probe;
    lines.push(String::new());
    lines.push(if probe.enabled {
        let entities: std::collections::BTreeSet<_> =
            probe.targets.iter().map(|target| &target.entity).collect();
        format!(
            "probe: {} of {}, each every {}; our own line by {}",
            plural(probe.targets.len() as u64, "target", "targets"),
            plural(entities.len() as u64, "entity", "entities"),
            duration(probe.every),
            plural(probe.controls.len() as u64, "control", "controls")
        )
    } else {
        "probe: off, switched off in the configuration".to_owned()
    });
    lines.push(if config.ris_live.enabled {
        let routes: usize = probe.profiles.iter().map(|profile| profile.routes.len()).sum();
        let controls = plural(config.ris_live.controls.len() as u64, "control", "controls");
        format!(
            "ris-live: {} of the profiles, and {controls}",
            plural(routes as u64, "block", "blocks")
        )
    } else {
        "ris-live: off, switched off in the configuration".to_owned()
    });
    for warning in config.warnings() {
        lines.push(String::new());
        lines.push(format!("warning: {warning}"));
    }
    writeln!(out, "{}", lines.join("\n")).map_err(Failure::unwritten)
}
