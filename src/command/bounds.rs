//! How much may be subscribed to: bounds of a chat, a server, a person and all chats together, and how fast a person adds.

use super::Asker;
use crate::clock::Millis;
use crate::config::{Access, Limits};
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::{Entity, Scope, Watchlist};
use crate::render::words::duration;
use crate::store::{StoreError, Tx};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Subscriptions of a server of every kind, as a multiple of what one chat may have.
const FULL_CHATS: usize = 10;
/// The window of `per_hour`, in milliseconds.
const WINDOW: Millis = HOUR * 1000;
/// People of whom additions are remembered at one time. An entry is a few hundred bytes.
const REMEMBERED: usize = 10_000;

/// Which bound a subscription would pass, how full it is, and what the reader can do. Each text fits the title of a Discord
/// embed: 256 characters, <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error(
        "this chat has {has} subscriptions and may have {most}: end some with /unsubscribe, or take all that is watched \
         with /subscribe all"
    )]
    Chat { has: usize, most: usize },
    #[error(
        "{home} has {has} subscriptions and may have {most} in all its channels, threads and topics: end some with \
         /unsubscribe where they were made"
    )]
    EveryKind { home: &'static str, has: usize, most: usize },
    #[error(
        "{home} has added {has} of the {most} subscriptions it may add to what the operator watches; this would add {new}. End \
         some with /unsubscribe (all channels and threads count), or ask the operator to raise [limits] per_server"
    )]
    Server { home: &'static str, has: usize, most: usize, new: usize },
    #[error(
        "you have added {has} of the {most} subscriptions one person may add to what the operator watches; this would add \
         {new}. End some with /unsubscribe (all servers and groups count), or ask the operator to raise [limits] per_person"
    )]
    Person { has: usize, most: usize, new: usize },
    #[error(
        "all chats have added {has} of the {most} entities they may add to what the operator watches; this would add {new}. \
         Take what is watched already (/watchlist), or ask the operator to raise [limits] in_all"
    )]
    All { has: usize, most: usize, new: usize },
    #[error(
        "you have added {has} of the {most} subscriptions one person may add in an hour; this would add {new}. Add the others \
         in {}, or ask the operator to raise [limits] per_hour",
        duration(*.wait)
    )]
    Hour { has: usize, most: usize, new: usize, wait: i64 },
}

/// Who asks, what is allowed, and what the configuration watches.
#[derive(Debug)]
pub struct Bounds<'a> {
    pub asker: &'a Asker,
    pub access: &'a Access,
    pub limits: &'a Limits,
    pub watchlist: &'a Watchlist,
}

