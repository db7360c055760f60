//! How much may be asked: requests a second, messages a channel, and how many refusals until the ban.

use super::DiscordDouble;
use linkdown::clock::Millis;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::doubles::disobeyed::Disobeyed;
use crate::doubles::web::Reply;

/// What counts together: a channel, and whether it is new messages or edits.
pub(super) type Bucket = (u64, &'static str);

const GLOBAL: (u32, Millis) = (50, 1_000);
const CHANNEL: (u32, Millis) = (5, 5_000);
const INVALID: (usize, Millis) = (10_000, 600_000);
/// How long calls may have been under way when everything was stopped.
const UNDER_WAY: Millis = 100;

#[derive(Debug, Default)]
pub(super) struct Limits {
    unlimited: bool,
    all: Window,
    buckets: BTreeMap<Bucket, Window>,
    /// Who has been told since everything is stopped.
    told: BTreeSet<Bucket>,
    /// Describes each call that came while a pause that was asked for was running.
    disobeyed: Vec<Disobeyed>,
    pub(super) refused: usize,
    invalid: VecDeque<Millis>,
    pub(super) banned: bool,
}

#[derive(Clone, Debug, Default)]
struct Window {
    used: u32,
    resets: Millis,
    /// A `retry_after` runs until then.
    shut: Millis,
    told_at: Millis,
}

/// Not before so many milliseconds have gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) millis: Millis,
    pub(super) global: bool,
}

impl Window {
    fn take(&mut self, (most, period): (u32, Millis), now: Millis) -> Result<(), Millis> {
        if now >= self.resets {
            *self = Self { resets: now + period, ..Self::default() };
        }
        if self.used >= most {
            self.close(now, self.resets);
            return Err(self.resets - now);
        }
        self.used += 1;
        Ok(())
    }

    fn close(&mut self, now: Millis, until: Millis) {
        (self.told_at, self.shut) = (now, until);
    }

    fn disobeyed(&self, now: Millis, call: String) -> Disobeyed {
        Disobeyed { told_at: self.told_at, at: now, early_ms: self.shut - now, call }
    }
}

impl Limits {
    /// One request more, of whatever kind counts.
    pub(super) fn ask(&mut self, bucket: Bucket, now: Millis) -> Result<(), Wait> {
        if now < self.all.shut {
            // What was on its way already could not know.
            let is_excused = now - self.all.told_at <= UNDER_WAY && self.told.insert(bucket);
            if !is_excused {
                self.disobeyed.push(
                    self.all.disobeyed(now, format!("Discord, {bucket:?} in a pause of all")),
                );
            }
            return Err(Wait { millis: self.all.shut - now, global: true });
        }
        if self.unlimited {
            return Ok(());
        }
        self.all.take(GLOBAL, now).map_err(|millis| {
            self.stop(bucket);
            Wait { millis, global: true }
        })
    }

    /// One message or edit more.
    pub(super) fn ask_channel(&mut self, bucket: Bucket, now: Millis) -> Result<(), Wait> {
        let window = self.buckets.entry(bucket).or_default();
        if now < window.shut {
            self.disobeyed.push(window.disobeyed(now, format!("Discord, {bucket:?}")));
            return Err(Wait { millis: window.shut - now, global: false });
        }
        if self.unlimited {
            return Ok(());
        }
        window.take(CHANNEL, now).map_err(|millis| Wait { millis, global: false })
    }

    /// Wait, whatever has been used.
    pub(super) fn shut(&mut self, bucket: Bucket, wait: Wait, now: Millis) {
        if wait.global {
            self.all.close(now, now + wait.millis);
            self.stop(bucket);
        } else {
            self.buckets.entry(bucket).or_default().close(now, now + wait.millis);
        }
    }

    fn stop(&mut self, bucket: Bucket) {
        self.told = BTreeSet::from([bucket]);
    }

    /// Counts the answer; too many bad ones, and nothing is answered any more.
    pub(super) fn answered(&mut self, status: u16, now: Millis) {
        if status == 429 {
            self.refused += 1;
        }
        if [401, 403, 429].contains(&status) {
            self.invalid.push_back(now);
            while self.invalid.front().is_some_and(|at| now - at >= INVALID.1) {
                self.invalid.pop_front();
            }
            self.banned |= self.invalid.len() >= INVALID.0;
        }
    }

    /// Forgets what was bad.
    pub(super) fn forgive(&mut self) {
        self.invalid.clear();
        self.banned = false;
    }

    /// The headers of an answer that was within the limits.
    pub(super) fn headers(&self, bucket: Bucket, now: Millis) -> Vec<(&'static str, String)> {
        let window = self.buckets.get(&bucket).cloned().unwrap_or_default();
        let most = if self.unlimited { 1_000_000 } else { CHANNEL.0 };
        let after = (window.resets - now).max(0);
        vec![
            ("x-ratelimit-limit", most.to_string()),
            ("x-ratelimit-remaining", most.saturating_sub(window.used).to_string()),
            ("x-ratelimit-reset", seconds(now + after)),
            ("x-ratelimit-reset-after", seconds(after)),
            ("x-ratelimit-bucket", name(bucket)),
        ]
    }
}

impl Wait {
    pub(super) fn reply(self, bucket: Bucket) -> Reply {
        let whole = (self.millis + 999).div_euclid(1000);
        let mut headers = vec![("retry-after", whole.to_string())];
        if self.global {
            headers.push(("x-ratelimit-global", "true".to_owned()));
            headers.push(("x-ratelimit-scope", "global".to_owned()));
        } else {
            headers.push(("x-ratelimit-scope", "user".to_owned()));
            headers.push(("x-ratelimit-limit", CHANNEL.0.to_string()));
            headers.push(("x-ratelimit-remaining", "0".to_owned()));
            headers.push(("x-ratelimit-reset-after", seconds(self.millis)));
            headers.push(("x-ratelimit-bucket", name(bucket)));
        }
        let retry_after = self.millis as f64 / 1000.0;
        let body = json!({"message": "You are being rate limited.", "retry_after": retry_after, "global": self.global});
        Reply::Json { status: 429, headers, body }
    }
}

fn seconds(millis: Millis) -> String {
    format!("{}.{:03}", millis.div_euclid(1000), millis.rem_euclid(1000))
}

fn name((channel, kind): Bucket) -> String {
    format!("{kind}{channel:x}")
}

impl DiscordDouble {
    pub fn unlimited(&self) {
        self.inner.change(|world| world.limits.unlimited = true);
    }

    /// How many calls were made while a `retry_after` ran.
    pub fn disobedience(&self) -> usize {
        self.inner.lock().limits.disobeyed.len()
    }

    /// Describes each of those calls.
    pub fn disobeyed(&self) -> Vec<Disobeyed> {
        self.inner.lock().limits.disobeyed.clone()
    }

    /// How many calls got a 429, disobedient ones among them.
    pub fn refused(&self) -> usize {
        self.inner.lock().limits.refused
    }

    /// Whether there were so many bad calls that none is answered any more.
    pub fn banned(&self) -> bool {
        self.inner.lock().limits.banned
    }
}

#[test]
fn ten_thousand_bad_calls_in_ten_minutes_are_too_many() {
    let mut limits = Limits::default();
    limits.answered(403, 0);
    for _ in 0..9_999 {
        limits.answered(429, INVALID.1);
    }
    assert!(!limits.banned);
    limits.answered(401, INVALID.1);
    assert!(limits.banned);
}
