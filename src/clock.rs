//! The only place that knows what time it is, and the only one that sleeps.
//!
//! A [`Clock`] is the system's, a faster one for a laboratory, or one that a test moves. A moved clock only goes on once everybody rests: each
//! task that does something in answer to time holds a [`ActivityGuard`] mark while it works, and hands it on with what it sends.

use crate::domain::{Seconds, Timestamp};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, oneshot};

#[derive(Clone, Debug, Default)]
pub struct Clock(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    System,
    /// The system's, so many times as fast: hours of a laboratory in minutes.
    Sped {
        from: Millis,
        began: Instant,
        rate: u32,
    },
    Moved(Arc<Moved>),
}

#[derive(Debug, Default)]
struct Moved {
    inner: Mutex<Inner>,
    rested: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// What only goes forward: [`Clock::millis`].
    now: Millis,
    /// How far the wall's clock is ahead of it.
    wrong: Millis,
    busy: usize,
    /// Who sleeps until when; the second number keeps the order of going to sleep.
    sleepers: BTreeMap<(Millis, u64), oneshot::Sender<ActivityGuard>>,
    next: u64,
}

/// Milliseconds since 1970: for pacing, where a second is too coarse. Everything that is stored or told is in seconds.
pub type Millis = i64;

/// Where the milliseconds of the system's clock begin.
static BEGAN: LazyLock<(Millis, Instant)> = LazyLock::new(|| (wall_millis(), Instant::now()));

fn wall_millis() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as Millis
}

/// Held while work is under way that a moved clock must wait for. Nothing on the system's clock.
#[derive(Debug, Default)]
pub struct ActivityGuard(Option<Arc<Moved>>);

/// How long something has taken: real time, as sockets take it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    began: Instant,
    rate: u32,
}

impl Stopwatch {
    pub fn taken(&self) -> Duration {
        self.began.elapsed() * self.rate
    }

    /// What is left of `limit`.
    pub fn left_of(&self, limit: Duration) -> Duration {
        limit.saturating_sub(self.taken())
    }
}

impl Clock {
    pub const fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that stands at `now` until [`Clock::advance_to`] moves it.
    pub fn simulated(now: Timestamp) -> Self {
        let clock = Moved::default();
        clock.lock().now = in_millis(now);
        Self(Kind::Moved(Arc::new(clock)))
    }

    /// A clock that stands at `now` and goes `rate` times as fast as the system's, whatever is under way.
    pub fn accelerated(now: Timestamp, rate: u32) -> Self {
        Self(Kind::Sped { from: in_millis(now), began: Instant::now(), rate: rate.max(1) })
    }

    /// How many times as fast as the system's it goes.
    fn rate(&self) -> u32 {
        match &self.0 {
            Kind::Sped { rate, .. } => *rate,
            Kind::System | Kind::Moved(_) => 1,
        }
    }