impl Bounds<'_> {
    /// The console and the owners: the operator's own subscriptions are bound by `in_all` alone.
    fn is_operator(&self) -> bool {
        self.asker.platform == "console"
            || self.access.is_owner(self.asker.platform, self.asker.person.as_deref())
    }

    /// Decides whether a chat that has `before` may have `wanted` besides. Returns how many subscriptions to entities that
    /// only chats watch are new.
    pub fn check(
        &self,
        tx: &Tx<'_>,
        before: &[Scope],
        wanted: &[Scope],
    ) -> Result<Result<usize, Full>, StoreError> {
        let fresh: BTreeSet<&Scope> =
            wanted.iter().filter(|scope| !before.contains(scope)).collect();
        let most = self.access.max_subscriptions as usize;
        if !fresh.is_empty() && before.len() + fresh.len() > most {
            return Ok(Err(Full::Chat { has: before.len(), most }));
        }
        let added: Vec<&Entity> = fresh.iter().filter_map(|scope| self.adds(scope)).collect();
        if !fresh.is_empty()
            && !self.is_operator()
            && let Some(full) = self.of_the_asker(tx, fresh.len(), added.len())?
        {
            return Ok(Err(full));
        }
        if !added.is_empty()
            && let Some(full) = self.of_all(tx, &added)?
        {
            return Ok(Err(full));
        }
        Ok(Ok(added.len()))
    }

    /// The entity, where a subscription to the scope adds it to what the configuration watches.
    fn adds<'s>(&self, scope: &'s Scope) -> Option<&'s Entity> {
        match scope {
            Scope::One(entity) if !self.watchlist.is_configured(entity) => Some(entity),
            _ => None,
        }
    }

    fn count(&self, entities: &[Entity]) -> usize {
        entities.iter().filter(|entity| !self.watchlist.is_configured(entity)).count()
    }

    fn of_the_asker(
        &self,
        tx: &Tx<'_>,
        fresh: usize,
        new: usize,
    ) -> Result<Option<Full>, StoreError> {
        let (platform, home) = (self.asker.platform, &*self.asker.home);
        let has = tx.subscriptions().count_of_home(platform, home)?;
        let most = FULL_CHATS * self.access.max_subscriptions as usize;
        if has + fresh > most {
            return Ok(Some(Full::EveryKind { home: self.home(), has, most }));
        }
        if new == 0 {
            return Ok(None);
        }
        let (has, most) = (
            self.count(&tx.subscriptions().of_home(platform, home)?),
            self.limits.per_server as usize,
        );
        if has + new > most {
            return Ok(Some(Full::Server { home: self.home(), has, most, new }));
        }
        let Some(person) = self.asker.person.as_deref() else { return Ok(None) };
        let has = self.count(&tx.subscriptions().of_person(platform, person)?);
        let most = self.limits.per_person as usize;
        Ok((has + new > most).then_some(Full::Person { has, most, new }))
    }

    fn of_all(&self, tx: &Tx<'_>, added: &[&Entity]) -> Result<Option<Full>, StoreError> {
        let known: BTreeSet<Entity> = tx
            .subscriptions()
            .entities()?
            .into_iter()
            .filter(|entity| !self.watchlist.is_configured(entity))
            .collect();
        let new = added.iter().filter(|entity| !known.contains(**entity)).count();
        let (has, most) = (known.len(), self.limits.in_all as usize);
        Ok((new > 0 && has + new > most).then_some(Full::All { has, most, new }))
    }

    /// What the server or group is called in an answer.
    fn home(&self) -> &'static str {
        match self.asker.platform {
            "discord" if !self.asker.home.starts_with('@') => "this server",
            "telegram" if self.asker.home.starts_with('-') => "this group",
            _ => "this conversation",
        }
    }

    /// Whose additions are counted by the hour: the person's, or the chat's where it speaks for itself. `None` for the
    /// operator.
    pub fn counted_as(&self) -> Option<String> {
        let who = self.asker.person.as_deref().unwrap_or(&self.asker.home);
        (!self.is_operator()).then(|| format!("{}:{who}", self.asker.platform))
    }
}

/// What each person added within the last hour. Kept in memory alone: `/forget` leaves nothing of it on the disk, and
/// neither that nor `/unsubscribe` begins the hour anew.
#[derive(Clone, Debug, Default)]
pub struct Additions(Arc<Mutex<HashMap<String, Added>>>);

/// When a person added how many, the oldest first.
type Added = VecDeque<(Millis, usize)>;

impl Additions {
    /// Notes that `who` adds `new` at `now`, by the clock that only goes forward, unless that would be more than `most`
    /// within an hour.
    pub fn add(&self, who: &str, new: usize, most: usize, now: Millis) -> Result<(), Full> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |at: &Millis| now - at >= WINDOW;
        let mut own = all.remove(who).unwrap_or_default();
        while own.front().is_some_and(|(at, _)| is_old(at)) {
            own.pop_front();
        }
        let has: usize = own.iter().map(|(_, count)| count).sum();
        let fits = has + new <= most;
        if fits && new > 0 {
            own.push_back((now, new));
        }
        let refused =
            (!fits).then(|| Full::Hour { has, most, new, wait: wait(&own, has + new - most, now) });
        if !own.is_empty() {
            make_room(&mut all, is_old);
            all.insert(who.to_owned(), own);
        }
        refused.map_or(Ok(()), Err)
    }

    /// How many people are remembered.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Seconds until so many of the additions are an hour old, rounded up to a minute; an hour where there are not as many.
