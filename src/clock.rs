//! The clock: the only module that reads the time and the only one that sleeps.
//!
//! A [`Clock`] is the system's, a faster one for the laboratory, or a simulated one that a test
//! moves. A simulated clock advances only when all tasks rest: each task that reacts to time holds
//! an [`ActivityGuard`] while it works, and passes it on with the data that it sends.

use crate::domain::{Seconds, Timestamp};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, oneshot};

/// A source of time and of sleep. Clones share the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    System,
    /// The system's clock, `rate` times as fast: hours of a laboratory pass in minutes.
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
    /// The time that only goes forward: [`Clock::millis`].
    now: Millis,
    /// The lead of the wall clock over `now`.
    wrong: Millis,
    busy: usize,
    /// The sleepers by the instant of their wake-up; the second number keeps the order in which
    /// they went to sleep.
    sleepers: BTreeMap<(Millis, u64), oneshot::Sender<ActivityGuard>>,
    next: u64,
}

/// Milliseconds since 1970, for pacing, where a second is too coarse. Everything that is stored or
/// shown is in seconds.
pub type Millis = i64;

/// The wall time and the instant at which the milliseconds of the system's clock begin.
static BEGAN: LazyLock<(Millis, Instant)> = LazyLock::new(|| (wall_millis(), Instant::now()));

fn wall_millis() -> Millis {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as Millis
}

/// A guard that is held during work that a simulated clock must wait for. On other clocks it does
/// nothing.
#[derive(Debug, Default)]
pub struct ActivityGuard(Option<Arc<Moved>>);

/// Measures elapsed time. It runs in real time, as sockets do, times the rate of the clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    began: Instant,
    rate: u32,
}

impl Stopwatch {
    /// Returns the time since the start, at the pace of the clock.
    pub fn taken(&self) -> Duration {
        self.began.elapsed() * self.rate
    }

    /// Returns the rest of `limit`, or zero if it is used up.
    pub fn left_of(&self, limit: Duration) -> Duration {
        limit.saturating_sub(self.taken())
    }
}

impl Clock {
    /// Returns the clock of the system.
    pub const fn system() -> Self {
        Self(Kind::System)
    }

    /// Returns a clock that stays at `now` until [`Clock::advance_to`] moves it.
    pub fn simulated(now: Timestamp) -> Self {
        let clock = Moved::default();
        clock.lock().now = in_millis(now);
        Self(Kind::Moved(Arc::new(clock)))
    }

    /// Returns a clock that begins at `now` and runs `rate` times as fast as the system's, without
    /// waiting for any work.
    pub fn accelerated(now: Timestamp, rate: u32) -> Self {
        Self(Kind::Sped { from: in_millis(now), began: Instant::now(), rate: rate.max(1) })
    }

    /// Returns the factor by which the clock is faster than the system's.
    fn rate(&self) -> u32 {
        match &self.0 {
            Kind::Sped { rate, .. } => *rate,
            Kind::System | Kind::Moved(_) => 1,
        }
    }

    /// Runs `work`, and gives it up after `limit` with `None`. A wait for a socket takes real time,
    /// even on a simulated clock.
    pub async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(limit / self.rate(), work).await.ok()
    }

    /// Waits a little between two attempts on a socket, in real time; not at all on a simulated
    /// clock.
    pub async fn breathe(&self, pause: Duration) {
        if !matches!(self.0, Kind::Moved(_)) {
            tokio::time::sleep(pause / self.rate()).await;
        }
    }

    /// Starts a stopwatch at the pace of this clock.
    pub fn stopwatch(&self) -> Stopwatch {
        Stopwatch { began: Instant::now(), rate: self.rate() }
    }

    /// Returns the wall time, in whole seconds.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.wall().div_euclid(1000))
    }

    /// Returns milliseconds that only go forward, for pacing: setting the clock back must not delay
    /// anything. They begin at the wall time of the first call, and may differ from the wall clock
    /// later.
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

    /// Returns a guard that marks work as in progress.
    pub fn busy(&self) -> ActivityGuard {
        match &self.0 {
            Kind::System | Kind::Sped { .. } => ActivityGuard(None),
            Kind::Moved(clock) => {
                clock.lock().busy += 1;
                ActivityGuard(Some(Arc::clone(clock)))
            }
        }
    }

    /// Sleeps until `until` by the wall clock. Releases `busy` during the sleep, and returns a new
    /// guard.
    pub async fn sleep_until(&self, until: Timestamp, busy: ActivityGuard) -> ActivityGuard {
        match &self.0 {
            // By the wall clock: a job for a certain hour runs when the clock shows that hour.
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

    /// Sleeps as [`Clock::sleep_until`] does, until `until` by [`Clock::millis`].
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
                // The sender lives as long as the clock.
                woken.await.unwrap_or_default()
            }
        }
    }

    /// Sleeps for `seconds`. Releases `busy` during the sleep, and returns a new guard.
    pub async fn sleep(&self, seconds: Seconds, busy: ActivityGuard) -> ActivityGuard {
        // The sleep is in milliseconds, so that a pause never ends up to a second too soon.
        self.sleep_until_millis(self.millis() + seconds * 1000, busy).await
    }

    /// Moves a simulated clock to `target`. It wakes every sleeper at its own instant, and waits
    /// until all rest again. On other clocks it does nothing.
    pub async fn advance_to(&self, target: Timestamp) {
        self.advance_to_millis(in_millis(target)).await;
    }

    /// Moves the clock as [`Clock::advance_to`] does, to `target` by [`Clock::millis`].
    pub async fn advance_to_millis(&self, target: Millis) {
        let Kind::Moved(clock) = &self.0 else { return };
        loop {
            clock.until_all_rest().await;
            let mut inner = clock.lock();
            // A sleeper whose sleep was given up (a `select!` took another branch) is removed, not
            // woken.
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
            // If the sleeper has given up since, the guard is dropped with the message.
            let _ = wake.send(ActivityGuard(Some(Arc::clone(clock))));
        }
    }

    /// Sets a simulated clock to `target` at once. Sleepers that should have woken before then wake
    /// late, as after a process was suspended.
    pub fn leap_to_millis(&self, target: Millis) {
        if let Kind::Moved(clock) = &self.0 {
            let mut inner = clock.lock();
            inner.now = inner.now.max(target);
        }
    }

    /// Sets the wall time of a simulated clock ahead by `seconds`, or back. Sleeps and pacing do
    /// not change.
    pub fn set_wall_offset(&self, seconds: Seconds) {
        if let Kind::Moved(clock) = &self.0 {
            clock.lock().wrong = seconds * 1000;
        }
    }

    /// Returns the instant at which the next sleeper of a simulated clock wakes, by
    /// [`Clock::millis`]. `None` on other clocks, or if none sleeps.
    pub fn next_wake(&self) -> Option<Millis> {
        let Kind::Moved(clock) = &self.0 else { return None };
        let mut inner = clock.lock();
        inner.sleepers.retain(|_, wake| !wake.is_closed());
        inner.sleepers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Waits until no [`ActivityGuard`] is held. Returns at once on clocks that are not simulated.
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
