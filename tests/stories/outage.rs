//! An outage from its first minute to its end, as the console tells it.

use crate::harness::{NORTH_KOREA, World, at};

#[tokio::test]
async fn a_country_vanishes_and_comes_back() {
    let mut world = World::new("2025-06-06 12:00", NORTH_KOREA).await;
    world.start().await;
    world.until("2025-06-06 17:30").await;
    assert_eq!(world.sees(), "", "fourteen days of the past and a calm afternoon are no news");

    let (gone, back) = (at("2025-06-06 17:35"), at("2025-06-06 22:00"));
    world.ioda.outage("country/KP", 4.0, gone, back);
    world.ioda.outage("asn/131279", 4.0, gone, back);
    world.until("2025-06-06 18:30").await;
    println!("{}", world.sees());
    world.types("/status KP").await;
    println!("{}", world.sees());
    world.until("2025-06-06 23:59").await;
    println!("{}", world.sees());
    world.types("/sources").await;
    println!("{}", world.sees());
}