    /// Gives up `work` after `limit`. What is waited for on a socket takes real time, also where a test moves the clock.
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(limit / self.rate(), work).await.ok()
    }

    /// A short wait between two attempts on a socket: real time, as theirs; none where a test moves the clock.
    pub async fn breathe(&self, pause: Duration) {
        if !matches!(self.0, Kind::Moved(_)) {
            tokio::time::sleep(pause / self.rate()).await;
        }
    }

    /// Starts a stopwatch for one that must be done within some time, by this clock's pace.
    pub fn stopwatch(&self) -> Stopwatch {
        Stopwatch { began: Instant::now(), rate: self.rate() }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.wall().div_euclid(1000))
    }

    /// Milliseconds that only go forward, for pacing: a clock that is set back must hold up nobody. They begin where the
    /// clock stood when it was first asked, and may part from it later.
    pub fn millis(&self) -> Millis {
        match &self.0 {
            Kind::System => {
                let (wall, began) = *BEGAN;
                wall + began.elapsed().as_millis() as Millis
            }
            Kind::Sped { .. } => self.wall(),
            Kind::Moved(clock) => clock.lock().now,
        }
    }

    fn wall(&self) -> Millis {
        match &self.0 {
            Kind::System => wall_millis(),
            Kind::Sped { from, began, rate } => {
                from + (began.elapsed() * *rate).as_millis() as Millis
            }
            Kind::Moved(clock) => {
                let inner = clock.lock();
                inner.now + inner.wrong
            }
        }
    }

    /// Marks work as under way.
    pub fn busy(&self) -> ActivityGuard {
        match &self.0 {
            Kind::System | Kind::Sped { .. } => ActivityGuard(None),
            Kind::Moved(clock) => {
                clock.lock().busy += 1;
                ActivityGuard(Some(Arc::clone(clock)))
            }
        }
    }

    /// Sleeps until `until`, giving up `busy` meanwhile; awake one is busy again.
    pub async fn sleep_until(&self, until: Timestamp, busy: ActivityGuard) -> ActivityGuard {
        match &self.0 {
            // By the wall: what is due at an hour is due when the clock shows it.
            Kind::System => {
                self.sleep_until_millis(self.millis() + in_millis(until) - self.wall(), busy).await
            }
            Kind::Moved(clock) => {
                let wrong = clock.lock().wrong;
                self.sleep_until_millis(in_millis(until) - wrong, busy).await
            }
            Kind::Sped { .. } => self.sleep_until_millis(in_millis(until), busy).await,
        }
    }

    /// The same by [`Clock::millis`].
    pub async fn sleep_until_millis(&self, until: Millis, busy: ActivityGuard) -> ActivityGuard {
        match &self.0 {
            Kind::System | Kind::Sped { .. } => {
                let pause = u64::try_from(until - self.millis()).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(pause) / self.rate()).await;
                busy
            }
            Kind::Moved(clock) => {
                let woken = {
                    let mut inner = clock.lock();
                    if inner.now >= until {
                        return busy;
                    }
                    let (wake, woken) = oneshot::channel();
                    let order = inner.next;
                    inner.next += 1;
                    inner.sleepers.insert((until, order), wake);
                    woken
                };
                drop(busy);
                // The sender lives as long as the clock does.
                woken.await.unwrap_or_default()
            }
        }
    }

    pub async fn sleep(&self, seconds: Seconds, busy: ActivityGuard) -> ActivityGuard {
        // From the millisecond on: a pause that was asked for must not end up to a second too soon.
        self.sleep_until_millis(self.millis() + seconds * 1000, busy).await
    }

    /// Moves a moved clock to `target`, waking every sleeper at its own instant and waiting until all rest again.
    /// Does nothing on the system's clock.
    pub async fn advance_to(&self, target: Timestamp) {
        self.advance_to_millis(in_millis(target)).await;
    }

    /// The same by [`Clock::millis`].
    pub async fn advance_to_millis(&self, target: Millis) {
        let Kind::Moved(clock) = &self.0 else { return };
        loop {
            clock.until_all_rest().await;
            let mut inner = clock.lock();
            // One whose sleep was given up (a `select!` took another branch) is gone, not woken.
            inner.sleepers.retain(|_, wake| !wake.is_closed());
            let Some(entry) = inner.sleepers.first_entry().filter(|entry| entry.key().0 <= target)
            else {
                inner.now = inner.now.max(target);
                return;
            };
            let ((at, _), wake) = entry.remove_entry();
            inner.now = inner.now.max(at);
            inner.busy += 1;
            drop(inner);
            // A sleeper that gave up meanwhile drops its mark with the message.
            let _ = wake.send(ActivityGuard(Some(Arc::clone(clock))));
        }
    }

    /// A moved clock stands at `target` at once: whoever should have woken before finds it that late, as after a process
    /// was held up.
    pub fn leap_to_millis(&self, target: Millis) {
        if let Kind::Moved(clock) = &self.0 {
            let mut inner = clock.lock();
            inner.now = inner.now.max(target);
        }
    }

    /// Somebody sets the wall's clock of a moved one so much ahead, or back: sleep and pace do not notice.
    pub fn set_wall_offset(&self, seconds: Seconds) {
        if let Kind::Moved(clock) = &self.0 {
            clock.lock().wrong = seconds * 1000;
        }
    }

    /// When the next sleeper of a moved clock wakes, by [`Clock::millis`].
    pub fn next_wake(&self) -> Option<Millis> {
        let Kind::Moved(clock) = &self.0 else { return None };
        let mut inner = clock.lock();
        inner.sleepers.retain(|_, wake| !wake.is_closed());
        inner.sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Waits until nobody holds a [`ActivityGuard`] mark. Returns at once on the system's clock.
    pub async fn until_all_rest(&self) {
        if let Kind::Moved(clock) = &self.0 {
            clock.until_all_rest().await;
        }
    }
}

