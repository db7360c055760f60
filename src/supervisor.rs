//! Supervision of the tasks of a running bot. Each has a name and a watchdog. A task that panics,
//! or whose watchdog is overdue, is restarted while all others continue.

use crate::clock::{ActivityGuard, Clock, Millis};
use crate::domain::{Seconds, Timestamp};
use futures_util::FutureExt as _;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// The seconds before a task is restarted; doubled each time, up to the longest pause.
const FIRST_PAUSE: Seconds = 1;
const LONGEST_PAUSE: Seconds = 60;
/// A task that ran for longer than this, in seconds, is restarted after the first pause again.
const WENT_WELL: Seconds = 600;

/// All tasks of one bot. Clones share them.
#[derive(Clone)]
pub struct Supervisor {
    clock: Clock,
    tasks: Arc<Mutex<BTreeMap<&'static str, Task>>>,
    works: Arc<Mutex<BTreeMap<&'static str, Progress>>>,
}

/// The progress of work that must be completed again and again, by one task or by several together.
/// A task that is restarted again and again keeps its watchdog alive but completes nothing; this
/// progress shows it.
#[derive(Clone)]
pub struct Progress {
    clock: Clock,
    inner: Arc<Mutex<Owed>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    /// The time since which work is due, and the milliseconds after which it is late; `None` if
    /// nothing is due.
    since: Option<(Millis, Millis)>,
    last_done: Option<Timestamp>,
}

/// The state of some work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkReport {
    /// The name under which the work is reported.
    pub name: &'static str,
    /// The last completion, or `None` before the first one.
    pub last_done: Option<Timestamp>,
    /// The seconds since the last completion, if these are too many.
    pub late: Option<Seconds>,
}

#[derive(Default)]
struct Task {
    watchdog: Arc<AtomicI64>,
    give_up: Arc<Notify>,
    restarts: u32,
    last_fall: Option<(Timestamp, String)>,
    state: State,
}

/// The state of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It is at work, or waits for something to do.
    #[default]
    Runs,
    /// It panicked or was given up, and is restarted after a pause.
    Crashed,
    /// It finished by itself, because it has nothing to do.
    Ended,
}

/// A task as `/health` reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The name of the task.
    pub name: &'static str,
    /// Its present state.
    pub state: State,
    /// How often it was restarted since the start of the bot.
    pub restarts: u32,
    /// The time and the reason of the last crash.
    pub last_fall: Option<(Timestamp, String)>,
}

/// A task's own watchdog: the task sets the deadline for its next sign of life.
#[derive(Clone)]
pub struct Watchdog {
    clock: Clock,
    due: Arc<AtomicI64>,
}

/// The deadline of a task that rests until something wakes it.
const RESTS: Millis = Millis::MAX;

impl Watchdog {
    /// Sets the deadline for the next sign of life, in seconds from now.
    pub fn within(&self, seconds: Seconds) {
        self.due.store(self.clock.millis() + seconds * 1000, Ordering::Relaxed);
    }

    /// Removes the deadline, because the task waits for an event that may never come.
    pub fn rests(&self) {
        self.due.store(RESTS, Ordering::Relaxed);
    }
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Owed> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Expects a completion within so many seconds from now. A completion that is already due keeps
    /// its deadline.
    pub fn owes(&self, within: Seconds) {
        let now = self.clock.millis();
        self.lock().since.get_or_insert((now, within * 1000));
    }

    /// Records a completion; the next one is due after the same time again.
    pub fn done(&self) {
        let (now, at) = (self.clock.millis(), self.clock.now());
        let mut owed = self.lock();
        owed.last_done = Some(at);
        owed.since = owed.since.map(|(_, within)| (now, within));
    }

    /// Removes the deadline, because there is nothing to do at present.
    pub fn rests(&self) {
        self.lock().since = None;
    }

    fn report(&self, name: &'static str) -> WorkReport {
        let (now, owed) = (self.clock.millis(), *self.lock());
        let late = owed
            .since
            .filter(|(since, within)| now - since > *within)
            .map(|(since, _)| (now - since) / 1000);
        WorkReport { name, last_done: owed.last_done, late }
    }
}

