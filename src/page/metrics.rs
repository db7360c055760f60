//! `/metrics` in the `OpenMetrics` text format: everything is read from the database and the
//! process on request.

use super::Web;
use crate::domain::{Phase, Timestamp};
use crate::source::feed::{self, Feed};
use crate::store::{Overview, SourceHealth, StoreError};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

/// The media type of the answer.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A gauge of seconds, bytes or things.
type Number = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct On {
    platform: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Task {
    task: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct What {
    what: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct In {
    phase: String,
}

/// The data that one request reads from the database.
struct Read {
    health: Vec<SourceHealth>,
    chats: Vec<Overview>,
    open: Vec<Phase>,
    troubles: Vec<String>,
    calls: Vec<(&'static str, u32)>,
}

/// Returns all metrics as text.
pub(super) async fn text(web: &Web) -> Result<String, StoreError> {
    let now = web.context.clock.now();
    let budgets: Vec<&'static str> = web
        .context
        .feeds
        .iter()
        .filter(|feed| feed.calls_a_day.is_some())
        .map(Feed::name)
        .collect();
    let read = web
        .context
        .store
        .read(move |db| {
            let calls = budgets.into_iter().map(|name| Ok((name, db.sources().used(name, now)?)));
            Ok(Read {
                health: db.sources().health()?,
                chats: db.deliveries().overview(None)?,
                open: db.incidents().open()?.iter().map(|incident| incident.phase).collect(),
                troubles: db.troubles().all()?.into_iter().map(|trouble| trouble.what).collect(),
                calls: calls.collect::<Result<_, StoreError>>()?,
            })
        })
        .await?;
    let mut registry = Registry::with_prefix("linkdown");
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The version of the program", version);
    process(web, now, &mut registry);
    sources(web, now, &read, &mut registry);
    deliveries(now, &read.chats, &mut registry);
    incidents(&read.open, &mut registry);
    let troubles = read.troubles.into_iter().map(|what| (What { what }, 1.0));
    family(
        &mut registry,
        "trouble",
        "1 for each thing that is wrong with the bot itself",
        None,
        troubles,
    );
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes all that is written to it");
    Ok(text)
}

fn process(web: &Web, now: Timestamp, registry: &mut Registry) {
    one(registry, "up", "Since the start of this process", Unit::Seconds, (now - web.since) as f64);
    if let Some(space) = web.context.store.space() {
        one(registry, "database", "The database and its log", Unit::Bytes, space.used as f64);
        one(
            registry,
            "disk_free",
            "Free on the disk of the database",
            Unit::Bytes,
            space.free as f64,
        );
    }
    if let Some(ahead) = feed::ahead(&web.context.feeds) {
        let help = "By how much the clock is ahead of those of the servers that answer";
        one(registry, "clock_ahead", help, Unit::Seconds, ahead as f64);
    }
    let restarts = web
        .supervisor
        .report()
        .into_iter()
        .map(|task| (Task { task: task.name.to_owned() }, f64::from(task.restarts)));
    family(
        registry,
        "task_restarts",
        "How often a part of the bot failed and was begun again",
        None,
        restarts,
    );
}

fn sources(web: &Web, now: Timestamp, read: &Read, registry: &mut Registry) {
    let of = |name: &str| Of { source: name.to_owned() };
    let on = || web.context.feeds.iter().filter(|feed| feed.off.is_none());
    let health = |name: &str| read.health.iter().find(|health| health.source == name);
    // A source that never answered counts as silent since the process began.
    let answered =
        |name: &str| health(name).and_then(|health| health.last_success).unwrap_or(web.since);
    let success = on().map(|feed| (of(feed.name()), (now - answered(feed.name())).max(0) as f64));
    family(
        registry,
        "source_success_age",
        "Since a source answered last",
        Some(Unit::Seconds),
        success,
    );
    let newest = on().filter_map(|feed| {
        Some((of(feed.name()), (now - health(feed.name())?.newest_bin?) as f64))
    });
    family(
        registry,
        "source_newest_age",
        "Age of the newest value that a source gave",
        Some(Unit::Seconds),
        newest,
    );
    let failures = on().map(|feed| {
        (of(feed.name()), health(feed.name()).map_or(0.0, |health| f64::from(health.failures)))
    });
    family(registry, "source_failures", "Polls of a source in a row that failed", None, failures);
    let calls = read.calls.iter().map(|(name, calls)| (of(name), f64::from(*calls)));
    family(registry, "source_calls_today", "Calls to a source today (UTC)", None, calls);
    let budgets = on().filter_map(|feed| Some((of(feed.name()), f64::from(feed.calls_a_day?))));
    family(registry, "source_calls_a_day", "Calls to a source that a day may have", None, budgets);
}

fn deliveries(now: Timestamp, chats: &[Overview], registry: &mut Registry) {
    let mut platforms: Vec<&str> = chats.iter().map(|chat| &*chat.place.chat.platform).collect();
    platforms.sort_unstable();
    platforms.dedup();
    let mut each =
        |name: &str, help: &str, unit: Option<Unit>, of: &dyn Fn(&[&Overview]) -> f64| {
            let numbers = platforms.iter().map(|platform| {
                let there: Vec<&Overview> =
                    chats.iter().filter(|chat| chat.place.chat.platform == *platform).collect();
                (On { platform: (*platform).to_owned() }, of(&there))
            });
            family(registry, name, help, unit, numbers);
        };
    let sum = |count: fn(&Overview) -> u32| {
        move |there: &[&Overview]| there.iter().map(|chat| f64::from(count(chat))).sum()
    };
    each("chats", "Chats that are told", None, &|there| there.len() as f64);
    each(
        "chats_suspended",
        "Chats that have shut the bot out",
        None,
        &sum(|chat| u32::from(chat.place.suspended.is_some())),
    );
    each(
        "deliveries_owed",
        "Messages that may go and have not arrived",
        None,
        &sum(|chat| chat.tally.owed),
    );
    each(
        "deliveries_held",
        "Messages that wait for the end of a mute or of quiet hours",
        None,
        &sum(|chat| chat.tally.held),
    );
    each(
        "deliveries_given_up",
        "Messages that were given up",
        None,
        &sum(|chat| chat.tally.given_up),
    );
    each(
        "deliveries_doubted",
        "Messages sent again without knowing whether they had arrived",
        None,
        &sum(|chat| chat.tally.doubts),
    );
    each(
        "delivery_oldest_age",
        "Since when the oldest of these is owed",
        Some(Unit::Seconds),
        &|there| {
            let live = there.iter().filter(|chat| chat.place.suspended.is_none());
            live.filter_map(|chat| chat.tally.oldest)
                .min()
                .map_or(0.0, |oldest| (now - oldest).max(0) as f64)
        },
    );
}

fn incidents(open: &[Phase], registry: &mut Registry) {
    let count = |phase: Phase| open.iter().filter(|open| **open == phase).count() as f64;
    let phases = [Phase::Suspected, Phase::Down, Phase::Returning];
    let each = phases.map(|phase| (In { phase: phase.as_str().to_owned() }, count(phase)));
    family(registry, "incidents_open", "Incidents that are not over", None, each);
}

fn one(registry: &mut Registry, name: &str, help: &str, unit: Unit, value: f64) {
    let number = Number::default();
    number.set(value);
    registry.register_with_unit(name, help, unit, number);
}

fn family<
    L: Clone + std::hash::Hash + Eq + EncodeLabelSet + std::fmt::Debug + Send + Sync + 'static,
>(
    registry: &mut Registry,
    name: &str,
    help: &str,
    unit: Option<Unit>,
    numbers: impl IntoIterator<Item = (L, f64)>,
) {
    let family = Family::<L, Number>::default();
    for (label, value) in numbers {
        family.get_or_create(&label).set(value);
    }
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, family),
        None => registry.register(name, help, family),
    }
}
