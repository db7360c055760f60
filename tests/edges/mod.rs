//! Each outside service against its double, over real sockets.

mod cli;
mod discord_double;
mod http;
mod ioda;
mod probe;
mod radar;
mod ripestat;
mod ris_live;
mod telegram_double;

use linkdown::clock::Clock;
use linkdown::domain::{FactKind, Timestamp};
use linkdown::source::http::{Base, Http, Timeouts};
use linkdown::source::{Polled, Purpose, Query, Readings, SourceError};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn wanted(entities: &[&str], from: &str, until: &str) -> Query {
    let entities = entities.iter().map(|e| e.parse().unwrap()).collect();
    Query { entities, from: at(from), until: at(until), purpose: Purpose::Live }
}

/// A source together with the way to it.
struct Asker {
    source: Box<dyn Polled>,
    base: Arc<Base>,
    http: Http,
    clock: Clock,
}

impl Asker {
    fn new(source: impl Polled + 'static, url: &str, token: Option<&str>, clock: &Clock) -> Self {
        let patient = Timeouts { total: Duration::from_secs(20), ..Timeouts::default() };
        Self::with(source, url, token, clock, patient)
    }

    /// One that does not wait long: for faults which never answer.
    fn hasty(source: impl Polled + 'static, url: &str, token: Option<&str>, clock: &Clock) -> Self {
        let short = Duration::from_millis(150);
        Self::with(
            source,
            url,
            token,
            clock,
            Timeouts { connect: short, read: short, total: 2 * short },
        )
    }

    fn with(
        source: impl Polled + 'static,
        url: &str,
        token: Option<&str>,
        clock: &Clock,
        timeouts: Timeouts,
    ) -> Self {
        let base = Base::new(source.about(), Some(url), token.map(SecretString::from)).unwrap();
        let http = Http::new("https://example.org/linkdown", timeouts, clock.clone()).unwrap();
        Self { source: Box::new(source), base, http, clock: clock.clone() }
    }

    /// Asks for everything of the plan, or the reason why one of the answers is missing.
    async fn asks(&self, wanted: &Query, allowance: u32) -> Result<Readings, SourceError> {
        let mut all = Readings::default();
        for request in self.source.plan(wanted, self.clock.now(), allowance) {
            let mut busy = self.clock.busy();
            let now = self.clock.now();
            let body = self.http.get(&self.base, &request, &mut busy).await;
            drop(busy);
            // The courtesy between two requests has a test of its own.
            self.clock.advance_to(now + self.base.about().spacing).await;
            let readings = self.source.read(&request, &body?, now)?;
            all.observations.extend(readings.observations);
            all.facts.extend(readings.facts);
            all.odd.extend(readings.odd);
        }
        Ok(all)
    }
}

/// The observations, each as `entity signal HH:MM value`.
fn lines(readings: &Readings) -> Vec<String> {
    let line = |o: &linkdown::domain::Observation| {
        let value = o.value.map_or_else(|| "unknown".to_owned(), |value| format!("{value}"));
        format!(
            "{} {} {} {value}",
            o.series.entity,
            o.series.signal,
            &o.observed_at.to_string()[11..16]
        )
    };
    readings.observations.iter().map(line).collect()
}

/// The reports, each as `entity: what, from HH:MM to HH:MM`.
fn reports(readings: &Readings) -> Vec<String> {
    let hour = |at: Timestamp| at.to_string()[11..16].to_owned();
    let line = |fact: &linkdown::domain::Fact| match &fact.kind {
        FactKind::Report { what, started_at, ended_at, .. } => {
            let end = ended_at.map_or_else(|| "open".to_owned(), hour);
            Some(format!("{}: {what}, {} to {end}", fact.entity, hour(*started_at)))
        }
        _ => None,
    };
    readings.facts.iter().filter_map(line).collect()
}