impl Supervisor {
    /// Returns a supervisor without tasks, whose deadlines and pauses follow `clock`.
    pub fn new(clock: Clock) -> Self {
        Self { clock, tasks: Arc::default(), works: Arc::default() }
    }

    /// Returns the progress of the work of that name, which is reported from now on.
    pub fn progress(&self, name: &'static str) -> Progress {
        let mut works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Progress { clock: self.clock.clone(), inner: Arc::default() };
        works.entry(name).or_insert_with(new).clone()
    }

    /// Returns the state of all work that must be completed again and again.
    pub fn works(&self) -> Vec<WorkReport> {
        let works = self.works.lock().unwrap_or_else(PoisonError::into_inner);
        works.iter().map(|(name, progress)| progress.report(name)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Task>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a task among `tasks`, and restarts it if it crashes. `begin` returns the work of each
    /// start.
    pub fn keep_in<F, W>(
        &self,
        tasks: &mut JoinSet<()>,
        name: &'static str,
        busy: ActivityGuard,
        begin: F,
    ) where
        F: FnMut(Watchdog, ActivityGuard) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        tasks.spawn(self.clone().keep(name, busy, begin));
    }

    /// Runs the work that `begin` returns until it ends by itself. Work that panics, or is given up
    /// because it hangs, is started again.
    async fn keep<F, W>(self, name: &'static str, mut busy: ActivityGuard, mut begin: F)
    where
        F: FnMut(Watchdog, ActivityGuard) -> W,
        W: Future<Output = ()>,
    {
        let (due, give_up) = {
            let mut tasks = self.lock();
            let task = tasks.entry(name).or_default();
            task.watchdog.store(RESTS, Ordering::Relaxed);
            (Arc::clone(&task.watchdog), Arc::clone(&task.give_up))
        };
        let watchdog = Watchdog { clock: self.clock.clone(), due };
        let mut pause = FIRST_PAUSE;
        loop {
            self.changed(name, |task| task.state = State::Runs);
            let began = self.clock.millis();
            let work =
                AssertUnwindSafe(async { begin(watchdog.clone(), busy).await }).catch_unwind();
            let why = tokio::select! {
                done = work => match done {
                    Ok(()) => {
                        watchdog.rests();
                        return self.changed(name, |task| task.state = State::Ended);
                    }
                    Err(panic) => format!("it panicked: {}", message(&*panic)),
                },
                () = give_up.notified() => "it gave no sign of life".to_owned(),
            };
            watchdog.rests();
            if self.clock.millis() - began > WENT_WELL * 1000 {
                pause = FIRST_PAUSE;
            }
            tracing::error!(
                task = name,
                "{name} was given up: {why}; all else goes on, and it begins again in {pause} s"
            );
            let now = self.clock.now();
            self.changed(name, |task| {
                task.restarts += 1;
                task.last_fall = Some((now, why));
                task.state = State::Crashed;
            });
            busy = self.clock.sleep(pause, self.clock.busy()).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Returns a watchdog that is not checked, for work that is not supervised.
    pub fn watchdog(&self) -> Watchdog {
        Watchdog { clock: self.clock.clone(), due: Arc::default() }
    }

    fn changed(&self, name: &'static str, change: impl FnOnce(&mut Task)) {
        change(self.lock().entry(name).or_default());
    }

    /// Gives up every task whose deadline has passed, and returns their names.
    pub fn give_up_overdue(&self) -> Vec<&'static str> {
        let now = self.clock.millis();
        let tasks = self.lock();
        let overdue = tasks.iter().filter(|(_, task)| task.watchdog.load(Ordering::Relaxed) < now);
        overdue
            .map(|(name, task)| {
                // One missed deadline must not be counted twice.
                task.watchdog.store(RESTS, Ordering::Relaxed);
                task.give_up.notify_one();
                *name
            })
            .collect()
    }

    /// Returns the state of every task, ordered by name.
    pub fn report(&self) -> Vec<Report> {
        let tasks = self.lock();
        let report = |(name, task): (&&'static str, &Task)| Report {
            name,
            state: task.state,
            restarts: task.restarts,
            last_fall: task.last_fall.clone(),
        };
        tasks.iter().map(report).collect()
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a word".to_owned())
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.report()).finish()
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock().fmt(f)
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watchdog({})", self.due.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn kept<W: Future<Output = ()> + Send + 'static>(
        supervisor: &Supervisor,
        work: impl Fn(u32, Watchdog, ActivityGuard) -> W + Send + 'static,
    ) -> Arc<AtomicU32> {
        let begun = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        let busy = supervisor.clock.busy();
        tokio::spawn(supervisor.clone().keep("work", busy, move |watchdog, busy| {
            work(counted.fetch_add(1, Ordering::SeqCst), watchdog, busy)
        }));
        begun
    }

    #[tokio::test]
    async fn a_task_that_panics_begins_again_later_each_time_and_is_named() {
        let clock = Clock::simulated(at(0));
        let supervisor = Supervisor::new(clock.clone());
        let begun = kept(&supervisor, |time, _, busy| async move {
            assert!(time >= 3, "for the {} time", time + 1);
            drop(busy);
            std::future::pending::<()>().await;
        });
        for (seconds, expected) in [(0, 1), (1, 2), (2, 2), (3, 3), (6, 3), (7, 4), (1000, 4)] {
            clock.advance_to(at(seconds)).await;
            clock.until_all_rest().await;
            assert_eq!(begun.load(Ordering::SeqCst), expected, "after {seconds} s");
        }
        let report = supervisor.report().remove(0);
        assert_eq!((report.name, report.state, report.restarts), ("work", State::Runs, 3));
        assert_eq!(report.last_fall, Some((at(3), "it panicked: for the 3 time".to_owned())));
    }

    #[tokio::test]
    async fn a_task_that_hangs_is_given_up_and_one_that_rests_is_not() {
        let clock = Clock::simulated(at(0));
        let supervisor = Supervisor::new(clock.clone());
        let begun = kept(&supervisor, |time, watchdog, busy| async move {
            if time == 0 {
                watchdog.within(60);
            } else {
                watchdog.rests();
            }
            drop(busy);
            std::future::pending::<()>().await;
        });
        clock.advance_to(at(60)).await;
        assert!(supervisor.give_up_overdue().is_empty());
        clock.advance_to(at(61)).await;
        assert_eq!(supervisor.give_up_overdue(), ["work"]);
        // The task is notified in its own time; the clock does not wait for it.
        while supervisor.report()[0].restarts == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance_to(at(100_000)).await;
        assert_eq!(begun.load(Ordering::SeqCst), 2);
        assert!(supervisor.give_up_overdue().is_empty());
        assert_eq!(supervisor.report()[0].last_fall.as_ref().unwrap().1, "it gave no sign of life");
    }

    #[tokio::test]
    async fn a_task_that_has_nothing_to_do_ends_and_is_not_begun_again() {
        let supervisor = Supervisor::new(Clock::simulated(at(0)));
        let begun = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        supervisor
            .clone()
            .keep("work", ActivityGuard::default(), move |_, _| {
                counted.fetch_add(1, Ordering::SeqCst);
                std::future::ready(())
            })
            .await;
        assert_eq!((begun.load(Ordering::SeqCst), supervisor.report()[0].state), (1, State::Ended));
    }

    #[tokio::test]
    async fn work_that_is_begun_and_never_completed_is_late_however_often_it_begins_again() {
        let clock = Clock::simulated(at(0));
        let supervisor = Supervisor::new(clock.clone());
        let progress = supervisor.progress("rounds");
        let late = || supervisor.works()[0].late;
        clock.advance_to(at(10_000)).await;
        assert_eq!(late(), None, "nothing is owed yet");
        for seconds in [0, 60, 120, 180] {
            clock.advance_to(at(10_000 + seconds)).await;
            progress.owes(300);
        }
        clock.advance_to(at(10_300)).await;
        assert_eq!(late(), None);
        clock.advance_to(at(10_301)).await;
        assert_eq!(late(), Some(301));
        progress.done();
        assert_eq!((late(), supervisor.works()[0].last_done), (None, Some(at(10_301))));
        clock.advance_to(at(10_602)).await;
        assert_eq!(late(), Some(301), "the next is owed since the last was completed");
        progress.rests();
        assert_eq!(late(), None);
    }
}
