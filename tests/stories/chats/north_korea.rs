//! The North Korean day on both platforms: the same facts in the same order, each in its own way.

use super::{first_lines, whole_of};
use crate::harness::{NORTH_KOREA, World};
use serde_json::json;

#[tokio::test]
// What is long is what the chats show.
#[allow(clippy::too_many_lines)]
async fn the_day_as_both_platforms_tell_it() {
    let mut world = World::with_chats("2025-06-06 12:00", NORTH_KOREA).await;
    let (discord, telegram) = (world.discord(), world.telegram());
    let newsroom = discord.guild("Newsroom");
    let (ops, role) = (discord.channel(newsroom, "ops"), discord.role(newsroom, "on duty"));
    let editor = discord.member(newsroom, "Ann", "Manage Server");
    let group = telegram.supergroup("Outages");
    let admin = telegram.person("Bob");
    telegram.admin(group, &admin);
    world.start().await;
    world.until("2025-06-06 17:30").await;

    let (discord, telegram) = (world.discord(), world.telegram());
    let wish = json!({ "what": "KP", "mention": role.to_string() });
    assert!(
        discord
            .slash(&editor, ops, "subscribe", wish)
            .await
            .text
            .starts_with("🔔 #ops will be told")
    );
    telegram.says(&admin, group, "/subscribe KP mention: @duty_officer").await;
    assert!(telegram.sees(group).contains("🔔 This chat will be told when North Korea drops off"));

    world.north_korea_vanishes("2025-06-06 17:35", "2025-06-06 22:00");
    world.until("2025-06-06 23:59").await;
    let on_discord = world.discord().sees(ops);
    insta::assert_snapshot!(first_lines(&on_discord), @"
    [17:47] <@&1380516574003200004>
    [17:55] (edited) <@&1380516574003200004>
    [18:10] (edited) <@&1380516574003200004>
    [19:10] (edited) <@&1380516574003200004>
    [20:10] (edited) <@&1380516574003200004>
    [21:10] (edited) <@&1380516574003200004>
    [22:02] (edited) <@&1380516574003200004>
    [22:12] ↳ (reply to “<@&1380516574003200004>”) 🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:12] (edited) <@&1380516574003200004>
    [22:22] (edited) <@&1380516574003200004>
    [22:30] ↳ (reply to “<@&1380516574003200004>”) 🟢 North Korea is back · it was down 4 h 26 min
    [22:30] (edited) <@&1380516574003200004>
    ");
    insta::assert_snapshot!(whole_of(&on_discord, 1), @"
    [17:47] <@&1380516574003200004>
    🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    Almost all internet routes to North Korea are gone. Measured by RIPE routing data; not yet by IODA.
    In your time: <t:1749231240:f> (<t:1749231240:R>)
    routing:
    0 of 4 prefixes announced · normal 4 · RIPEstat · 17:40 UTC
    seen by 0 of 352 RIS peers · normal 349 · RIPE RIS, AS131279 · 17:45 UTC
    Not yet:
    routing (IODA BGP): last reading 17:25 UTC, before the outage
    reach (IODA probing): last reading 17:10 UTC, before the outage
    Gateways: AS4837: gone · AS20485: gone
    Reading:
    The routes through both gateways went at 17:35 UTC, within 5 min: more like a fault or a switch inside than one cut cable.
    Nobody can tell from outside whether it was deliberate.
    Confidence: medium (2 measurements, both from RIPE)
    Check: [IODA](https://ioda.inetintel.cc.gatech.edu/country/KP?from=1749231240&until=1749232023) · [RIPEstat](https://stat.ripe.net/KP) · [Radar](https://radar.cloudflare.com/kp)
    Data: IODA, Georgia Tech · RIPE NCC (RIS, RIPEstat)
    Incident 1 · /outage id: 1
    ");
    insta::assert_snapshot!(whole_of(&on_discord, 8), @"
    [22:12] ↳ (reply to “<@&1380516574003200004>”) 🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    The internet routes to North Korea are back, but almost nothing that is probed there answers yet. Measured by RIPE routing data; not yet by IODA.
    In your time: <t:1749231240:f> (<t:1749231240:R>)
    Back: seen by 349 of 352 RIS peers · RIPE RIS, AS131279
    Coming back: 4 of 4 prefixes announced · RIPEstat
    Lost:
    0 of 4 blocks announced · IODA BGP
    0 of 4 blocks answer · IODA probing
    Confidence: high (3 measurements, from RIPE and IODA)
    Incident 1 · /outage id: 1
    ");
    insta::assert_snapshot!(whole_of(&on_discord, 11), @"
    [22:30] ↳ (reply to “<@&1380516574003200004>”) 🟢 North Korea is back · it was down 4 h 26 min
    North Korea can be reached again. Confirmed by RIPE routing data and IODA. It was down from <t:1749231240:f> until <t:1749247200:f>.
    routing:
    4 of 4 blocks announced · normal 4 · IODA BGP · 22:10 UTC
    4 of 4 prefixes announced · normal 4 · RIPEstat · 22:20 UTC
    seen by 349 of 352 RIS peers · normal 349 · RIPE RIS, AS131279 · 22:25 UTC
    reach: 4 of 4 blocks answer · normal 4 · IODA probing · 22:00 UTC
    Gateways: AS4837: 2 prefixes · AS20485: 2 prefixes
    Fell: routing at 17:35 UTC; reach 5 min later
    Reading: The routes through both gateways went at 17:35 UTC, within 5 min: more like a fault or a switch inside than one cut cable.
    Confidence: high (4 measurements, from RIPE and IODA)
    At worst: 100 % gone; affected during the outage: routing and reach
    Returned: routing and reach at 22:00 UTC
    Cause: unknown: the measurements do not show it.
    Check: [IODA](https://ioda.inetintel.cc.gatech.edu/country/KP?from=1749231240&until=1749249020) · [RIPEstat](https://stat.ripe.net/KP) · [Radar](https://radar.cloudflare.com/kp)
    Data: IODA, Georgia Tech · RIPE NCC (RIS, RIPEstat)
    Incident 1 · /outage id: 1
    ");
    let pinged: Vec<u64> =
        world.discord().messages(ops).iter().flat_map(|m| m.mentions_pinged.clone()).collect();
    assert_eq!(pinged, [role], "the start alone calls the role");

    let on_telegram = world.telegram().sees(group);
    insta::assert_snapshot!(first_lines(&on_telegram), @"
    [17:47] 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [17:55] (edited) 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [18:10] (edited) 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [19:10] (edited) 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [20:10] (edited) 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [21:10] (edited) 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:02] (edited) 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:12] ↳ (reply to “🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)”) (silent) 🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:12] (edited) 🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:22] (edited) 🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    [22:30] ↳ (reply to “🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)”) 🟢 North Korea is back · it was down 4 h 26 min
    [22:30] (edited) 🟢 North Korea is back · it was down 4 h 26 min
    ");
    insta::assert_snapshot!(whole_of(&on_telegram, 1), @"
    [17:47] 🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    Almost all internet routes to North Korea are gone. Measured by RIPE routing data; not yet by IODA.

    routing
    0 of 4 prefixes announced · normal 4 · RIPEstat · 17:40 UTC
    seen by 0 of 352 RIS peers · normal 349 · RIPE RIS, AS131279 · 17:45 UTC

    Not yet
    routing (IODA BGP): last reading 17:25 UTC, before the outage
    reach (IODA probing): last reading 17:10 UTC, before the outage

    Gateways AS4837: gone · AS20485: gone

    Reading
    The routes through both gateways went at 17:35 UTC, within 5 min: more like a fault or a switch inside than one cut cable.
    Nobody can tell from outside whether it was deliberate.

    Confidence medium (2 measurements, both from RIPE)

    Check IODA · RIPEstat · Radar
    Data: IODA, Georgia Tech · RIPE NCC (RIS, RIPEstat)
    Incident 1 · /outage 1
    @duty_officer
    [Details] [Mute 2 h]
    ");
    insta::assert_snapshot!(whole_of(&on_telegram, 8), @"
    [22:12] ↳ (reply to “🔴 North Korea is down · since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)”) (silent) 🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)
    The internet routes to North Korea are back, but almost nothing that is probed there answers yet. Measured by RIPE routing data; not yet by IODA.

    Back seen by 349 of 352 RIS peers · RIPE RIS, AS131279
    Coming back 4 of 4 prefixes announced · RIPEstat

    Lost
    0 of 4 blocks announced · IODA BGP
    0 of 4 blocks answer · IODA probing

    Confidence high (3 measurements, from RIPE and IODA)

    Incident 1 · /outage 1
    ");
    insta::assert_snapshot!(whole_of(&on_telegram, 11), @"
    [22:30] ↳ (reply to “🟡 North Korea is partly back · after 4 h 38 min, down since Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC)”) 🟢 North Korea is back · it was down 4 h 26 min
    North Korea can be reached again. Confirmed by RIPE routing data and IODA. It was down from Sat 7 Jun 02:34 KST (Fri 6 Jun 17:34 UTC) until Sat 7 Jun 07:00 KST (Fri 6 Jun 22:00 UTC).

    routing
    4 of 4 blocks announced · normal 4 · IODA BGP · 22:10 UTC
    4 of 4 prefixes announced · normal 4 · RIPEstat · 22:20 UTC
    seen by 349 of 352 RIS peers · normal 349 · RIPE RIS, AS131279 · 22:25 UTC

    reach 4 of 4 blocks answer · normal 4 · IODA probing · 22:00 UTC
    Gateways AS4837: 2 prefixes · AS20485: 2 prefixes
    Fell routing at 17:35 UTC; reach 5 min later

    Reading
    The routes through both gateways went at 17:35 UTC, within 5 min: more like a fault or a switch inside than one cut cable.

    Confidence high (4 measurements, from RIPE and IODA)
    At worst 100 % gone; affected during the outage: routing and reach
    Returned routing and reach at 22:00 UTC
    Cause unknown: the measurements do not show it.

    Check IODA · RIPEstat · Radar
    Data: IODA, Georgia Tech · RIPE NCC (RIS, RIPEstat)
    Incident 1 · /outage 1
    [Details]
    ");
    world.stop().await;
}
