//! `/test`: sends a marked sample through the delivery path of every alert, and reports the result.

use super::open::resume;
use super::{AppContext, Asker, CommandError};
use crate::domain::{NewDelivery, Seconds};
use crate::notify::body::Body;
use crate::render::Card;
use crate::render::card::Tone;
use crate::render::outside::visible_within;
use crate::store::{Delivery, DeliveryState, NewNotice};

/// Seconds that a person waits for the result. The sample is still delivered afterwards.
const PATIENCE: Seconds = 10;

pub(super) async fn answer(context: &AppContext, asker: &Asker) -> Result<Vec<Card>, CommandError> {
    asker.may_change("test", &context.access)?;
    asker.can_be_told()?;
    let (now, began) = (context.clock.now(), context.clock.millis());
    let (who, watchlist) = (asker.clone(), std::sync::Arc::clone(&context.watchlist));
    let (chat, once) = context
        .store
        .write(move |tx| {
            let chat = tx.chats().ensure(who.platform, &who.address)?;
            tx.chats().belongs_to(chat.id, Some(&who.home), who.person.as_deref())?;
            resume(tx, &watchlist, &chat, now)?;
            // The key holds the chat's row id and not its address, which `/forget` must remove.
            let once = format!("test {} {} {began}", chat.id, who.request);
            let notice = NewNotice::test(once.clone(), Body::Sample.to_json());
            tx.deliveries().owe(&notice, &[NewDelivery::now(chat.id, false)], now, 0)?;
            Ok((chat.id, once))
        })
        .await?;
    let deadline = context
        .clock
        .sleep_until_millis(began + PATIENCE * 1000, crate::clock::ActivityGuard::default());
    tokio::pin!(deadline);
    context.wake_outboxes();
    let delivery = loop {
        let told = context.told.notified();
        tokio::pin!(told);
        // Registered before the read, so that a delivery that ends between the read and the wait is
        // noticed.
        told.as_mut().enable();
        let once = once.clone();
        let delivery = context.store.read(move |db| db.deliveries().of_notice(&once, chat)).await?;
        let is_known = |delivery: &Delivery| {
            delivery.attempts > 0 && delivery.state != DeliveryState::Sending
                || delivery.state == DeliveryState::GivenUp
        };
        if delivery.as_ref().is_none_or(is_known) {
            break delivery;
        }
        tokio::select! {
            () = told => {}
            _ = &mut deadline => break delivery,
        }
    };
    Ok(vec![report(context, asker, delivery, context.clock.millis() - began)])
}

fn report(context: &AppContext, asker: &Asker, delivery: Option<Delivery>, took_ms: i64) -> Card {
    let Some(delivery) = delivery else {
        return Card::titled("The sample is gone: this chat was forgotten meanwhile.");
    };
    let place = &asker.place;
    let why = || visible_within(delivery.error.as_deref().unwrap_or("no answer yet"), 300);
    match delivery.state {
        DeliveryState::Sent => {
            let took = if took_ms < 1000 {
                format!("{took_ms} ms")
            } else {
                format!("{:.1} s", took_ms as f64 / 1e3)
            };
            Card::titled(format!("✅ The sample arrived in {place}, {took} after you asked."))
                .toned(Tone::Up)
        }
        DeliveryState::GivenUp => {
            let mut card = Card::titled(format!("❌ The sample could not be told in {place}."))
                .toned(Tone::Down);
            card.note("Why", why());
            card
        }
        DeliveryState::Owed
        | DeliveryState::Held
        | DeliveryState::Sending
        | DeliveryState::Summed => {
            let mut card = Card::titled(format!("⏳ The sample has not arrived in {place} yet."))
                .toned(Tone::Suspected);
            card.note("Why", why());
            let again = (delivery.next_at - context.clock.now()).max(0);
            card.note(
                "Next",
                format!(
                    "tried again in {}; it stays owed until it arrives",
                    super::duration(again)
                ),
            );
            card
        }
    }
}
