//! Checks that each source can be reached, that its budget fits, and that this machine's clock
//! agrees with the sources'.

use super::{Finding, Patient};
use crate::app::feeds;
use crate::cli::Failure;
use crate::clock::ActivityGuard;
use crate::domain::Entity;
use crate::domain::time::{HOUR, MINUTE};
use crate::monitoring::{OFF, off_by};
use crate::render::words::duration;
use crate::source::Purpose;
use crate::source::feed::{self, Feed};
use crate::source::http::Timeouts;
use crate::source::probe::icmp;
use std::time::Duration;

/// The limit for one call, shorter than that of a running bot because a person waits.
const PATIENCE: Timeouts = Timeouts::all(Duration::from_secs(20));
/// An entity that is polled less often than this is hardly watched.
const RARE: i64 = 2 * HOUR;

pub(super) async fn look(patient: &Patient<'_>) -> Result<Vec<(String, Finding)>, Failure> {
    let (config, environment) = (patient.config, patient.environment);
    let feeds =
        feeds(config, &environment.secrets, &environment.addresses, &patient.clock, PATIENCE)
            .map_err(Failure::work)?;
    let watched: Vec<Entity> = config.watch.iter().map(|watched| watched.entity.clone()).collect();
    let mut findings = Vec::new();
    for feed in &feeds {
        let about = format!("source {}", feed.name());
        findings.push((about.clone(), reached(feed, &watched, patient).await));
        findings.extend(budget(feed, &watched).map(|finding| (about, finding)));
    }
    findings.extend(feed::ahead(&feeds).map(|ahead| ("clock".to_owned(), clock(ahead))));
    if config.probe.enabled && !config.probe.targets.is_empty() && !icmp::is_allowed() {
        let said = "ICMP may not be sent by this user, so TCP port 80 is asked instead; to allow it: sysctl \
                    net.ipv4.ping_group_range=\"0 2147483647\"";
        findings.push(("probes".to_owned(), Finding::Hint(said.to_owned())));
    }
    Ok(findings)
}

/// Queries the source for one entity, as a tick does.
async fn reached(feed: &Feed, watched: &[Entity], patient: &Patient<'_>) -> Finding {
    if let Some(why) = &feed.off {
        return Finding::Hint(format!("off: {why}"));
    }
    let Some(entity) = feed.covered(watched.iter()).into_iter().next() else {
        return Finding::Hint("it knows nothing of what is watched".to_owned());
    };
    let now = patient.clock.now();
    let wanted = feed.wanted(vec![entity], now - HOUR, now, Purpose::Live);
    let requests: Vec<_> = feed.source.plan(&wanted, now, 1).into_iter().take(1).collect();
    let answer = feed.ask(&requests, &patient.clock, &mut ActivityGuard::default()).await;
    match answer.failures.first() {
        None => Finding::Well("it answers".to_owned()),
        Some(failure) => Finding::Wrong(format!(
            "{}; is this machine's way out open, and is its name server well?",
            failure.error
        )),
    }
}

fn budget(feed: &Feed, watched: &[Entity]) -> Option<Finding> {
    let budget = feed.budget().filter(|_| feed.off.is_none())?;
    let cadence = budget.cadence(feed.covered(watched.iter()).len());
    let said = format!(
        "each entity about every {} with {} calls a day",
        duration(cadence.max(MINUTE)),
        budget.calls_a_day
    );
    Some(if cadence > RARE {
        Finding::Hint(format!(
            "{said}: watch fewer, or ask its operators for more and raise calls_a_day"
        ))
    } else {
        Finding::Well(said)
    })
}

fn clock(ahead: i64) -> Finding {
    if ahead.abs() > OFF {
        return Finding::Wrong(format!(
            "it is {} those of the sources: set it right, and let NTP keep it",
            off_by(ahead)
        ));
    }
    Finding::Well(format!("within {} s of those of the sources", ahead.abs().max(1)))
}
