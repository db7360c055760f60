//! Tests of the content and volume of messages, which depend on the messages that the chat has seen
//! and on the state at the time of sending.

use super::*;
use crate::domain::time::HOUR;
use crate::domain::{DelayReason, Options, Scope, Subscription};
use crate::notify::platform::Volume;
use TransitionKind::{GoneAgain, PartlyBack, Recovered, Retracted, Started, Suspected, Worsened};

impl World {
    fn title(&self) -> String {
        self.last_message().card.title.to_string()
    }

    async fn wishes(&self, chat: i64, scope: Scope, options: Options) {
        let write = self.store.write(move |tx| {
            let chat = tx.chats().by_id(chat)?.unwrap().chat;
            tx.subscriptions().subscribe(&Subscription { chat, scope, since: BEGIN, options })
        });
        write.await.unwrap();
    }

    /// Decides a transition, and sends it to the chat in the same second.
    async fn tells(&self, chat: i64, number: u32, kind: TransitionKind) -> Outgoing {
        let incident = self.decided("country/KP", 1, number, kind).await;
        self.owes(chat, incident, number).await;
        self.until(self.platform.since_the_beginning() + 1_000).await;
        self.last_message()
    }
}

async fn subscribed(options: Options) -> (World, i64) {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    world.wishes(chat, Scope::One("country/KP".parse().unwrap()), options).await;
    world.begins();
    world.until(0).await;
    (world, chat)
}

fn is_whole(message: &Outgoing) -> bool {
    !message.card.links.is_empty()
}

#[tokio::test]
async fn the_first_is_told_in_full_and_aloud_and_what_follows_answers_it() {
    let (world, chat) =
        subscribed(Options { mention: Some("@ops".into()), ..Options::default() }).await;
    let mut number = 0;
    for (kind, volume, whole, calls) in [
        (Suspected, Volume::Loud, true, true),
        (Started, Volume::Loud, false, true),
        (Worsened, Volume::Silent, false, false),
        (PartlyBack, Volume::Silent, false, false),
        (GoneAgain, Volume::Silent, false, false),
        (Recovered, Volume::Loud, true, false),
    ] {
        number += 1;
        let told = world.tells(chat, number, kind).await;
        assert_eq!((told.volume, is_whole(&told)), (volume, whole), "{kind:?}");
        assert_eq!(told.mention.is_some(), calls, "{kind:?}");
        assert_eq!(told.answers.as_deref(), (number > 1).then_some("m1"), "{kind:?}");
    }
}

#[tokio::test]
async fn a_change_whose_first_message_is_gone_is_told_in_full_and_becomes_the_card() {
    let (world, chat) = subscribed(Options::default()).await;
    world.tells(chat, 1, Started).await;
    let lost = world.store.write(move |tx| tx.cards().lost(IncidentId(1), chat));
    lost.await.unwrap();
    let told = world.tells(chat, 2, Worsened).await;
    assert_eq!((told.volume, is_whole(&told), told.answers), (Volume::Loud, true, None));
    let again = world.tells(chat, 3, Retracted).await;
    let (seen, first) = (world.seen(), "1000 a: message");
    let position = seen.iter().position(|one| one == first).unwrap() + 1;
    assert_eq!(again.answers, Some(format!("m{position}")), "{seen:?}");
    assert_eq!(again.volume, Volume::Loud, "that it was not so is heard");
}

#[tokio::test]
async fn where_nothing_can_be_edited_each_change_is_told_in_full() {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    Arc::get_mut(&mut world.platform).unwrap().cards = Cards::None;
    world.begins();
    world.tells(chat, 1, Started).await;
    let told = world.tells(chat, 2, Worsened).await;
    assert_eq!((is_whole(&told), told.answers), (true, None));
    world.changes(IncidentId(1)).await;
    world.until(600_000).await;
    assert_eq!(world.seen().len(), 2, "and nothing is edited");
}

#[tokio::test]
async fn a_message_that_shows_the_newest_needs_no_edit_and_one_that_was_overtaken_is_edited_at_once()
 {
    let mut world = World::new();
    let [chat, other] = world.chats(["a", "b"]).await;
    let incident = world.decided("country/KP", 1, 1, Started).await;
    world.changes(incident).await;
    world.owes(chat, incident, 1).await;
    world.begins();
    world.until(120_000).await;
    assert_eq!(world.seen(), ["0 a: message"], "it shows what is known by now");

    world.decided("country/KP", 1, 2, Worsened).await;
    world.owes(other, incident, 1).await;
    world.until(180_000).await;
    assert_eq!(world.seen()[1..], ["120000 b: message", "120000 b: edit of m2"]);
}

#[tokio::test]
async fn a_late_message_claims_no_length_that_was_right_only_when_it_was_decided() {
    for late in [60, 61] {
        let mut world = World::new();
        let [chat] = world.chats(["a"]).await;
        let incident = world.outages(1).await[0];
        world.until(late * 1000).await;
        world.owes(chat, incident, 1).await;
        world.until(21 * 60_000).await;
        world.begins();
        world.until(21 * 60_000).await;
        let title = world.title();
        let claims = title.split_once("🔴").map_or("", |(_, claims)| claims);
        assert!(
            claims.contains("is down · since ") && !claims.contains(" min"),
            "owed {late} s after it: {title}"
        );
    }
}

