//! Starts the bot's own measurements: the probes, with the sites of the watchlist among their
//! targets, and the live routes of the profiles and of the watched blocks.

use crate::clock::{ActivityGuard, Clock};
use crate::command::AppContext;
use crate::config::{Addresses, Config, Profile};
use crate::domain::{Ask, Certificate, Control, Entity, Host, ProbeKind, Target, Watchlist};
use crate::ingest::{Pipeline, probes, routes};
use crate::source::probe::prober::{Prober, Targets};
use crate::source::probe::{Guard, ProbeContext, Resolver, Tls};
use crate::source::ris_live::follow::{Follower, Watched};
use crate::source::{ripestat, ris_live};
use crate::supervisor::Supervisor;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// The name of the probes in `/health`.
const PROBES: &str = "the probes";

/// Starts the probes and the task that takes their rounds.
pub(super) fn open(
    tasks: &mut JoinSet<()>,
    supervisor: &Supervisor,
    config: &Config,
    context: &AppContext,
    pipeline: &Arc<Mutex<Pipeline>>,
) {
    if !config.probe.enabled {
        context.said.say("probe", "off: switched off in the configuration");
        return;
    }
    let (probe, watchlist) = (&config.probe, Arc::clone(&context.watchlist));
    let (configured, progress) = (probe.targets.clone(), supervisor.progress(PROBES));
    let prober = Prober {
        kit: Arc::new(kit(config, &context.clock)),
        targets: Arc::new(move || targets(&configured, &watchlist)),
        controls: probe.controls.clone(),
        every: probe.every,
        in_flight: probe.in_flight,
        sites_in_flight: config.limits.sites_in_flight as usize,
        progress: progress.clone(),
    };
    let (rounds, taken) = mpsc::unbounded_channel();
    supervisor.keep_in(tasks, PROBES, context.clock.busy(), move |watchdog, busy| {
        prober.clone().run(rounds.clone(), watchdog, busy)
    });
    let (taken, pipeline, said) =
        (Arc::new(Mutex::new(taken)), Arc::clone(pipeline), context.said.clone());
    supervisor.keep_in(tasks, "the probes' rounds", ActivityGuard::default(), move |_, _| {
        let (taken, pipeline, said) = (Arc::clone(&taken), Arc::clone(&pipeline), said.clone());
        let progress = progress.clone();
        async move { probes::run(&mut *taken.lock().await, pipeline, said, progress).await }
    });
}

/// Starts the live route stream and the task that takes its batches.
pub(super) fn follow(
    tasks: &mut JoinSet<()>,
    supervisor: &Supervisor,
    config: &Config,
    addresses: &Addresses,
    context: &AppContext,
    pipeline: &Arc<Mutex<Pipeline>>,
) {
    let off = |why: &str| context.said.say(ris_live::NAME, format!("off: {why}"));
    if !config.ris_live.enabled {
        return off("switched off in the configuration");
    }
    let state =
        context.feeds.iter().find(|feed| feed.name() == ripestat::ABOUT.name && feed.off.is_none());
    let Some(ripestat) = state else {
        return off("RIPEstat is off, and the state of the routes to begin with comes from there");
    };
    let url = addresses.ris_live.clone().or_else(|| ris_live::URL.parse().ok());
    let Some(url) = url else { return };
    let (profiles, controls) = (config.probe.profiles.clone(), config.ris_live.controls.clone());
    let watchlist = Arc::clone(&context.watchlist);
    let follower = Follower {
        url,
        client: format!("linkdown-{}", super::feeds::operator(&config.contact)),
        clock: context.clock.clone(),
        tls: Tls::new(),
        ripestat: ripestat.clone(),
        watched: Arc::new(move || watched(&profiles, &controls, &watchlist)),
    };
    let (tell, told) = mpsc::unbounded_channel();
    supervisor.keep_in(tasks, "the live routes", context.clock.busy(), move |_, busy| {
        follower.clone().run(tell.clone(), busy)
    });
    let (told, pipeline, said) =
        (Arc::new(Mutex::new(told)), Arc::clone(pipeline), context.said.clone());
    supervisor.keep_in(tasks, "the live routes' batches", ActivityGuard::default(), move |_, _| {
        let (told, pipeline, said) = (Arc::clone(&told), Arc::clone(&pipeline), said.clone());
        async move { routes::run(&mut *told.lock().await, pipeline, said).await }
    });
}

