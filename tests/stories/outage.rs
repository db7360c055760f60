//! An outage from its first minute to its end, as the console tells it.

use crate::harness::{NORTH_KOREA, World, titles};
use linkdown::detect::State;
use linkdown::store::{Access, Store};

async fn north_korea_at_half_past_five() -> World {
    let mut world = World::new("2025-06-06 12:00", NORTH_KOREA).await;
    world.start().await;
    world.until("2025-06-06 17:30").await;
    assert_eq!(world.sees(), "", "fourteen days of the past and a calm afternoon are no news");
    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 22:00");
    world
}

#[tokio::test]
async fn a_country_vanishes_and_comes_back() {
    let mut world = north_korea_at_half_past_five().await;
    world.until("2025-06-06 18:30").await;
    insta::assert_snapshot!(world.sees(), @"
    🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
       Almost all internet routes to North Korea are gone. Measured by RIPE routing data; not yet by IODA.
       routing     0 of 4 prefixes announced   RIPEstat            normal 4    17:40 UTC
                   seen by 0 of 352 RIS peers  RIPE RIS, AS131279  normal 349  17:45 UTC
       Not yet     routing (IODA BGP): last reading 17:25 UTC, before the outage
                   reach (IODA probing): last reading 17:10 UTC, before the outage
       Gateways    AS4837: gone · AS20485: gone
       Reading     The routes through both gateways went at 17:35 UTC, within 5 min: more like a fault or a switch inside than one cut cable.
                   Nobody can tell from outside whether it was deliberate.
       Confidence  medium (2 measurements, both from RIPE)
       Check       IODA https://ioda.inetintel.cc.gatech.edu/country/KP?from=1749231240&until=1749232023
                   RIPEstat https://stat.ripe.net/KP
                   Radar https://radar.cloudflare.com/kp
       Data: IODA, Georgia Tech · RIPE NCC (RIS, RIPEstat)
       Incident 1 · /outage 1
    ");

    world.types("/status KP").await;
    insta::assert_snapshot!(world.sees(), @"
    🔴 North Korea is down · 56 min, since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
       Almost nothing in North Korea can be reached. Confirmed by RIPE routing data and IODA.
       routing     0 of 4 blocks announced     IODA BGP            normal 4    18:05 UTC
                   0 of 4 prefixes announced   RIPEstat            normal 4    18:20 UTC
                   seen by 0 of 352 RIS peers  RIPE RIS, AS131279  normal 349  18:25 UTC
       reach       0 of 4 blocks answer        IODA probing        normal 4    17:50 UTC
       Gateways    AS4837: gone · AS20485: gone
       Fell        routing at 17:35 UTC; reach 5 min later
       Reading     The routes through both gateways went at 17:35 UTC, within 5 min: more like a fault or a switch inside than one cut cable.
                   Nobody can tell from outside whether it was deliberate.
       Confidence  high (4 measurements, from RIPE and IODA)
       Check       IODA https://ioda.inetintel.cc.gatech.edu/country/KP?from=1749231240&until=1749234600
                   RIPEstat https://stat.ripe.net/KP
                   Radar https://radar.cloudflare.com/kp
       Data: IODA, Georgia Tech · RIPE NCC (RIS, RIPEstat)
       Incident 1 · /outage 1
    ");

    world.until("2025-06-06 23:59").await;
    insta::assert_snapshot!(world.sees(), @"
    🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
       The internet routes to North Korea are back, but almost nothing that is probed there answers yet. Measured by RIPE routing data; not yet by IODA.
       routing     0 of 4 blocks announced       IODA BGP            normal 4    21:50 UTC
                   4 of 4 prefixes announced     RIPEstat            normal 4    22:05 UTC
                   seen by 349 of 352 RIS peers  RIPE RIS, AS131279  normal 349  22:10 UTC
       reach       0 of 4 blocks answer          IODA probing        normal 4    21:40 UTC
       Gateways    AS4837: 2 prefixes · AS20485: 2 prefixes
       Fell        routing at 17:35 UTC; reach 5 min later
       Reading     The routes through both gateways went at 17:35 UTC, within 5 min: more like a fault or a switch inside than one cut cable.
                   Nobody can tell from outside whether it was deliberate.
       Confidence  high (3 measurements, from RIPE and IODA)
       Check       IODA https://ioda.inetintel.cc.gatech.edu/country/KP?from=1749231240&until=1749247921
                   RIPEstat https://stat.ripe.net/KP
                   Radar https://radar.cloudflare.com/kp
       Data: IODA, Georgia Tech · RIPE NCC (RIS, RIPEstat)
       Incident 1 · /outage 1

    🟢 North Korea is back · it was down 4 h 26 min
       North Korea can be reached again. Confirmed by RIPE routing data and IODA. It was down from Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC) until Sat 7 Jun 07:00 KST (Fri 6 Jun 22:00 UTC).
       routing     4 of 4 blocks announced       IODA BGP            normal 4    22:10 UTC
                   4 of 4 prefixes announced     RIPEstat            normal 4    22:20 UTC
                   seen by 349 of 352 RIS peers  RIPE RIS, AS131279  normal 349  22:25 UTC
       reach       4 of 4 blocks answer          IODA probing        normal 4    22:00 UTC
       Gateways    AS4837: 2 prefixes · AS20485: 2 prefixes
       Fell        routing at 17:35 UTC; reach 5 min later
       Reading     The routes through both gateways went at 17:35 UTC, within 5 min: more like a fault or a switch inside than one cut cable.
       Confidence  high (4 measurements, from RIPE and IODA)
       At worst    100 % gone; affected during the outage: routing and reach
       Returned    routing and reach at 22:00 UTC
       Cause       unknown: the measurements do not show it.
       Check       IODA https://ioda.inetintel.cc.gatech.edu/country/KP?from=1749231240&until=1749249020
                   RIPEstat https://stat.ripe.net/KP
                   Radar https://radar.cloudflare.com/kp
       Data: IODA, Georgia Tech · RIPE NCC (RIS, RIPEstat)
       Incident 1 · /outage 1
    ");

    world.types("/history KP").await;
    world.types("/sources").await;
    insta::assert_snapshot!(world.sees(), @"
    Incidents of North Korea, newest first
       🟢 North Korea · down 4 h 26 min  Sat 7 Jun 02:34 KST  incident 1

    Sources
       ioda        fine, newest value 24 min old, last answered 3 min ago, schedule */5 * * * *
       ripestat    fine, newest value 4 min old, last answered 1 min ago, 416 of 1000 calls today, schedule 2-57/5 * * * *
       radar       off: no token; put one into LINKDOWN_RADAR_TOKEN
       ris-live    off: switched off in the configuration
    ");
}

#[tokio::test]
async fn an_unreadable_checkpoint_costs_time_and_never_truth() {
    let mut world = north_korea_at_half_past_five().await;
    world.until("2025-06-06 19:00").await;
    let told = world.sees();
    assert_eq!(titles(&told).len(), 1, "{told}");
    world.stop().await;

    let store = Store::open(world.database(), Access::Own).unwrap();
    let newest = store.read(|db| db.observations().newest_batch()).await.unwrap();
    store.write(move |tx| tx.checkpoint().save(State::FORMAT, newest, b"rubbish")).await.unwrap();
    drop(store);

    world.start().await;
    world.until("2025-06-06 23:59").await;
    let shown = world.sees();
    let told = titles(&shown);
    assert!(told.last().unwrap().starts_with("🟢 North Korea is back"), "{told:#?}");
    assert!(!told.iter().any(|title| title.contains("is down")), "it was told already: {told:#?}");
}
