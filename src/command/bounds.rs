//! Limits on subscriptions: of a chat, a server, a person and all chats together, and per hour.

use super::Asker;
use crate::clock::Millis;
use crate::config::{Access, Limits};
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::{Entity, Scope, Watchlist};
use crate::render::words::duration;
use crate::store::{StoreError, Tx};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// The most subscriptions of a server, configured entities included, as a multiple of the most that
/// one chat may have.
const FULL_CHATS: usize = 10;
/// The window of `per_hour`, in milliseconds.
const WINDOW: Millis = HOUR * 1000;
/// The most people whose additions are remembered at one time. An entry is a few hundred bytes.
const REMEMBERED: usize = 10_000;

/// The limit that a subscription would exceed, how full it is, and what the reader can do. Each
/// text fits the title of a Discord embed: 256 characters,
/// <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The chat has the most subscriptions that one chat may have.
    #[error(
        "this chat has {has} subscriptions and may have {most}: end some with /unsubscribe, or take all that is watched \
         with /subscribe all"
    )]
    Chat {
        /// Subscriptions that the chat has.
        has: usize,
        /// Subscriptions that it may have.
        most: usize,
    },
    /// The server or group has the most subscriptions that it may have, of any entities.
    #[error(
        "{home} has {has} subscriptions and may have {most} in all its channels, threads and topics: end some with \
         /unsubscribe where they were made"
    )]
    EveryKind {
        /// The server or group in words: `this server`.
        home: &'static str,
        /// Subscriptions that it has.
        has: usize,
        /// Subscriptions that it may have.
        most: usize,
    },
    /// The server or group would add more unconfigured entities than `[limits] per_server`.
    #[error(
        "{home} has added {has} of the {most} subscriptions it may add to what the operator watches; this would add {new}. End \
         some with /unsubscribe (all channels and threads count), or ask the operator to raise [limits] per_server"
    )]
    Server {
        /// The server or group in words: `this server`.
        home: &'static str,
        /// Subscriptions to unconfigured entities that it has.
        has: usize,
        /// Subscriptions to unconfigured entities that it may have.
        most: usize,
        /// Subscriptions that the command would add.
        new: usize,
    },
    /// The person would add more unconfigured entities than `[limits] per_person`.
    #[error(
        "you have added {has} of the {most} subscriptions one person may add to what the operator watches; this would add \
         {new}. End some with /unsubscribe (all servers and groups count), or ask the operator to raise [limits] per_person"
    )]
    Person {
        /// Subscriptions to unconfigured entities that the person has.
        has: usize,
        /// Subscriptions to unconfigured entities that the person may have.
        most: usize,
        /// Subscriptions that the command would add.
        new: usize,
    },
    /// All chats together would add more unconfigured entities than `[limits] in_all`.
    #[error(
        "all chats have added {has} of the {most} entities they may add to what the operator watches; this would add {new}. \
         Take what is watched already (/watchlist), or ask the operator to raise [limits] in_all"
    )]
    All {
        /// Unconfigured entities that chats have added.
        has: usize,
        /// Unconfigured entities that chats may add.
        most: usize,
        /// Entities that the command would add.
        new: usize,
    },
    /// The person would add more within an hour than `[limits] per_hour`.
    #[error(
        "you have added {has} of the {most} subscriptions one person may add in an hour; this would add {new}. Add the others \
         in {}, or ask the operator to raise [limits] per_hour",
        duration(*.wait)
    )]
    Hour {
        /// Subscriptions that the person added within the last hour.
        has: usize,
        /// Subscriptions that a person may add within an hour.
        most: usize,
        /// Subscriptions that the command would add.
        new: usize,
        /// Seconds until the others fit, in whole minutes.
        wait: i64,
    },
}

/// The data against which a new subscription is checked.
#[derive(Debug)]
pub struct Bounds<'a> {
    /// The person who subscribes.
    pub asker: &'a Asker,
    /// Holds the most subscriptions of a chat and the list of owners.
    pub access: &'a Access,
    /// The limits for entities that the configuration does not watch.
    pub limits: &'a Limits,
    /// Tells configured entities from those that only chats watch.
    pub watchlist: &'a Watchlist,
}

impl Bounds<'_> {
    /// Returns whether the console or an owner asks. The operator's own subscriptions are limited
    /// only by the maximum of one chat and by `in_all`.
    fn is_operator(&self) -> bool {
        self.asker.platform == "console"
            || self.access.is_owner(self.asker.platform, self.asker.person.as_deref())
    }

    /// Decides whether a chat with the subscriptions `before` may also have `wanted`. Returns the
    /// number of new subscriptions to entities that only chats watch, or the limit that is
    /// exceeded.
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

    /// Returns the entity of the scope if the configuration does not watch it, else `None`.
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

    /// Returns the words for the server, group or private chat in an answer.
    fn home(&self) -> &'static str {
        match self.asker.platform {
            "discord" if !self.asker.home.starts_with('@') => "this server",
            "telegram" if self.asker.home.starts_with('-') => "this group",
            _ => "this conversation",
        }
    }

    /// Returns the key under which additions per hour are counted: the person, or the chat if it
    /// posts under its own name. `None` for the operator, who has no hourly limit.
    pub fn counted_as(&self) -> Option<String> {
        let who = self.asker.person.as_deref().unwrap_or(&self.asker.home);
        (!self.is_operator()).then(|| format!("{}:{who}", self.asker.platform))
    }
}

/// The additions of each person within the last hour. They are kept only in memory: `/forget`
/// leaves none of them on the disk, and neither it nor `/unsubscribe` restarts the hour.
#[derive(Clone, Debug, Default)]
pub struct Additions(Arc<Mutex<HashMap<String, Added>>>);

/// The times and the numbers of a person's additions, the oldest first.
type Added = VecDeque<(Millis, usize)>;

impl Additions {
    /// Records that `who` adds `new` subscriptions at `now`, by the monotonic clock. Fails and
    /// records nothing if that would be more than `most` within an hour.
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

    /// Returns the number of people with remembered additions.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns whether no person has remembered additions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Returns the seconds until `too_many` of the additions are an hour old, rounded up to a minute;
/// an hour if there are fewer than `too_many`.
fn wait(own: &Added, too_many: usize, now: Millis) -> i64 {
    let mut freed = 0;
    let at = own.iter().find_map(|(at, count)| {
        freed += count;
        (freed >= too_many).then_some(*at)
    });
    let left = at.map_or(WINDOW, |at| at + WINDOW - now).div_euclid(1000) + 1;
    (left + MINUTE - 1).div_euclid(MINUTE) * MINUTE
}

/// Makes room for more people: forgets those whose hour is over and, if that is not enough, the
/// half whose last addition is the oldest. Forgetting half at a time spares a search for every new
/// person.
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
