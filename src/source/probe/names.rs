//! Remembers which names were resolved, and to which addresses. Does no I/O.
//!
//! Strangers can name any host, in a subscription and in the redirects of its pages. So only a
//! limited number of their names is kept, and the least recently used ones are dropped first. The
//! operator's names are kept apart and never make room for others.

use crate::clock::Millis;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

/// The most names that are kept besides the operator's. They take at most about 2 MiB, at 253
/// characters, eight addresses and two entries each.
pub(super) const OTHERS_AT_MOST: usize = 2048;

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The addresses in the order of the answers, IPv4 before IPv6.
    pub addresses: Vec<IpAddr>,
    /// When the answer expires, by the monotonic clock.
    pub until: Millis,
}

/// The resolved names, with a limit for those that are not the operator's.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The operator's names, whether resolved yet or not.
    kept: HashSet<String>,
    known: HashMap<String, Entry>,
    /// The other names by their last use, the oldest first.
    others: BTreeMap<u64, String>,
    /// Counts the uses of other names, as the time in `others`.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    known: Known,
    /// Its key in `others`, or `None` for a name of the operator.
    used: Option<u64>,
}

impl Names {
    /// Marks these names as never to be dropped.
    pub fn keep(&mut self, names: impl IntoIterator<Item = String>) {
        self.kept.extend(names);
    }

    /// Returns the last known addresses of the name, expired or not.
    pub fn get(&mut self, name: &str) -> Option<Known> {
        let entry = self.known.get_mut(name)?;
        if let Some(used) = &mut entry.used {
            let moved = self.others.remove(used);
            self.uses += 1;
            *used = self.uses;
            self.others.insert(self.uses, moved.unwrap_or_else(|| name.to_owned()));
        }
        Some(entry.known.clone())
    }

    /// Stores the addresses of the name in place of its older ones.
    pub fn put(&mut self, name: &str, known: Known) {
        if let Some(Entry { used: Some(used), .. }) = self.known.remove(name) {
            self.others.remove(&used);
        }
        let used = (!self.kept.contains(name)).then(|| {
            self.uses += 1;
            self.others.insert(self.uses, name.to_owned());
            self.uses
        });
        self.known.insert(name.to_owned(), Entry { known, used });
        while self.others.len() > OTHERS_AT_MOST {
            let Some((_, oldest)) = self.others.pop_first() else { break };
            self.known.remove(&oldest);
        }
    }

    /// Returns how many names are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(number: u32) -> Known {
        Known { addresses: vec![IpAddr::from(number.to_be_bytes())], until: 0 }
    }

    #[test]
    fn names_of_strangers_are_bounded_and_never_push_out_those_of_the_operator() {
        let mut names = Names::default();
        names.keep(["kcna.kp".to_owned(), "never-resolved.kp".to_owned()]);
        names.put("kcna.kp", known(1));
        for number in 0..100_000 {
            names.put(&format!("n{number}.example"), known(number));
            assert!(names.len() <= OTHERS_AT_MOST + 1 && names.others.len() <= OTHERS_AT_MOST);
        }
        assert_eq!(names.len(), OTHERS_AT_MOST + 1);
        assert_eq!(names.get("kcna.kp"), Some(known(1)));
        assert_eq!(names.get("n0.example"), None);
        assert_eq!(names.get("n99999.example"), Some(known(99_999)));
    }

    #[test]
    fn the_name_used_longest_ago_makes_room() {
        let mut names = Names::default();
        for number in 0..OTHERS_AT_MOST as u32 {
            names.put(&format!("n{number}.example"), known(number));
        }
        assert_eq!(names.get("n0.example"), Some(known(0)), "it is used");
        names.put("n1.example", known(7));
        names.put("new.example", known(9));
        assert_eq!(names.get("n2.example"), None);
        assert_eq!(names.get("n0.example"), Some(known(0)));
        assert_eq!(names.get("n1.example"), Some(known(7)), "the newest answer stands");
        assert_eq!(names.len(), OTHERS_AT_MOST);
    }
}