#[tokio::test]
async fn a_late_message_says_how_late_it_is() {
    let mut world = World::new();
    let [chat] = world.chats(["a"]).await;
    let incident = world.outages(1).await[0];
    world.until(100_000).await;
    world.owes(chat, incident, 1).await;
    world.until(399_000).await;
    world.answers("a", [Answer::Refuses(SendError::later("503"))]);
    world.begins();
    world.until(399_000).await;
    assert!(!world.title().contains("late"), "{}", world.title());
    world.until(402_000).await;
    assert!(world.title().starts_with("Told 5 min late: 🔴"), "{}", world.title());
}

#[tokio::test]
async fn an_edited_card_says_of_when_it_is_and_what_the_outage_came_to() {
    let (world, chat) = subscribed(Options::default()).await;
    world.tells(chat, 1, Started).await;
    world.until(600_000).await;
    world.changes(IncidentId(1)).await;
    world.until(600_000).await;
    let card = world.last_edit().card;
    assert!(card.title.to_string().contains("is down · since"), "{:?}", card.title);
    assert_eq!(card.foot.last().unwrap(), "As of 17:40 UTC.");
    assert!(!card.links.is_empty());
}

#[tokio::test]
async fn times_are_the_chat_s_own_where_it_named_a_zone_and_the_place_s_otherwise() {
    for (zone, said) in [(None, "KST"), (Some(chrono_tz::Tz::Asia__Tehran), "UTC+03:30")] {
        let (world, chat) = subscribed(Options { zone, ..Options::default() }).await;
        let told = world.tells(chat, 1, Started).await;
        assert!(told.card.title.to_string().contains(said), "{}", told.card.title);
        world.changes(IncidentId(1)).await;
        world.until(60_000).await;
        assert!(world.last_edit().card.title.to_string().contains(said));
    }
}

#[tokio::test]
async fn what_is_said_of_one_place_counts_before_what_is_said_of_all() {
    let (world, chat) =
        subscribed(Options { mention: Some("@korea".into()), ..Options::default() }).await;
    world
        .wishes(chat, Scope::All, Options { mention: Some("@all".into()), ..Options::default() })
        .await;
    assert_eq!(world.tells(chat, 1, Started).await.mention.as_deref(), Some("@korea"));

    let [other] = world.chats(["b"]).await;
    world
        .wishes(
            other,
            Scope::One("country/IR".parse().unwrap()),
            Options { mention: Some("@iran".into()), ..Options::default() },
        )
        .await;
    world.owes(other, IncidentId(1), 1).await;
    world.until(10_000).await;
    assert_eq!(world.last_message().mention, None, "that was said of another place");
}

#[tokio::test]
async fn parts_that_are_down_as_well_are_named_and_those_that_are_coming_back_are_not() {
    let (world, chat) = subscribed(Options::default()).await;
    let within = |message: &Outgoing| {
        message.card.notes.iter().find(|note| note.label == "Within").map(|note| note.text.clone())
    };
    world.decided("asn/131279", 1, 1, Started).await;
    world.decided("asn/4837", 1, 1, Started).await;
    let told = world.tells(chat, 1, Started).await;
    assert_eq!(within(&told).as_deref(), Some("1 watched part is down, too: AS131279"));
    world.decided("asn/131279", 1, 2, PartlyBack).await;
    let second = world.decided("country/KP", 2, 1, Started).await;
    world.owes(chat, second, 1).await;
    world.until(10_000).await;
    assert_eq!(within(&world.last_message()), None);
}

#[tokio::test]
async fn what_is_no_alert_is_told_in_its_words() {
    let (world, chat) = subscribed(Options::default()).await;
    world.decided("country/KP", 1, 1, Started).await;
    world.until(HOUR * 1000).await;
    world.decided("country/KP", 1, 2, Recovered).await;
    let incident = IncidentId(1);
    let over = "🟢 While Linkdown was away North Korea was down 1 h 10 min: from ";
    for (body, title) in [
        (Body::MissedIncident(incident.0), over),
        (Body::Sample, "🔔 [test] This is where outages will be told."),
        (Body::OperatorAlert { said: "a disk".into() }, "⚠️ a disk"),
        (Body::TroubleOver { said: "a disk".into(), since: BEGIN }, "✅ Over after 1 h: a disk"),
        (Body::Word { said: "a word".into() }, "ℹ️ a word"),
        (
            Body::Suspended { place: "there".into(), link: None, why: "kicked".into() },
            "⚠️ I can no longer tell there",
        ),
        (
            Body::Summary { incidents: vec![incident.0], why: DelayReason::Muted, since: BEGIN },
            "While this chat was muted: ",
        ),
    ] {
        world.owes_word(chat, body).await;
        world.until(world.platform.since_the_beginning()).await;
        assert!(world.title().starts_with(title), "{}", world.title());
    }
}

#[tokio::test]
async fn what_tells_of_nothing_on_record_is_given_up_and_holds_up_nothing() {
    let (world, chat) = subscribed(Options::default()).await;
    world.owes_word(chat, Body::MissedIncident(77)).await;
    world
        .owes_word(
            chat,
            Body::Summary { incidents: vec![77], why: DelayReason::Late, since: BEGIN },
        )
        .await;
    world.until(10_000).await;
    assert!(world.seen().is_empty());
    let recent = world.store.read(|db| db.deliveries().recent(9)).await.unwrap();
    let ends: Vec<_> =
        recent.iter().map(|one| (one.state, one.error.as_deref().unwrap_or_default())).collect();
    assert_eq!(ends, [(DeliveryState::GivenUp, "what it told of is not on record"); 2]);
}
