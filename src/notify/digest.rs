//! Sums up the deliveries that piled up for one chat while it was muted, in quiet hours or out of
//! reach, so that they never arrive as a flood. Pure.

use crate::domain::{DelayReason, HeldFor, Seconds, Timestamp, time::MINUTE};
use std::collections::{BTreeMap, BTreeSet};

/// A delivery that may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The id of the delivery.
    pub id: i64,
    /// The change that it reports, if it is an alert.
    pub alert: Option<AlertRef>,
    /// Whether it is the first message that the chat gets about the incident.
    pub is_start: bool,
    /// Why it was held back, if it was.
    pub held_for: Option<HeldFor>,
    /// When it became owed.
    pub owed_at: Timestamp,
    /// Whether an earlier attempt may have arrived. Only the same message, sent again, can be
    /// recognised as a repetition.
    pub in_doubt: bool,
    /// For a summary that was not sent yet: the ids of its incidents, the reason for the delay, and
    /// when the oldest of its alerts became owed.
    pub summary: Option<(Vec<i64>, DelayReason, Timestamp)>,
}

/// The change that an alert reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertRef {
    /// The id of the incident.
    pub incident: i64,
    /// The number of the transition within the incident.
    pub number: u32,
    /// Whether the incident is over by now.
    pub is_over: bool,
}

/// A change to the deliveries of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Drop this delivery: a summary or a later change replaces it.
    SumUp {
        /// The id of the delivery.
        id: i64,
    },
    /// Send this delivery, also in place of earlier ones: it is no longer held back.
    Tell {
        /// The id of the delivery.
        id: i64,
        /// Whether it becomes the first message that the chat gets about the incident.
        is_start: bool,
    },
    /// Send one message with the current state of these incidents.
    Summary {
        /// The ids of the incidents, in the order of the message.
        incidents: Vec<i64>,
        /// Why the chat gets them late.
        why: DelayReason,
        /// When the oldest of the alerts became owed.
        since: Timestamp,
    },
}

/// The age from which on a delivery counts as late.
pub const LATE: Seconds = 10 * MINUTE;

/// Decides what to send of the deliveries of one chat, which come in the order in which they became
/// owed. A delivery without a step is sent as it is.
pub fn digest(items: &[Item], now: Timestamp) -> Vec<Step> {
    let mut by_incident: BTreeMap<i64, Vec<(&Item, AlertRef)>> = BTreeMap::new();
    for item in items {
        if let Some(told) = item.alert {
            by_incident.entry(told.incident).or_default().push((item, told));
        }
    }
    let is_late = |item: &Item| item.held_for.is_some() || now - item.owed_at >= LATE;
    let sums: Vec<&Item> =
        items.iter().filter(|item| item.summary.is_some() && !item.in_doubt).collect();
    // A summary shows the state of its incidents at the time of sending. A change of one of them
    // that is sent separately as well would be reported twice.
    let is_summed = |incident: i64| {
        sums.iter().filter_map(|sum| sum.summary.as_ref()).any(|(of, ..)| of.contains(&incident))
    };
    let is_due = |(item, told): &(&Item, AlertRef)| is_late(item) || is_summed(told.incident);
    let (late, fresh): (Vec<_>, Vec<_>) = by_incident
        .into_values()
        .partition(|group| group.iter().any(is_due) && !ends_in_doubt(group));
    let mut steps: Vec<Step> = fresh.iter().flat_map(|group| overtaken(group)).collect();
    match late.as_slice() {
        [] => {}
        [only] if !is_all_missed(only) && sums.is_empty() => steps.extend(newest(only)),
        many => steps.extend(summed(many, &sums)),
    }
    // Other notices are sent as they are.
    let let_go = items.iter().filter(|item| item.alert.is_none() && item.held_for.is_some());
    steps.extend(let_go.map(|item| Step::Tell { id: item.id, is_start: false }));
    steps
}

/// Returns whether the newest delivery of the group may have arrived already. A summary would then
/// report the same in other words.
fn ends_in_doubt(group: &[(&Item, AlertRef)]) -> bool {
    group.iter().max_by_key(|(_, told)| told.number).is_some_and(|(item, _)| item.in_doubt)
}

