//! Looks up an entity that is not watched while the person waits. The answer holds the data that
//! arrives before a deadline.

use super::AppContext;
use crate::detect::State;
use crate::domain::{Arrival, Batch, Entity, Evidence, Seconds, time::DAY};
use crate::source::feed::Feed;
use crate::source::{Purpose, past};
use futures_util::future::join_all;
use std::time::Duration;

/// The longest time that a person waits for the sources.
const DEADLINE: Duration = Duration::from_secs(10);
/// The past that is fetched: enough for a baseline by hour of the day, and little enough to arrive
/// in time.
const PAST: Seconds = 2 * DAY;

/// The result of a look-up within the deadline.
#[derive(Debug)]
pub struct Found {
    /// The assessment of the entity; `None` if no source returned data.
    pub evidence: Option<Evidence>,
    /// The sources that did not answer.
    pub unanswered: Vec<Unanswered>,
}

/// A source that did not answer in time, or answered with an error.
#[derive(Debug)]
pub struct Unanswered {
    /// The source's title, such as `IODA`.
    pub source: &'static str,
    /// The reason, for the operator.
    pub why: String,
}

pub(super) async fn look_up(context: &AppContext, entity: &Entity) -> Found {
    let feeds =
        context.feeds.iter().filter(|feed| feed.off.is_none() && feed.source.covers(entity));
    let answers = join_all(feeds.map(|feed| ask(context, feed, entity))).await;
    let (mut batches, mut unanswered) = (Vec::new(), Vec::new());
    for (read, complaint) in answers {
        batches.extend(read);
        unanswered.extend(complaint);
    }
    batches.sort_by_key(|batch| batch.received_at);
    let mut state = State::default();
    for batch in &batches {
        state.take(batch);
    }
    Found { evidence: state.evidence(entity, context.clock.now()), unanswered }
}

async fn ask(
    context: &AppContext,
    feed: &Feed,
    entity: &Entity,
) -> (Vec<Batch>, Option<Unanswered>) {
    let now = context.clock.now();
    let source = feed.source.about().title;
    let wanted = feed.wanted(vec![entity.clone()], now - PAST, now, Purpose::Question);
    let requests = match paid(context, feed, feed.source.plan(&wanted, now, u32::MAX)).await {
        Ok(requests) => requests,
        Err(why) => return (Vec::new(), Some(Unanswered { source, why })),
    };
    let mut busy = context.clock.busy();
    let Ok(answer) =
        tokio::time::timeout(DEADLINE, feed.ask(&requests, &context.clock, &mut busy)).await
    else {
        let why = format!("no answer within {} s", DEADLINE.as_secs());
        return (Vec::new(), Some(Unanswered { source, why }));
    };
    let complaint = answer
        .failures
        .first()
        .map(|failure| Unanswered { source, why: failure.error.to_string() });
    (
        past::batches(answer.readings, Arrival::Backfilled, now, |signal| {
            feed.source.rhythm(signal)
        }),
        complaint,
    )
}

/// Charges the requests to the source's daily budget and returns them. A question may not use the
/// operator's share or the reserve for entities that are down; fails with a reason if too little is
/// left.
async fn paid(
    context: &AppContext,
    feed: &Feed,
    requests: Vec<crate::source::Request>,
) -> Result<Vec<crate::source::Request>, String> {
    let Some(budget) = feed.budget() else { return Ok(requests) };
    let (name, now, calls) = (feed.name(), context.clock.now(), requests.len() as u32);
    let paid = context.store.write(move |tx| {
        let (spent, by_chats) =
            (tx.sources().used(name, now)?, tx.sources().used_for_chats(name, now)?);
        let left = budget.left_for_questions(spent, by_chats);
        if calls <= left {
            tx.sources().charge_for_chats(name, now, calls)?;
        }
        Ok(calls <= left)
    });
    match paid.await {
        // Beside a running bot the database is read-only and the charge fails; one question more
        // does not matter.
        Ok(true) | Err(_) => Ok(requests),
        Ok(false) => {
            Err(format!("not asked: its {} calls of today are used up", budget.calls_a_day))
        }
    }
}
