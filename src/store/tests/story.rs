//! Data is stored and read back.

use crate::domain::time::{DAY, HOUR};
use crate::domain::*;
use crate::store::*;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_unix(1_749_231_000);

pub(super) fn series(entity: &str, signal: &str) -> Arc<Series> {
    Arc::new(Series {
        entity: entity.parse().unwrap(),
        source: "ioda".to_owned(),
        signal: signal.to_owned(),
    })
}

pub(super) fn observation(
    series: &Arc<Series>,
    observed_at: Timestamp,
    value: Option<f64>,
) -> Observation {
    Observation { series: Arc::clone(series), observed_at, value }
}

fn batch(received_at: Timestamp, observations: Vec<Observation>) -> Batch {
    Batch { observations, ..Batch::live(received_at) }
}

fn fact(observed_at: Timestamp, kind: FactKind) -> Fact {
    Fact { entity: "country/KP".parse().unwrap(), source: "ripestat".to_owned(), observed_at, kind }
}

fn gateway(asn: u32, prefixes_seen: u32) -> FactKind {
    FactKind::Gateway { asn, name: None, prefixes_seen, peers_seeing: 300 }
}

pub(crate) fn transition(ordinal: u32, number: u32, kind: TransitionKind) -> Transition {
    let entity: Entity = "country/KP".parse().unwrap();
    let at = NOW + i64::from(number) * 300;
    Transition {
        incident: IncidentKey { entity: entity.clone(), ordinal },
        number,
        kind,
        at,
        arrival: Arrival::Live,
        started_at: NOW + i64::from(ordinal) * HOUR,
        ended_at: (kind == TransitionKind::Recovered).then_some(at),
        evidence: Evidence {
            entity,
            at,
            verdict: Verdict::Down,
            sureness: Confidence::High,
            witnesses: 2,
            sources: 1,
            assessments: Vec::new(),
            facts: vec![fact(at, gateway(4837, 0))],
            onset: None,
        },
    }
}