/// Returns the entities whose routes are followed: those that the profiles name, every block of the
/// watchlist, and the controls. Returns nothing if only the controls are left.
fn watched(profiles: &[Profile], controls: &[Entity], watchlist: &Watchlist) -> Vec<Watched> {
    let mut all: Vec<Watched> = Vec::new();
    for profile in profiles
        .iter()
        .filter(|profile| !profile.routes.is_empty() && watchlist.contains(&profile.entity))
    {
        let names = profile.gateways.iter().map(|(asn, name)| (asn.0, name.clone())).collect();
        all.push(Watched { entity: profile.entity.clone(), nets: profile.routes.clone(), names });
    }
    let blocks = watchlist.entities();
    let is_anything =
        !all.is_empty() || blocks.iter().any(|entity| matches!(entity, Entity::Prefix(_)));
    let controls = controls.iter().filter(|_| is_anything);
    let known: Vec<Entity> = all.iter().map(|watched| watched.entity.clone()).collect();
    for entity in blocks.iter().chain(controls).filter(|entity| !known.contains(entity)) {
        if let Entity::Prefix(net) = entity {
            let names = profiles
                .iter()
                .flat_map(|profile| &profile.gateways)
                .map(|(asn, name)| (asn.0, name.clone()));
            all.push(Watched { entity: entity.clone(), nets: vec![*net], names: names.collect() });
        }
    }
    all
}

/// Returns the context of the probes: resolver, address guard, contact and deadline.
pub fn kit(config: &Config, clock: &Clock) -> ProbeContext {
    let probe = &config.probe;
    // The addresses of the operator's own targets stay in the resolver, however many names chats
    // add.
    let listed = targets(&probe.targets, &Watchlist::new(config.watch.clone())).operator;
    let resolver = Resolver::new(clock.clone(), &probe.resolvers)
        .keeping(listed.iter().map(|target| &target.host))
        .keeping(&control_hosts(&probe.controls));
    let guard = Guard::new(probe.allowed.clone()).refusing(probe.refused.clone());
    ProbeContext::new(clock.clone(), guard, resolver, &config.contact, probe.timeout)
}

/// Returns the hosts of the controls that are addressed by name.
fn control_hosts(controls: &[Control]) -> Vec<Host> {
    let host = |control: &Control| match &control.ask {
        Ask::Page { host, .. } => Some(Host::Name(host.clone())),
        _ => None,
    };
    controls.iter().filter_map(host).collect()
}

/// Returns the targets of the configuration, with the pages of each configured site that has no
/// target of its own; and separately the pages of the sites that only chats watch.
pub fn targets(configured: &[Target], watchlist: &Watchlist) -> Targets {
    let named: HashSet<&Entity> = configured.iter().map(|target| &target.entity).collect();
    let unnamed = |entity: &&Entity| !named.contains(entity);
    let own = watchlist.configured().map(|watched| &watched.entity).filter(unnamed).flat_map(pages);
    let chats = watchlist.subscribed();
    Targets {
        operator: configured.iter().cloned().chain(own).collect(),
        chats: chats.iter().filter(unnamed).flat_map(pages).collect(),
    }
}

/// Returns the HTTPS and the HTTP page of a site, and nothing for other entities. A site may have
/// only one of both: a page that never worked is not missed.
fn pages(entity: &Entity) -> Vec<Target> {
    let Entity::Site(host) = entity else { return Vec::new() };
    let page = |(port, tls)| Target {
        knock: ProbeKind::Http { path: "/".to_owned(), text: None, tls },
        host: Host::Name(host.clone()),
        port,
        address: None,
        outside: None,
        why: None,
        known: None,
        entity: entity.clone(),
    };
    [(443, Some(Certificate::MustHold)), (80, None)].map(page).into()
}
