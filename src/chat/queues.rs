//! One queue of commands for each chat. The commands of a chat are answered one after another and
//! do not delay other chats. Too many commands are answered more slowly, and those that exceed the
//! queue are dropped.

use crate::clock::Clock;
use crate::notify::pace::{Limit, SharedPace};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// The most commands of one chat that wait at a time.
const LONGEST: usize = 30;
/// The most chats that are answered at the same time; commands of further chats are dropped
/// meanwhile.
const OPEN: usize = 2000;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The queues of one platform. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct ChatQueues {
    clock: Clock,
    /// The pace of answers in one chat: the burst is answered without delay, the rest at intervals.
    limit: Limit,
    open: Arc<Mutex<HashMap<String, mpsc::Sender<Work>>>>,
    pace: SharedPace,
}

impl ChatQueues {
    pub(super) fn new(clock: Clock, limit: Limit) -> Self {
        Self { clock, limit, open: Arc::default(), pace: SharedPace::new(Limit::NONE) }
    }

    /// Queues `work` to run when the chat's turn comes. Returns false if the queue is full or too
    /// many chats have one.
    pub(super) fn enqueue(
        &self,
        chat: &str,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A queue whose task has panicked is replaced.
        if open.get(chat).is_some_and(mpsc::Sender::is_closed) {
            open.remove(chat);
        }
        if open.len() >= OPEN && !open.contains_key(chat) {
            return false;
        }
        let line = open.entry(chat.to_owned()).or_insert_with(|| {
            let (line, waiting) = mpsc::channel(LONGEST);
            tokio::spawn(self.clone().serve(chat.to_owned(), waiting));
            line
        });
        line.try_send(Box::pin(work)).is_ok()
    }

    async fn serve(self, chat: String, mut waiting: mpsc::Receiver<Work>) {
        loop {
            let Some(work) = self.next(&chat, &mut waiting) else { return };
            let at = {
                let mut pace = self.pace.lock();
                let at = pace.place_opens_at(&chat, self.limit, self.clock.millis());
                pace.pass(&chat, self.limit, at);
                at
            };
            drop(self.clock.sleep_until_millis(at, crate::clock::ActivityGuard::default()).await);
            work.await;
        }
    }

    /// Returns the next work in the queue; removes the queue if it is empty.
    fn next(&self, chat: &str, waiting: &mut mpsc::Receiver<Work>) -> Option<Work> {
        // Locked while looking, so that nothing is added to a queue that is being removed.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let next = waiting.try_recv().ok();
        if next.is_none() {
            open.remove(chat);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[tokio::test]
    async fn the_chats_that_are_answered_at_once_and_the_commands_of_each_are_bounded() {
        let lines = ChatQueues::new(
            Clock::simulated(Timestamp::from_unix(0)),
            Limit { every_ms: 1000.0, burst: 1 },
        );
        let stands = |chat: &str| lines.enqueue(chat, std::future::pending());
        let taken = (0..2 * OPEN).filter(|chat| stands(&chat.to_string())).count();
        assert_eq!(taken, OPEN);
        let more = (0..2 * LONGEST).filter(|_| stands("0")).count();
        assert_eq!(more, LONGEST - 1, "one was taken before");
        assert_eq!(lines.open.lock().unwrap().len(), OPEN);
    }
}