#[tokio::test]
async fn what_fails_half_way_leaves_nothing() {
    let store = Store::in_memory().unwrap();
    let result = store
        .write(|tx| {
            tx.observations().append(&batch(
                NOW,
                vec![observation(&series("country/KP", "bgp"), NOW, Some(4.0))],
            ))?;
            tx.incidents().apply(&transition(1, 1, TransitionKind::Started))?;
            tx.incidents().apply(&transition(1, 3, TransitionKind::Recovered))
        })
        .await;
    assert!(
        result
            .unwrap_err()
            .to_string()
            .contains("change 3 (recovered) of incident 1 of country/KP came out of turn")
    );
    store
        .read(|db| {
            assert_eq!(db.observations().newest_batch()?, BatchId(0));
            assert!(db.incidents().recent(9)?.is_empty());
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_panic_in_one_write_is_rolled_back_and_the_next_one_is_served() {
    let store = Store::in_memory().unwrap();
    let result: Result<(), _> = store
        .write(|tx| {
            tx.chats().ensure("console", "")?;
            panic!("a fault of ours");
        })
        .await;
    assert!(result.is_err());
    let chat = store.write(|tx| tx.chats().ensure("console", "other")).await.unwrap();
    assert_eq!(chat.id, 1);
}

#[tokio::test]
async fn only_what_says_something_new_is_fresh() {
    let store = Store::in_memory().unwrap();
    store
        .write(|tx| {
            let (bgp, ping) = (series("country/KP", "bgp"), series("country/KP", "ping-slash24"));
            let first = vec![observation(&bgp, NOW, Some(4.0)), observation(&ping, NOW, None)];
            tx.observations().append(&batch(NOW, first.clone()))?;
            assert!(tx.observations().fresh(first.clone())?.is_empty());

            let revised = observation(&bgp, NOW, Some(3.0));
            let later = observation(&ping, NOW + 300, None);
            let polled = vec![revised.clone(), first[1].clone(), later.clone()];
            assert_eq!(tx.observations().fresh(polled.clone())?, [revised.clone(), later]);
            tx.observations().append(&batch(NOW + 300, vec![revised]))?;

            // The first value again is news again, and the newest revision counts.
            assert_eq!(tx.observations().fresh(vec![first[0].clone()])?, [first[0].clone()]);
            assert_eq!(tx.observations().series_values(&bgp, NOW, NOW + 1)?, [(NOW, Some(3.0))]);
            assert_eq!(tx.observations().newest("ioda")?, [((*bgp).clone(), NOW)]);
            assert!(tx.observations().newest("ripestat")?.is_empty());

            // Our own probes repeat a time only if the clock was ahead at the first measurement:
            // both are new.
            let own = Arc::new(Series { source: "probe".to_owned(), ..(*bgp).clone() });
            let seen = vec![observation(&own, NOW, Some(4.0))];
            tx.observations().append(&batch(NOW, seen.clone()))?;
            assert_eq!(tx.observations().fresh(seen.clone())?, seen);
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_fact_is_news_when_it_differs_from_the_newest_of_its_kind() {
    let report = |id: &str, ended_at| FactKind::Report {
        id: id.to_owned(),
        what: "outage".to_owned(),
        started_at: NOW,
        ended_at,
        cause: None,
        link: None,
    };
    let store = Store::in_memory().unwrap();
    store
        .write(move |tx| {
            let first = vec![
                fact(NOW, report("a", None)),
                fact(NOW, report("b", None)),
                fact(NOW, gateway(4837, 4)),
                fact(NOW, gateway(20485, 4)),
                fact(NOW, FactKind::PollFailed { error: "timeout".to_owned() }),
            ];
            tx.observations().append(&Batch { facts: first.clone(), ..Batch::live(NOW) })?;
            assert!(tx.observations().fresh_facts(first)?.is_empty());

            // A report holds until it changes; each measurement of a gateway and each failed poll
            // is a new fact.
            let polled = vec![
                fact(NOW + 300, report("a", None)),
                fact(NOW, report("b", Some(NOW))),
                fact(NOW + 300, gateway(4837, 4)),
                fact(NOW, gateway(20485, 0)),
                fact(NOW + 300, FactKind::PollFailed { error: "timeout".to_owned() }),
            ];
            let fresh = tx.observations().fresh_facts(polled.clone())?;
            assert_eq!(fresh, polled[1..]);
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn an_incident_is_read_as_its_newest_change_left_it() {
    let store = Store::in_memory().unwrap();
    store
        .write(|tx| {
            use TransitionKind::{PartlyBack, Recovered, Started};
            let incidents = tx.incidents();
            let Applied { id, untold, revision } = incidents.apply(&transition(1, 1, Started))?;
            assert_eq!(untold, None);
            incidents.hold(id, Untold::Absence)?;
            assert_eq!(incidents.untold()?[0].untold, Some(Untold::Absence));
            assert_eq!(
                incidents.apply(&transition(1, 2, PartlyBack))?,
                Applied { id, untold: Some(Untold::Absence), revision: revision + 1 }
            );
            incidents.release(id)?;
            assert!(incidents.untold()?.is_empty());
            assert_eq!(incidents.open()?[0].phase, Phase::Returning);

            let last = transition(1, 3, Recovered);
            incidents.apply(&last)?;
            assert!(incidents.open()?.is_empty());
            let incident = incidents.by_key(&last.incident)?.unwrap();
            assert_eq!((incident.phase, incident.recovered_at), (Phase::Recovered, last.ended_at));
            assert_eq!((incident.transitions, &incident.last), (3, &last));
            assert_eq!(incidents.transitions(id)?.len(), 3);
            assert_eq!(incidents.transition(id, 3)?, Some(last));

            let second = incidents.apply(&transition(2, 1, Started))?;
            let newest_first: Vec<_> =
                incidents.recent(9)?.iter().map(|incident| incident.id).collect();
            assert_eq!(newest_first, [second.id, id]);
            assert_eq!(incidents.of(&"country/KP".parse().unwrap(), 1)?[0].id, second.id);
            assert_eq!(incidents.ordinals()?, [("country/KP".parse().unwrap(), 2)]);
            assert!(incidents.by_id(IncidentId(9))?.is_none());
            // The same transition again, as after a lost checkpoint, is refused and changes
            // nothing.
            assert!(incidents.apply(&transition(2, 1, Started)).is_err());
            Ok(())
        })
        .await
        .unwrap();
}

fn eager() -> Options {
    Options { sensitivity: Some(Sensitivity::Eager), ..Options::default() }
}

#[tokio::test]
async fn a_chat_subscribes_once_and_may_change_its_mind() {
    let store = Store::in_memory().unwrap();
    store
        .write(|tx| {
            let subscriptions = tx.subscriptions();
            let chat = tx.chats().ensure("console", "")?;
            assert_eq!(tx.chats().ensure("console", "")?, chat);
            let wish = Subscription {
                chat: chat.clone(),
                scope: Scope::All,
                since: NOW,
                options: Options::default(),
            };
            assert!(subscriptions.subscribe(&wish)?);
            let changed = Subscription { options: eager(), since: NOW + 9, ..wish.clone() };
            assert!(!subscriptions.subscribe(&changed)?);
            let one =
                Subscription { scope: Scope::One("country/KP".parse().unwrap()), ..wish.clone() };
            subscriptions.subscribe(&one)?;
            let kept = Subscription { options: eager(), ..wish };
            assert_eq!(subscriptions.of_chat(chat.id)?, [kept, one]);
            assert!(subscriptions.unsubscribe(&chat, &Scope::All)?);
            assert!(!subscriptions.unsubscribe(&chat, &Scope::All)?);
            assert_eq!(subscriptions.all()?.len(), 1);
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_delivery_that_was_being_sent_is_found_in_doubt_and_is_never_owed_twice() {
    let store = Store::in_memory().unwrap();
    store
        .write(|tx| {
            let chat = tx.chats().ensure("console", "")?.id;
            let incident = tx.incidents().apply(&transition(1, 1, TransitionKind::Started))?.id;
            let out = tx.deliveries();
            out.owe(&NewNotice::alert(incident, 1), &[NewDelivery::now(chat, true)], NOW, 0)?;
            out.owe(&NewNotice::alert(incident, 1), &[NewDelivery::now(chat, true)], NOW + 60, 0)?;
            assert!(out.due("discord", NOW, NOW - 600, 9)?.is_empty());
            assert!(out.due("console", NOW - 1, NOW - 1 - 600, 9)?.is_empty());
            assert_eq!(out.next_due("console")?, Some(NOW));
            let [owed] = &out.due("console", NOW, NOW - 600, 9)?[..] else { panic!("owed once") };
            assert_eq!(owed.notice, Notice::Alert { incident, number: 1 });

            out.mark_sending(owed.id, NOW)?;
            assert!(!out.mark_sending(owed.id, NOW)?);
            assert_eq!(out.next_due("console")?, None);
            assert_eq!(out.in_doubt("console")?[0].id, owed.id);

            out.put_off(owed.id, NOW + 5, "no answer", Attempt::InDoubt)?;
            out.put_off(owed.id, NOW + 9, "503", Attempt::Refused)?;
            let again = &out.due("console", NOW + 9, NOW + 9 - 600, 9)?[0];
            assert!(again.in_doubt && again.attempts == 1 && again.error.as_deref() == Some("503"));

            out.mark_sending(owed.id, NOW + 9)?;
            out.mark_sent(owed.id, Some("m1"), NOW + 10)?;
            out.owe(&NewNotice::alert(incident, 1), &[NewDelivery::now(chat, true)], NOW + 60, 0)?;
            assert!(out.due("console", NOW + 99, NOW + 99 - 600, 9)?.is_empty());
            let sent = &out.recent(9)?[0];
            assert_eq!((sent.state, sent.message_id.as_deref()), (DeliveryState::Sent, Some("m1")));
            assert_eq!(out.heard(incident)?, [chat].into());
            assert!(out.give_up(owed.id, "gone").is_err());
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_chat_that_never_heard_the_start_hears_nothing_of_the_rest() {
    let store = Store::in_memory().unwrap();
    store
        .write(|tx| {
            let chats =
                [tx.chats().ensure("console", "a")?.id, tx.chats().ensure("console", "b")?.id];
            let incident = tx.incidents().apply(&transition(1, 1, TransitionKind::Started))?.id;
            tx.incidents().apply(&transition(1, 2, TransitionKind::Recovered))?;
            let out = tx.deliveries();
            let to = |is_start| chats.map(|chat| NewDelivery::now(chat, is_start));
            out.owe(&NewNotice::test("hello", json!({ "text": "hello" })), &to(false), NOW, 0)?;
            out.owe(&NewNotice::alert(incident, 1), &to(true), NOW, 0)?;
            out.owe(&NewNotice::alert(incident, 2), &to(false), NOW, 0)?;

            // The start is sent first, although the test message is older.
            let due = out.due("console", NOW, NOW - 600, 9)?;
            assert!(
                due.len() == 2
                    && due.iter().all(|d| d.notice == Notice::Alert { incident, number: 1 })
            );
            out.mark_sent(due[0].id, None, NOW)?;
            out.give_up(due[1].id, "the chat is gone")?;
            assert_eq!(out.heard(incident)?, [due[0].chat.id].into());

            for delivery in out.due("console", NOW, NOW - 600, 9)? {
                assert!(matches!(delivery.notice, Notice::Test { .. }));
                out.mark_sent(delivery.id, None, NOW)?;
            }
            let rest = out.due("console", NOW, NOW - 600, 9)?;
            assert_eq!(
                rest.iter().map(|delivery| delivery.chat.id).collect::<Vec<_>>(),
                [due[0].chat.id]
            );
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_recovery_does_not_wait_behind_a_change_that_it_has_overtaken() {
    let store = Store::in_memory().unwrap();
    store
        .write(|tx| {
            let chat = tx.chats().ensure("console", "")?.id;
            let out = tx.deliveries();
            let mut incident = None;
            for (number, kind) in [(1, TransitionKind::Started), (2, TransitionKind::PartlyBack)] {
                let id = tx.incidents().apply(&transition(1, number, kind))?.id;
                out.owe(
                    &NewNotice::alert(id, number),
                    &[NewDelivery::now(chat, number == 1)],
                    NOW,
                    0,
                )?;
                let due = out.due("console", NOW, NOW - 600, 9)?.remove(0);
                assert!(out.mark_sending(due.id, NOW)?);
                out.mark_sent(due.id, None, NOW)?;
                incident = Some(id);
            }
            let incident = incident.unwrap();
            // This alert waits until 15 minutes after the last message; the recovery is sent at
            // once.
            tx.incidents().apply(&transition(1, 3, TransitionKind::GoneAgain))?;
            out.owe(
                &NewNotice::alert(incident, 3),
                &[NewDelivery::now(chat, false)],
                NOW + 60,
                900,
            )?;
            assert!(out.due("console", NOW + 60, NOW + 60 - 600, 9)?.is_empty());
            tx.incidents().apply(&transition(1, 4, TransitionKind::Recovered))?;
            out.overtake(incident, 4)?;
            out.owe(
                &NewNotice::alert(incident, 4),
                &[NewDelivery::now(chat, false)],
                NOW + 120,
                0,
            )?;
            let due = out.due("console", NOW + 120, NOW + 120 - 600, 9)?;
            assert_eq!(due[0].notice, Notice::Alert { incident, number: 4 });
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_card_knows_what_it_shows_and_what_it_should() {
    let store = Store::in_memory().unwrap();
    store
        .write(|tx| {
            let chat = tx.chats().ensure("console", "")?.id;
            let incident = tx.incidents().apply(&transition(1, 1, TransitionKind::Started))?.id;
            let cards = tx.cards();
            cards.want(incident, 2)?;
            assert!(cards.behind("console", NOW, 9)?.is_empty(), "there is none yet");
            cards.sent(incident, chat, "m1", 1)?;
            assert!(cards.behind("console", NOW, 9)?.is_empty());
            let applied = tx.incidents().apply(&transition(1, 2, TransitionKind::Worsened))?;
            cards.want(incident, applied.revision)?;
            assert_eq!(cards.behind("console", NOW, 9)?.len(), 1);
            let revision = tx
                .incidents()
                .refresh(incident, &transition(1, 2, TransitionKind::Worsened).evidence)?;
            cards.want(incident, revision)?;
            cards.want(incident, 1)?;
            cards.sent(incident, chat, "m1", 3)?;
            assert!(cards.behind("console", NOW, 9)?.is_empty());
            let card = cards.get(incident, chat)?.unwrap();
            assert_eq!((card.message_id.as_deref(), card.wanted, card.sent), (Some("m1"), 3, 3));
            // A chat that gets the start late first shows an old revision, and at once needs the
            // newest.
            let other = tx.chats().ensure("console", "b")?.id;
            cards.sent(incident, other, "m2", 0)?;
            assert_eq!(cards.behind("console", NOW, 9)?[0].chat.id, other);
            cards.lost(incident, other)?;
            assert!(cards.behind("console", NOW, 9)?.is_empty());
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_card_stays_behind_when_its_chat_becomes_another() {
    let store = Store::in_memory().unwrap();
    let (before, after) = store
        .write(|tx| {
            let applied = tx.incidents().apply(&transition(1, 1, TransitionKind::Started))?;
            let chat = tx.chats().ensure("telegram", "-4000")?.id;
            tx.cards().sent(applied.id, chat, "3", 1)?;
            tx.cards().want(applied.id, 2)?;
            let behind = || Ok::<_, StoreError>(tx.cards().behind("telegram", NOW + DAY, 9)?.len());
            let before = behind()?;
            tx.chats().moved(chat, "-1004000")?;
            // Message 3 is a different one at the new address.
            assert!(tx.cards().get(applied.id, chat)?.is_none_or(|card| card.message_id.is_none()));
            Ok((before, behind()?))
        })
        .await
        .unwrap();
    assert_eq!((before, after), (1, 0));
}

#[tokio::test]
async fn a_source_is_known_by_its_last_polls() {
    let store = Store::in_memory().unwrap();
    store
        .write(|tx| {
            let sources = tx.sources();
            sources.failed("ioda", NOW, "timeout", Some(NOW + 60))?;
            sources.failed("ioda", NOW + 60, "503", None)?;
            assert_eq!(sources.health()?[0].failures, 2);
            sources.succeeded("ioda", NOW + 90, None)?;
            sources.succeeded("ioda", NOW + 120, Some(NOW))?;
            sources.succeeded("ioda", NOW + 150, Some(NOW - 300))?;
            sources.succeeded("ioda", NOW + 180, None)?;
            let expected = SourceHealth {
                source: "ioda".to_owned(),
                last_success: Some(NOW + 180),
                newest_bin: Some(NOW),
                last_error: Some("503".to_owned()),
                error_at: Some(NOW + 60),
                failures: 0,
                backing_off_until: None,
            };
            assert_eq!(sources.health()?, [expected]);

            sources.charge("ripestat", NOW, 3)?;
            sources.charge("ripestat", NOW, 2)?;
            assert_eq!(
                (sources.used("ripestat", NOW)?, sources.used("ripestat", NOW + DAY)?),
                (5, 0)
            );

            let entity: Entity = "country/KP".parse().unwrap();
            let mut progress = Progress { entity, from: NOW - DAY, to: NOW, done: false };
            sources.set_progress("ioda", &progress)?;
            progress.done = true;
            sources.set_progress("ioda", &progress)?;
            assert_eq!(sources.progress("ioda")?, [progress]);

            assert_eq!(tx.checkpoint().load()?, None);
            tx.checkpoint().save(1, BatchId(3), b"old")?;
            tx.checkpoint().save(2, BatchId(7), b"new")?;
            let newest = Checkpoint { format: 2, batch: BatchId(7), state: b"new".to_vec() };
            assert_eq!(tx.checkpoint().load()?, Some(newest));
            Ok(())
        })
        .await
        .unwrap();
}

/// The end of one mute releases nothing that another one still holds back.
#[tokio::test]
async fn an_unmute_releases_only_what_no_other_mute_holds() {
    let store = Store::in_memory().unwrap();
    let released = store
        .write(|tx| {
            let chat = tx.chats().ensure("discord", "1")?.id;
            let until = NOW + HOUR;
            let korea = Scope::One("country/KP".parse().unwrap());
            for scope in [Scope::All, korea.clone()] {
                tx.subscriptions().mute(&Mute { chat, scope, until })?;
            }
            let down = tx.incidents().apply(&transition(1, 1, TransitionKind::Started))?.id;
            let hold = Some(Hold { until, why: HeldFor::Mute });
            let held = NewDelivery { chat, is_start: true, hold };
            tx.deliveries().owe(&NewNotice::alert(down, 1), &[held], NOW, 0)?;
            let due = |tx: &Tx<'_>| tx.deliveries().released("discord", NOW, 9);
            let mut released = Vec::new();
            for scope in [Scope::All, korea] {
                assert_eq!(tx.subscriptions().unmute(chat, Some(&scope), NOW)?, 1);
                released.push(due(tx)?.len());
            }
            Ok(released)
        })
        .await
        .unwrap();
    assert_eq!(released, [0, 1]);
}

#[tokio::test]
async fn what_a_clock_wrote_that_was_ahead_is_moved_back_with_it() {
    let store = Store::in_memory().unwrap();
    let entity: Entity = "country/KP".parse().unwrap();
    let ahead = 6_000;
    let (read, until, owed_until) = store
        .write(move |tx| {
            let then = NOW + ahead;
            assert_eq!(tx.heartbeat().beat(then)?, None);
            tx.sources().set_progress(
                "ioda",
                &Progress { entity, from: NOW - DAY, to: then, done: true },
            )?;
            tx.sources().failed("ioda", then, "busy", Some(then + 300))?;
            let chat = tx.chats().ensure("discord", "1")?;
            tx.deliveries().owe(
                &NewNotice::test("t", json!(1)),
                &[NewDelivery::now(chat.id, false)],
                then,
                0,
            )?;
            // Slewing by half a minute is ignored; then the clock is set right.
            assert_eq!(tx.heartbeat().beat(then - 30)?, None);
            assert_eq!(tx.heartbeat().beat(NOW)?, Some(ahead));
            assert_eq!(tx.heartbeat().beat(NOW + 30)?, None);
            let health = tx.sources().health()?.remove(0);
            let owed = tx.deliveries().recent(1)?.remove(0);
            Ok((
                tx.sources().progress("ioda")?.remove(0).to,
                health.backing_off_until,
                owed.next_at,
            ))
        })
        .await
        .unwrap();
    assert_eq!((read, until, owed_until), (NOW, Some(NOW + 300), NOW));
}

#[tokio::test]
async fn old_observations_become_hours_and_then_nothing() {
    let store = Store::in_memory().unwrap();
    store
        .write(|tx| {
            let bgp = series("country/KP", "bgp");
            let start = NOW.floor_to(HOUR);
            for bin in 0..24 {
                let at = start + bin * 300;
                let value = (bin != 3).then_some(bin as f64);
                tx.observations().append(&batch(at + 300, vec![observation(&bgp, at, value)]))?;
            }
            tx.observations()
                .append(&Batch { facts: vec![fact(start, gateway(1, 1))], ..Batch::live(start) })?;
            let later = start + 46 * DAY;
            assert_eq!(
                tx.retention().prune(later, Keep::default(), 100)?,
                Pruned { rows: 0, more: false }
            );
            tx.checkpoint().save(1, BatchId(20), b"")?;
            // Some batches of the second hour are not in the checkpoint.
            let mut rows = 0;
            loop {
                let step = tx.retention().prune(later, Keep::default(), 5)?;
                rows += step.rows;
                if !step.more {
                    break;
                }
            }
            assert_eq!(rows, 12 + 12);
            let (batches, _): (Vec<_>, Vec<_>) =
                tx.observations().batches_after(BatchId(0), 99)?.into_iter().unzip();
            assert_eq!(batches, (13..=25).map(BatchId).collect::<Vec<_>>());
            let expected = Hourly { hour: start, count: 11, low: 0.0, median: 6.0, high: 11.0 };
            assert_eq!(tx.retention().hourly(&bgp, start, later)?, [expected]);

            tx.checkpoint().save(1, BatchId(25), b"")?;
            tx.retention().prune(later, Keep::default(), 1000)?;
            assert!(tx.observations().batches_after(BatchId(0), 99)?.is_empty());
            assert_eq!(tx.retention().hourly(&bgp, start, later)?.len(), 2);
            tx.retention().prune(start + 401 * DAY, Keep::default(), 1000)?;
            assert!(tx.retention().hourly(&bgp, start, later)?.is_empty());
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn what_chats_were_told_of_what_is_over_is_kept_for_a_year_and_what_is_owed_for_good() {
    let store = Store::in_memory().unwrap();
    let left = store
        .write(|tx| {
            let [told, waits] =
                ["a", "b"].map(|address| tx.chats().ensure("console", address).unwrap().id);
            // The first incident is over, the second goes on; one chat is still owed an alert of
            // the first.
            for ordinal in [1, 2] {
                let incident =
                    tx.incidents().apply(&transition(ordinal, 1, TransitionKind::Started))?.id;
                let chats = if ordinal == 1 { vec![told, waits] } else { vec![told] };
                let owings: Vec<NewDelivery> =
                    chats.iter().map(|chat| NewDelivery::now(*chat, true)).collect();
                tx.deliveries().owe(&NewNotice::alert(incident, 1), &owings, NOW, 0)?;
                for owed in tx
                    .deliveries()
                    .due("console", NOW, NOW - 600, 9)?
                    .into_iter()
                    .filter(|owed| owed.chat.id == told)
                {
                    tx.deliveries().mark_sending(owed.id, NOW)?;
                    tx.deliveries().mark_sent(owed.id, Some("m"), NOW)?;
                    tx.cards().sent(incident, told, "m", 1)?;
                }
            }
            tx.incidents().apply(&transition(1, 2, TransitionKind::Recovered))?;
            let counts = || -> Result<[i64; 3], StoreError> {
                let count = |table: &str| {
                    let sql = format!("SELECT count(*) FROM {table}");
                    tx.connection.query_row(&sql, [], |row| row.get::<_, i64>(0))
                };
                Ok([count("delivery")?, count("notice")?, count("card")?])
            };
            let whole = counts()?;
            let nothing = Pruned { rows: 0, more: false };
            assert_eq!(tx.retention().prune_told(NOW + 400 * DAY, Keep::default(), 9)?, nothing);
            assert_eq!(
                tx.retention().prune_told(NOW + 401 * DAY, Keep::default(), 1)?,
                Pruned { rows: 1, more: true }
            );
            tx.retention().prune_told(NOW + 401 * DAY, Keep::default(), 9)?;
            let owed = counts()?;
            let last = tx.deliveries().due("console", NOW, NOW - 600, 9)?.remove(0);
            tx.deliveries().mark_sending(last.id, NOW)?;
            tx.deliveries().mark_sent(last.id, Some("m"), NOW)?;
            tx.retention().prune_told(NOW + 401 * DAY, Keep::default(), 9)?;
            Ok([whole, owed, counts()?])
        })
        .await
        .unwrap();
    assert_eq!(left, [[3, 2, 2], [2, 2, 2], [1, 1, 1]], "deliveries, notices, cards");
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let value = prop_oneof![
        Just(None),
        any::<i32>().prop_map(|n| Some(f64::from(n) / 7.0)),
        Just(Some(0.0))
    ];
    let observation = (0..4_usize, 0..5_i64, value).prop_map(|(which, bin, value)| {
        let names =
            [("country/KP", "bgp"), ("country/KP", "gtr"), ("asn/131279", "bgp"), ("XA", "x")];
        observation(&series(names[which].0, names[which].1), NOW + bin * 300, value)
    });
    let facts = prop::collection::vec(
        (0..3_u32, 0..3_i64).prop_map(|(n, at)| fact(NOW + at, gateway(n, n))),
        0..3,
    );
    let batch = (prop::collection::vec(observation, 0..8), facts, 0..3_usize, 0..1000_i64)
        .prop_map(|(observations, facts, arrival, at)| Batch {
            received_at: NOW + at,
            arrival: Arrival::ALL[arrival],
            observations,
            facts,
        });
    prop::collection::vec(batch, 0..8)
}

/// Generates actions on an outbox: `(action, which delivery)`.
fn deeds() -> impl Strategy<Value = Vec<(u8, usize)>> {
    prop::collection::vec((0..6_u8, 0..50_usize), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn batches_come_back_as_they_went_in(batches in batches(), step in 1..5_usize) {
        let connection = super::super::open::in_memory().unwrap();
        let tx = Tx::new(&connection);
        for batch in &batches {
            tx.observations().append(batch).unwrap();
        }
        let (mut after, mut read) = (BatchId::default(), Vec::new());
        loop {
            let page = tx.observations().batches_after(after, step).unwrap();
            let Some((last, _)) = page.last() else { break };
            after = *last;
            read.extend(page.into_iter().map(|(_, batch)| batch));
        }
        prop_assert_eq!(read, batches);
        prop_assert_eq!(after, tx.observations().newest_batch().unwrap());
    }

    #[test]
    fn the_outbox_keeps_its_order_whatever_happens(deeds in deeds()) {
        let connection = super::super::open::in_memory().unwrap();
        let tx = Tx::new(&connection);
        let out = tx.deliveries();
        let chats: Vec<i64> =
            ["a", "b", "c"].iter().map(|at| tx.chats().ensure("console", at).unwrap().id).collect();
        let mut numbers = [0_u32; 3];
        for (minute, (deed, which)) in deeds.into_iter().enumerate() {
            let now = NOW + minute as i64 * 60;
            let pending = out.recent(1000).unwrap();
            let due = out.due("console", now, now - 600, 9).unwrap();

            let mut seen = Vec::new();
            for one in &due {
                prop_assert!(one.next_at <= now && one.state == DeliveryState::Owed);
                prop_assert!(!seen.contains(&one.chat.id), "one for each chat");
                seen.push(one.chat.id);
                for other in pending.iter().filter(|other| other.chat == one.chat) {
                    prop_assert!(other.state != DeliveryState::Sending);
                    if let (Notice::Alert { incident: a, number: n }, Notice::Alert { incident: b, number: m }) =
                        (&one.notice, &other.notice)
                    {
                        prop_assert!(a != b || m >= n || other.state != DeliveryState::Owed, "a later one went first");
                    }
                }
            }
            prop_assert_eq!(due.is_empty(), out.next_due("console").unwrap().is_none_or(|at| at > now));

            match deed {
                0 | 1 => {
                    let which = which % 3;
                    numbers[which] += 1;
                    let kind = if numbers[which] == 1 { TransitionKind::Started } else { TransitionKind::Worsened };
                    let applied = tx.incidents().apply(&transition(which as u32 + 1, numbers[which], kind)).unwrap();
                    let owings: Vec<NewDelivery> =
                        chats.iter().map(|chat| NewDelivery::now(*chat, numbers[which] == 1)).collect();
                    out.owe(&NewNotice::alert(applied.id, numbers[which]), &owings, now, 0).unwrap();
                }
                2 => {
                    let owing = [NewDelivery::now(chats[0], false)];
                    out.owe(&NewNotice::summary(minute.to_string(), json!({})), &owing, now, 0).unwrap();
                }
                _ => {
                    let Some(one) = due.get(which % due.len().max(1)) else {
                        // Nothing may be sent: the send in flight ends.
                        for stuck in out.in_doubt("console").unwrap() {
                            out.put_off(stuck.id, now + 120, "timeout", Attempt::InDoubt).unwrap();
                        }
                        continue;
                    };
                    out.mark_sending(one.id, now).unwrap();
                    match deed {
                        3 => out.mark_sent(one.id, Some("m"), now).unwrap(),
                        4 => out.put_off(one.id, now + 300, "429", Attempt::Refused).unwrap(),
                        _ if which % 2 == 0 => out.give_up(one.id, "gone").unwrap(),
                        _ => {}
                    }
                }
            }
        }
    }
}