fn wait(own: &Added, too_many: usize, now: Millis) -> i64 {
    let mut freed = 0;
    let at = own.iter().find_map(|(at, count)| {
        freed += count;
        (freed >= too_many).then_some(*at)
    });
    let left = at.map_or(WINDOW, |at| at + WINDOW - now).div_euclid(1000) + 1;
    (left + MINUTE - 1).div_euclid(MINUTE) * MINUTE
}

/// Makes room for more people: forgets those whose hour is over, and, where that is not enough, the half of them who last
/// added something the longest ago. Half at a time, so that a crowd of strangers does not cost a search each.
fn make_room(all: &mut HashMap<String, Added>, is_old: impl Fn(&Millis) -> bool) {
    if all.len() < REMEMBERED {
        return;
    }
    all.retain(|_, own| own.back().is_some_and(|(at, _)| !is_old(at)));
    if all.len() < REMEMBERED {
        return;
    }
    let last = |own: &Added| own.back().map(|(at, _)| *at);
    let mut times: Vec<Option<Millis>> = all.values().map(last).collect();
    let (_, median, _) = times.select_nth_unstable(REMEMBERED / 2);
    let median = *median;
    all.retain(|_, own| last(own) > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_holds_so_many_additions_and_says_when_there_is_room_again() {
        let additions = Additions::default();
        assert_eq!(additions.add("discord:1", 40, 60, 0), Ok(()));
        assert_eq!(additions.add("discord:1", 20, 60, 10 * 60_000), Ok(()));
        assert_eq!(
            additions.add("discord:2", 60, 60, 10 * 60_000),
            Ok(()),
            "another person has an hour of their own"
        );
        let full = additions.add("discord:1", 1, 60, 30 * 60_000).unwrap_err();
        assert_eq!(full, Full::Hour { has: 60, most: 60, new: 1, wait: 31 * 60 });
        let full = additions.add("discord:1", 41, 60, 30 * 60_000).unwrap_err();
        assert_eq!(full, Full::Hour { has: 60, most: 60, new: 41, wait: 41 * 60 });
        assert_eq!(
            additions.add("discord:1", 40, 60, WINDOW),
            Ok(()),
            "what was refused is not counted"
        );
        assert!(additions.add("discord:1", 1, 60, WINDOW).is_err());
        assert_eq!(
            additions
                .add("discord:3", 61, 60, 0)
                .unwrap_err()
                .to_string()
                .matches("in 1 h")
                .count(),
            1
        );
    }

    #[test]
    fn each_refusal_fits_a_title() {
        let (home, has, most, new) = ("this conversation", 99_999, 99_999, 1000);
        let all = [
            Full::Chat { has, most },
            Full::EveryKind { home, has, most },
            Full::Server { home, has, most, new },
            Full::Person { has, most, new },
            Full::All { has, most, new },
            Full::Hour { has, most, new, wait: 3540 },
        ];
        for full in all {
            let text = full.to_string();
            assert!(text.chars().count() <= 256, "{} characters: {text}", text.chars().count());
        }
    }

    #[test]
    fn people_that_come_and_go_take_no_more_than_a_fixed_room() {
        let additions = Additions::default();
        for person in 0..3 * REMEMBERED as i64 {
            additions.add(&format!("discord:{person}"), 1, 60, person).unwrap();
        }
        assert!((REMEMBERED / 2..=REMEMBERED).contains(&additions.len()), "{}", additions.len());
        let newest = format!("discord:{}", 3 * REMEMBERED - 1);
        assert!(
            additions.add(&newest, 60, 60, 3 * REMEMBERED as i64).is_err(),
            "the newest is remembered"
        );
        let mut more = (0..).map(|more| format!("more:{more}"));
        while additions.len() < REMEMBERED {
            additions.add(&more.next().unwrap(), 1, 60, WINDOW).unwrap();
        }
        additions.add("discord:1", 1, 60, 3 * WINDOW).unwrap();
        assert_eq!(
            additions.len(),
            1,
            "nobody is remembered for longer than an hour once there is need of room"
        );
    }
}
