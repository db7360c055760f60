//! Takes the events of the live route stream: batches go into the pipeline, calls to RIPEstat onto
//! that budget, its state into `/sources`.

use super::pipeline::Pipeline;
use crate::clock::ActivityGuard;
use crate::command::StatusBoard;
use crate::source::ris_live::NAME;
use crate::source::ris_live::follow::FollowerEvent;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::Instrument;

/// Takes events until the channel closes.
pub async fn run(
    told: &mut UnboundedReceiver<(FollowerEvent, ActivityGuard)>,
    pipeline: Arc<Mutex<Pipeline>>,
    said: StatusBoard,
) {
    while let Some((told, busy)) = told.recv().await {
        let outcome = match told {
            FollowerEvent::State(state) => {
                said.say(NAME, state);
                Ok(())
            }
            FollowerEvent::Called(calls) => {
                let watch = pipeline.lock().await.watch().clone();
                let now = watch.clock.now();
                watch.store.write(move |tx| tx.sources().charge("ripestat", now, calls)).await
            }
            FollowerEvent::Batch(batch) => {
                let span = tracing::info_span!("tick", source = NAME);
                pipeline
                    .lock()
                    .await
                    .take(vec![batch], Box::new(|_| Ok(())))
                    .instrument(span)
                    .await
                    .map(|_| ())
            }
        };
        if let Err(error) = outcome {
            tracing::error!(source = NAME, "what was told could not be stored: {error}");
        }
        drop(busy);
    }
}