/// Returns whether the incident began and ended before the chat got any message about it.
fn is_all_missed(group: &[(&Item, AlertRef)]) -> bool {
    group.iter().any(|(item, _)| item.is_start) && group.iter().any(|(_, told)| told.is_over)
}

/// Keeps the newest delivery of an incident and drops the earlier ones, which it includes.
fn newest(group: &[(&Item, AlertRef)]) -> Vec<Step> {
    let Some((last, before)) = group.split_last() else { return Vec::new() };
    let is_start = group.iter().any(|(item, _)| item.is_start);
    let mut steps: Vec<Step> = before.iter().map(|(item, _)| Step::SumUp { id: item.id }).collect();
    if last.0.held_for.is_some() || is_start && !last.0.is_start {
        steps.push(Step::Tell { id: last.0.id, is_start });
    }
    steps
}

/// Replaces all these deliveries, and the summaries that were not sent yet, by one summary.
fn summed(groups: &[Vec<(&Item, AlertRef)>], sums: &[&Item]) -> Vec<Step> {
    let all = || groups.iter().flatten();
    let before = || sums.iter().filter_map(|item| item.summary.as_ref());
    let mut steps: Vec<Step> = all().map(|(item, _)| Step::SumUp { id: item.id }).collect();
    steps.extend(sums.iter().map(|item| Step::SumUp { id: item.id }));
    let new = groups.iter().filter_map(|group| group.first()).map(|(_, told)| told.incident);
    let mut incidents: Vec<i64> =
        before().flat_map(|(incidents, ..)| incidents.iter().copied()).chain(new).collect();
    let mut seen = BTreeSet::new();
    incidents.retain(|incident| seen.insert(*incident));
    let held = all().find_map(|(item, _)| item.held_for).map(DelayReason::from);
    let why = before().map(|(_, why, _)| *why).next().or(held).unwrap_or(DelayReason::Late);
    let since = all()
        .map(|(item, _)| item.owed_at)
        .chain(before().map(|(.., since)| *since))
        .min()
        .unwrap_or_default();
    steps.push(Step::Summary { incidents, why, since });
    steps
}

