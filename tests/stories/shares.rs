//! What one entity and what strangers may cost the others: a refused entity puts no source into trouble, and however much
//! chats subscribe to, what the operator watches is asked on the source's own schedule.

use crate::harness::{NORTH_KOREA, World, at};
use linkdown::domain::{Options, Scope, Subscription, Timestamp};
use linkdown::store::{Access, EntityFault, Progress, Store};
use std::path::Path;

fn beside(database: &Path) -> Store {
    Store::open(database, Access::Beside).unwrap()
}

async fn faults(world: &World) -> Vec<EntityFault> {
    beside(world.database()).read(|db| db.sources().faults()).await.unwrap()
}

/// When RIPEstat was asked about the resource.
fn asked(world: &World, resource: &str) -> Vec<Timestamp> {
    let requests = world.ripestat.requests();
    requests
        .iter()
        .filter(|asked| asked.value("resource") == Some(resource))
        .map(|asked| asked.at)
        .collect()
}

#[tokio::test]
async fn an_entity_that_is_refused_is_named_and_asked_rarely_and_the_source_is_well() {
    let config = NORTH_KOREA.replace("\"country/KP\",", "\"country/KP\", \"country/CU\",");
    let mut world = World::new("2025-06-06 12:00", &config).await;
    for datasource in ["bgp", "ping-slash24"] {
        world.ioda.set("country/CU", datasource, |_| Some(300.0));
    }
    world.ripestat.refuses("cu");
    world.start().await;
    world.until("2025-06-06 18:00").await;

    let refused = asked(&world, "cu");
    let polled = asked(&world, "kp").len();
    assert!(polled > 10, "North Korea is polled as usual: {polled}");
    let live = refused.iter().filter(|asked_at| **asked_at > at("2025-06-06 12:10")).count();
    assert!((1..=4).contains(&live), "after one, two and four hours: {refused:?}");
    let faults = faults(&world).await;
    let [fault] = faults.as_slice() else { panic!("{faults:?}") };
    assert_eq!(
        (fault.source.as_str(), fault.entity.to_string().as_str()),
        ("ripestat", "country/CU")
    );
    assert_eq!(fault.why, "refused the question (HTTP 400): not a known country code");

    world.types("/sources").await;
    let sources = world.sees();
    let of_ripestat = sources.lines().find(|line| line.trim().starts_with("ripestat ")).unwrap();
    assert!(of_ripestat.contains(" fine"), "{sources}");
    assert!(
        sources.contains("ripestat about country/CU")
            && sources.contains("not a known country code"),
        "{sources}"
    );
    world.types("/status KP").await;
    let status = world.sees();
    assert!(
        !status.contains("not a known country code") && !status.contains("in trouble"),
        "{status}"
    );

    world.ripestat.knows("cu");
    world.ripestat.set("country/CU", "prefixes", |_| Some(60.0));
    world.until("2025-06-07 12:00").await;
    assert!(beside(world.database()).read(|db| db.sources().faults()).await.unwrap().is_empty());
}

#[tokio::test]
async fn six_hundred_regions_of_strangers_do_not_slow_down_what_the_operator_watches() {
    const REGIONS: u32 = 600;
    let mut world = World::new("2025-06-06 12:00", NORTH_KOREA).await;
    let store = Store::open(world.database(), Access::Own).unwrap();
    let now = at("2025-06-06 12:00");
    store
        .write(move |tx| {
            let chat = tx.chats().ensure("telegram", "-100")?;
            for number in 1000..1000 + REGIONS {
                let entity: linkdown::domain::Entity = format!("region/{number}").parse().unwrap();
                // Their past was read before: the present alone is looked at here.
                let progress = Progress {
                    entity: entity.clone(),
                    from: now - 86_400,
                    to: now - 300,
                    done: true,
                };
                tx.sources().set_progress("ioda", &progress)?;
                let (scope, options) = (Scope::One(entity), Options::default());
                tx.subscriptions().subscribe(&Subscription {
                    chat: chat.clone(),
                    scope,
                    since: now,
                    options,
                })?;
            }
            Ok(())
        })
        .await
        .unwrap();
    drop(store);
    for number in 1000..1000 + REGIONS {
        world.ioda.set(&format!("region/{number}"), "bgp", |_| Some(40.0));
    }
    world.start().await;
    world.until("2025-06-06 13:00").await;

    let requests = world.ioda.requests();
    let of = |part: &str| -> Vec<Timestamp> {
        let matching = requests.iter().filter(|asked| {
            let is_recent = asked
                .value("from")
                .and_then(|from| from.parse::<i64>().ok())
                .is_some_and(|from| asked.at.unix() - from <= 3 * 3600);
            is_recent && asked.path.contains(part) && asked.value("datasource") == Some("bgp")
        });
        matching.map(|asked| asked.at).collect()
    };
    let times = of("KP");
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(
        times.len() >= 12 && longest <= 330,
        "asked every five minutes: {longest} s, {times:?}"
    );
    for number in [1000, 1001, 1300, 1000 + REGIONS - 1] {
        let turns = of("/signals/raw/region/").len();
        let seen = requests
            .iter()
            .any(|asked| asked.path.split(['/', ',']).any(|code| code == number.to_string()));
        assert!(seen, "region {number} has had its turn; {turns} requests");
    }
    let of_strangers = requests.iter().filter(|asked| asked.path.contains("/region/")).count();
    assert!(of_strangers <= 13 * 38, "a quarter of the places in the queue: {of_strangers}");
}