const fn in_millis(at: Timestamp) -> Millis {
    at.unix().saturating_mul(1000)
}

impl Moved {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until_all_rest(&self) {
        loop {
            let rested = self.rested.notified();
            tokio::pin!(rested);
            rested.as_mut().enable();
            if self.lock().busy == 0 {
                return;
            }
            rested.await;
        }
    }
}

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        if let Some(clock) = self.0.take() {
            let mut inner = clock.lock();
            inner.busy -= 1;
            if inner.busy == 0 {
                drop(inner);
                clock.rested.notify_waiters();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    #[tokio::test]
    async fn sleepers_wake_in_the_order_of_their_instants_and_see_them() {
        let clock = Clock::simulated(at(0));
        let (seen, mut heard) = mpsc::unbounded_channel();
        for seconds in [30, 10, 20] {
            let (clock, seen, busy) = (clock.clone(), seen.clone(), clock.busy());
            tokio::spawn(async move {
                let _busy = clock.sleep(seconds, busy).await;
                let _ = seen.send(clock.now());
            });
        }
        clock.advance_to(at(25)).await;
        clock.until_all_rest().await;
        assert_eq!((heard.recv().await, heard.recv().await), (Some(at(10)), Some(at(20))));
        assert!(heard.try_recv().is_err());
        assert_eq!(clock.now(), at(25));
    }

    #[tokio::test]
    async fn a_wall_that_is_set_wrong_moves_no_pause() {
        let clock = Clock::simulated(at(1000));
        let sleeper = tokio::spawn({
            let (clock, busy) = (clock.clone(), clock.busy());
            async move {
                let _busy = clock.sleep_until(at(1060), busy).await;
                (clock.now(), clock.millis())
            }
        });
        clock.until_all_rest().await;
        assert_eq!(clock.next_wake(), Some(1_060_000));
        clock.set_wall_offset(7200);
        assert_eq!((clock.now(), clock.millis()), (at(8200), 1_000_000));
        clock.advance_to_millis(1_060_000).await;
        assert_eq!(sleeper.await.unwrap(), (at(8260), 1_060_000));
    }

    #[tokio::test]
    async fn a_second_by_the_system_s_clock_is_a_whole_one() {
        let began = Instant::now();
        Clock::system().sleep(1, ActivityGuard::default()).await;
        assert!(began.elapsed() >= Duration::from_millis(999), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn an_hour_of_a_sped_clock_is_short_and_so_are_its_deadlines() {
        let began = Instant::now();
        let clock = Clock::accelerated(at(1000), 3600);
        clock.sleep(360, ActivityGuard::default()).await;
        assert!(clock.now() >= at(1360));
        assert!(clock.within(Duration::from_mins(6), std::future::pending::<()>()).await.is_none());
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn time_waits_for_work_that_was_handed_on() {
        let clock = Clock::simulated(at(0));
        let (send, mut receive) = mpsc::unbounded_channel::<(u32, ActivityGuard)>();
        let worker = tokio::spawn({
            let clock = clock.clone();
            async move {
                let (_, busy) = receive.recv().await.unwrap();
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                let now = clock.now();
                drop(busy);
                now
            }
        });
        send.send((1, clock.busy())).unwrap();
        clock.advance_to(at(100)).await;
        assert_eq!(worker.await.unwrap(), at(0));
    }
}