/// Drops each change of an incident that a later one has replaced before it was sent. A start
/// stays.
fn overtaken(group: &[(&Item, AlertRef)]) -> Vec<Step> {
    let Some(newest) = group.iter().map(|(_, told)| told.number).max() else { return Vec::new() };
    let old = group.iter().filter(|(item, told)| !item.is_start && told.number < newest);
    old.map(|(item, _)| Step::SumUp { id: item.id }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2025-06-07 12:00").unwrap()
    }

    fn item(id: i64, incident: i64, number: u32, age: Seconds, is_over: bool) -> Item {
        Item {
            id,
            alert: Some(AlertRef { incident, number, is_over }),
            is_start: number == 1,
            held_for: None,
            owed_at: now() - age,
            in_doubt: false,
            summary: None,
        }
    }

    #[test]
    fn what_may_have_arrived_is_put_into_no_other_words() {
        let doubtful = |item: Item| Item { in_doubt: true, ..item };
        // A recovery that may have arrived, beside two late outages: only the outages are summed
        // up.
        let late = [item(2, 2, 1, 3600, true), item(3, 3, 1, 3600, false)];
        let items = [doubtful(item(1, 1, 3, 3600, true)), late[0].clone(), late[1].clone()];
        assert_eq!(digest(&items, now()), digest(&late, now()));
        let sum = Item {
            alert: None,
            summary: Some((vec![5], DelayReason::Late, now())),
            ..doubtful(item(4, 0, 0, 600, false))
        };
        assert_eq!(digest(&[sum, late[0].clone(), late[1].clone()], now()), digest(&late, now()));
        // A start that may have arrived, and an end that has not: one summary for both.
        let items = [doubtful(item(6, 7, 1, 3600, true)), item(7, 7, 2, 0, true)];
        assert!(matches!(
            digest(&items, now())[..],
            [Step::SumUp { .. }, Step::SumUp { .. }, Step::Summary { .. }]
        ));
    }

    #[test]
    fn what_is_new_of_an_incident_that_a_sum_will_tell_of_goes_into_the_sum() {
        let sum = Item {
            alert: None,
            summary: Some((vec![5, 6], DelayReason::Late, now() - 900)),
            ..item(4, 0, 0, 600, false)
        };
        let back = item(9, 6, 3, 0, true);
        let summary =
            Step::Summary { incidents: vec![5, 6], why: DelayReason::Late, since: now() - 900 };
        assert_eq!(
            digest(&[sum.clone(), back], now()),
            [Step::SumUp { id: 9 }, Step::SumUp { id: 4 }, summary]
        );
        // An alert of another incident is sent separately.
        assert_eq!(digest(&[sum, item(9, 7, 1, 0, false)], now()), []);
    }

    fn held(mut item: Item) -> Item {
        item.held_for = Some(HeldFor::Quiet);
        item
    }

    #[test]
    fn what_is_fresh_goes_as_it_is() {
        assert_eq!(digest(&[item(1, 1, 1, 0, false), item(2, 2, 1, 60, false)], now()), []);
    }

    #[test]
    fn a_change_that_a_later_one_has_overtaken_is_not_told() {
        let items = [item(1, 1, 1, 60, false), item(2, 1, 2, 30, false), item(3, 1, 3, 0, false)];
        assert_eq!(digest(&items, now()), [Step::SumUp { id: 2 }], "the start stays");
    }

    #[test]
    fn a_start_and_a_recovery_both_missed_become_one_line() {
        let items = [item(1, 7, 1, 3600, true), item(2, 7, 2, 0, true)];
        let summary =
            Step::Summary { incidents: vec![7], why: DelayReason::Late, since: now() - 3600 };
        assert_eq!(digest(&items, now()), [Step::SumUp { id: 1 }, Step::SumUp { id: 2 }, summary]);
    }

    #[test]
    fn what_still_goes_on_is_told_as_it_is_now() {
        let items = [held(item(1, 7, 1, 60, false)), held(item(2, 7, 2, 0, false))];
        assert_eq!(
            digest(&items, now()),
            [Step::SumUp { id: 1 }, Step::Tell { id: 2, is_start: true }]
        );
    }

    #[test]
    fn what_is_the_newest_already_needs_no_word() {
        // Late, but not held back and not preceded by a dropped start: it is sent as it is.
        assert_eq!(digest(&[item(5, 7, 3, 3600, false)], now()), []);
        assert_eq!(digest(&[item(5, 7, 1, 3600, false)], now()), []);
        // The newest change takes the place of a start.
        let items = [item(5, 7, 1, 3600, false), item(6, 7, 2, 0, false)];
        assert_eq!(
            digest(&items, now()),
            [Step::SumUp { id: 5 }, Step::Tell { id: 6, is_start: true }]
        );
    }

    #[test]
    fn ten_minutes_are_late_and_less_is_not() {
        let told = |age| digest(&[item(1, 7, 1, age, true), item(2, 7, 2, 0, true)], now()).len();
        assert_eq!((told(599), told(600)), (0, 3));
    }

    #[test]
    fn a_recovery_of_what_was_heard_is_told_as_one() {
        let items = [held(item(5, 7, 3, 60, true))];
        assert_eq!(digest(&items, now()), [Step::Tell { id: 5, is_start: false }]);
    }

    #[test]
    fn a_sum_that_was_not_sent_yet_takes_more_in() {
        let sum = Item {
            alert: None,
            is_start: false,
            summary: Some((vec![1, 2], DelayReason::Late, now() - 9000)),
            ..item(50, 0, 0, 600, false)
        };
        let steps = digest(&[sum, item(51, 3, 1, 700, false)], now());
        let summary =
            Step::Summary { incidents: vec![1, 2, 3], why: DelayReason::Late, since: now() - 9000 };
        assert_eq!(steps, [Step::SumUp { id: 51 }, Step::SumUp { id: 50 }, summary]);
    }

    #[test]
    fn what_is_no_alert_is_let_go_when_its_hold_ends() {
        let missed = Item { alert: None, is_start: false, ..held(item(7, 0, 0, 60, false)) };
        assert_eq!(digest(&[missed], now()), [Step::Tell { id: 7, is_start: false }]);
    }

    #[test]
    fn many_become_one_message() {
        let items: Vec<Item> = (1..=200).map(|n| held(item(n, n, 1, 600, n % 2 == 0))).collect();
        let steps = digest(&items, now());
        let summaries: Vec<&Step> =
            steps.iter().filter(|step| matches!(step, Step::Summary { .. })).collect();
        assert_eq!((steps.len(), summaries.len()), (201, 1));
    }
}
