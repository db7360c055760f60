//! Our own eyes as the config has them: the probes, with the sites of the watchlist among their targets.

use crate::clock::Clock;
use crate::command::Desk;
use crate::config::Config;
use crate::domain::{Certificate, Entity, Host, Knock, Target, Watchlist};
use crate::source::probe::{Guard, Kit, Resolver, prober::Prober};
use crate::watch::{Pipeline, probes};
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

/// Sets them going.
pub(super) fn open(tasks: &mut JoinSet<()>, config: &Config, desk: &Desk, pipeline: &Arc<Mutex<Pipeline>>) {
    if !config.probe.enabled {
        desk.said.say("probe", "off: switched off in the configuration");
        return;
    }
    let (probe, watchlist) = (&config.probe, Arc::clone(&desk.watchlist));
    let configured = probe.targets.clone();
    let prober = Prober {
        kit: Arc::new(kit(config, &desk.clock)),
        targets: Box::new(move || targets(&configured, &watchlist)),
        controls: probe.controls.clone(),
        every: probe.every,
        in_flight: probe.in_flight,
    };
    let (rounds, taken) = mpsc::unbounded_channel();
    tasks.spawn(prober.run(rounds, desk.clock.busy()));
    tasks.spawn(probes::run(taken, Arc::clone(pipeline), desk.said.clone()));
}

pub fn kit(config: &Config, clock: &Clock) -> Kit {
    let probe = &config.probe;
    let resolver = Resolver::new(clock.clone(), &probe.resolvers);
    Kit::new(clock.clone(), Guard::new(probe.allowed.clone()), resolver, &config.contact, probe.timeout)
}

/// Those of the config, and the pages of every watched site of which the config says nothing itself.
pub fn targets(configured: &[Target], watchlist: &Watchlist) -> Vec<Target> {
    let mut targets = configured.to_vec();
    for entity in watchlist.entities() {
        let Entity::Site(host) = &entity else { continue };
        if targets.iter().any(|target| target.entity == entity) {
            continue;
        }
        // Whichever of both it has: what never worked is not missed.
        for (port, tls) in [(443, Some(Certificate::MustHold)), (80, None)] {
            targets.push(Target {
                knock: Knock::Http { path: "/".to_owned(), text: None, tls },
                host: Host::Name(host.clone()),
                port,
                address: None,
                why: None,
                known: None,
                entity: entity.clone(),
            });
        }
    }
    targets
}
