//! Judges by the answers of the controls whether Linkdown's own uplink works. Does no I/O.
//!
//! Controls are well-known hosts, such as root name servers. Each check asks a few controls of
//! different operators, and each control is normally asked at most once a minute. If one control
//! fails alone, the fault is its own; if several fail together, the fault is the uplink's.

use crate::clock::Millis;
use crate::domain::{Control, UplinkState};
use std::collections::VecDeque;

/// Checks that are remembered: about two minutes of them.
const REMEMBERED: usize = 12;
/// From this share of lost first attempts on, losses of probes prove little about their targets.
const LOSSY: f32 = 0.2;
/// The fewest attempts for which a share of losses is meaningful, and the number of checks they are
/// counted over: the checks of one round.
const ENOUGH_ATTEMPTS: usize = 9;
const LOSSY_LOOKS: usize = 4;
/// From this share of silent operators on, a part of the internet is unreachable from here.
const PART: f32 = 0.3;
/// The wall clock has jumped if it and the monotonic clock drift apart by more than this between
/// two checks.
const JUMP: Millis = 5_000;

/// The answer of one control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The index of the control in the list of controls.
    pub control: usize,
    /// The answer, after a second attempt if the first was lost.
    pub said: ControlAnswer,
    /// Whether the first attempt was answered.
    pub at_once: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
/// The kinds of answer that a control can give.
pub enum ControlAnswer {
    /// The expected answer.
    Right,
    /// Another answer, described in words: something answers in place of the control.
    Wrong(String),
    /// No answer, or an error of the socket.
    Nothing,
    /// This machine has no route to the control.
    NoRoute,
}

/// One check: the answers of some of the controls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlCheck {
    /// When the check ended, by the monotonic clock.
    pub at: Millis,
    /// The same moment by the wall clock, in milliseconds since 1970.
    pub wall: Millis,
    /// One answer for each control that was asked.
    pub answers: Vec<Answer>,
}

/// The judgement about the uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// The state of the uplink.
    pub line: UplinkState,
    /// The reason in words, for the operator.
    pub why: String,
    /// Whether IPv6 works here. If not, results over IPv6 prove nothing.
    pub v6: bool,
}

/// The most recent checks, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    looks: VecDeque<ControlCheck>,
}

impl Looks {
    /// Adds a check, and forgets the oldest one beyond the limit.
    pub fn add(&mut self, look: ControlCheck, controls: &[Control]) {
        // Losses from the time of an outage prove nothing about the uplink after it.
        if self.looks.back().is_some_and(|before| is_gone(before, controls))
            && !is_gone(&look, controls)
        {
            self.looks.clear();
        }
        self.looks.push_back(look);
        if self.looks.len() > REMEMBERED {
            self.looks.pop_front();
        }
    }

    /// Returns the newest answer of each control, newest check first.
    fn newest(&self) -> Vec<&Answer> {
        let mut newest: Vec<&Answer> = Vec::new();
        for answer in self.looks.iter().rev().flat_map(|look| &look.answers) {
            if newest.iter().all(|known| known.control != answer.control) {
                newest.push(answer);
            }
        }
        newest
    }

    /// Judges the uplink. The newest check alone decides whether it is gone; earlier checks count
    /// too for whether it is lossy or reaches only a part of the internet.
    pub fn judge(&self, controls: &[Control]) -> Uplink {
        let Some(newest) = self.looks.back() else {
            return Uplink {
                line: UplinkState::Doubtful,
                why: "no control was asked yet".to_owned(),
                v6: false,
            };
        };
        let is_v6 = |answer: &Answer| controls[answer.control].is_v6();
        let known = self.newest();
        let v6 = known.iter().any(|answer| is_v6(answer) && answer.said == ControlAnswer::Right);
        let of_v4: Vec<&Answer> = newest.answers.iter().filter(|answer| !is_v6(answer)).collect();
        let judged = |line, why: String| Uplink { line, why, v6 };
        if let Some(jumped) = self.jumped() {
            return judged(
                UplinkState::Doubtful,
                format!("the clock jumped by {} s", jumped / 1000),
            );
        }
        if let Some((answer, said)) = of_v4.iter().find_map(|answer| match &answer.said {
            ControlAnswer::Wrong(said) => Some((answer, said)),
            _ => None,
        }) {
            let operator = &controls[answer.control].operator;
            return judged(
                UplinkState::Doubtful,
                format!("somebody answers in place of {operator}: {said}"),
            );
        }
        if is_gone(newest, controls) {
            let no_route = of_v4.iter().all(|answer| answer.said == ControlAnswer::NoRoute);
            let why =
                if no_route { "no route leads out of this machine" } else { "no control answers" };
            return judged(UplinkState::Gone, why.to_owned());
        }
        let lost = self.lost_share(controls);
        if lost >= LOSSY {
            return judged(
                UplinkState::Doubtful,
                format!("{:.0} % of what the controls are asked is lost", lost * 100.0),
            );
        }
        let unanswered = operators(
            controls,
            known.iter().copied().filter(|a| !is_v6(a) && a.said != ControlAnswer::Right),
        );
        let answering = operators(
            controls,
            known.iter().copied().filter(|a| !is_v6(a) && a.said == ControlAnswer::Right),
        );
        let silent: Vec<&str> =
            unanswered.into_iter().filter(|operator| !answering.contains(operator)).collect();
        if silent.len() > 1 && silent.len() as f32 >= PART * (silent.len() + answering.len()) as f32
        {
            return judged(
                UplinkState::Doubtful,
                format!("a part is not reached from here: {}", silent.join(", ")),
            );
        }
        let asked_v6 =
            known.iter().any(|answer| is_v6(answer) && answer.said != ControlAnswer::NoRoute);
        let without = if asked_v6 && !v6 { "; over IPv6 no control answers" } else { "" };
        judged(
            UplinkState::Good,
            format!(
                "{} of {} operators answer{without}",
                answering.len(),
                answering.len() + silent.len()
            ),
        )
    }

    /// Returns by how many milliseconds the wall clock left the monotonic one since the previous
    /// check, if that is a jump.
    fn jumped(&self) -> Option<Millis> {
        let mut last = self.looks.iter().rev();
        let (newest, before) = (last.next()?, last.next()?);
        let jumped = (newest.wall - before.wall) - (newest.at - before.at);
        (jumped.abs() > JUMP).then_some(jumped)
    }

    /// Returns the share of first attempts that were lost recently. One bad check is the edge of an
    /// outage, not a lossy uplink, so losses must show in two checks.
    fn lost_share(&self, controls: &[Control]) -> f32 {
        let newest = || self.looks.iter().rev().take(LOSSY_LOOKS);
        // A control that never answers has a fault of its own; a lost attempt of one that does
        // answer counts against the uplink.
        let counts = |answer: &&Answer| {
            let of_it = || {
                self.looks
                    .iter()
                    .flat_map(|look| &look.answers)
                    .filter(|a| a.control == answer.control)
            };
            !controls[answer.control].is_v6()
                && (of_it().count() < 2 || of_it().any(|a| a.said == ControlAnswer::Right))
        };
        let lost = |look: &ControlCheck| {
            look.answers.iter().filter(counts).filter(|answer| !answer.at_once).count()
        };
        let all: usize = newest().map(|look| look.answers.iter().filter(counts).count()).sum();
        let bad_looks = newest().filter(|look| lost(look) > 0).count();
        if all < ENOUGH_ATTEMPTS || bad_looks < 2 {
            return 0.0;
        }
        newest().map(lost).sum::<usize>() as f32 / all as f32
    }
}

/// Returns whether controls were asked over IPv4 and none of them answered.
fn is_gone(look: &ControlCheck, controls: &[Control]) -> bool {
    let mut of_v4 =
        look.answers.iter().filter(|answer| !controls[answer.control].is_v6()).peekable();
    of_v4.peek().is_some()
        && of_v4
            .all(|answer| matches!(answer.said, ControlAnswer::Nothing | ControlAnswer::NoRoute))
}

/// Returns the operators behind the answers, sorted and without repetition.
fn operators<'a>(
    controls: &'a [Control],
    answers: impl Iterator<Item = &'a Answer>,
) -> Vec<&'a str> {
    let mut operators: Vec<&str> =
        answers.map(|answer| controls[answer.control].operator.as_str()).collect();
    operators.sort_unstable();
    operators.dedup();
    operators
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Ask;

    fn controls() -> Vec<Control> {
        let of = |operator: &str, address: &str| Control {
            operator: operator.to_owned(),
            place: "anycast".to_owned(),
            ask: Ask::Root { server: address.parse().unwrap() },
        };
        vec![
            of("Cloudflare", "1.1.1.1:53"),
            of("Google", "8.8.8.8:53"),
            of("Quad9", "9.9.9.9:53"),
            of("Verisign", "198.41.0.4:53"),
            of("RIPE NCC", "193.0.14.129:53"),
            of("WIDE", "202.12.27.33:53"),
            of("Cloudflare", "[2606:4700:4700::1111]:53"),
            of("WIDE", "[2001:dc3::35]:53"),
        ]
    }

    /// Judges checks 15 s apart, each of all controls. `said` gives the answer for a control's
    /// index and a check's.
    fn judge(looks: usize, said: impl Fn(usize, usize) -> ControlAnswer) -> Uplink {
        let controls = controls();
        let mut all = Looks::default();
        for look in 0..looks {
            let at = look as Millis * 15_000;
            let answers = (0..controls.len()).map(|control| {
                let said = said(control, look);
                Answer { control, at_once: said == ControlAnswer::Right, said }
            });
            all.add(ControlCheck { at, wall: at, answers: answers.collect() }, &controls);
        }
        all.judge(&controls)
    }

    #[test]
    fn a_line_on_which_everybody_answers_is_good() {
        let uplink = judge(4, |_, _| ControlAnswer::Right);
        assert_eq!((uplink.line, uplink.v6), (UplinkState::Good, true));
        assert_eq!(uplink.why, "6 of 6 operators answer");
    }

    #[test]
    fn one_control_that_is_silent_has_a_bad_day_of_its_own() {
        assert_eq!(
            judge(8, |control, _| if control == 2 {
                ControlAnswer::Nothing
            } else {
                ControlAnswer::Right
            })
            .line,
            UplinkState::Good
        );
    }

    #[test]
    fn nobody_answering_is_a_line_that_is_gone_at_once_and_back_at_once() {
        let cut = |look: usize| look == 5;
        let gone = judge(
            6,
            |_, look| if cut(look) { ControlAnswer::Nothing } else { ControlAnswer::Right },
        );
        assert_eq!((gone.line, gone.why.as_str()), (UplinkState::Gone, "no control answers"));
        let back = judge(
            7,
            |_, look| if cut(look) { ControlAnswer::Nothing } else { ControlAnswer::Right },
        );
        assert_eq!(back.line, UplinkState::Good);
        assert_eq!(
            judge(1, |_, _| ControlAnswer::NoRoute).why,
            "no route leads out of this machine"
        );
    }

    #[test]
    fn a_third_of_what_is_asked_being_lost_is_doubtful() {
        let lossy = |control: usize, look: usize| {
            if (control + look).is_multiple_of(3) {
                ControlAnswer::Nothing
            } else {
                ControlAnswer::Right
            }
        };
        let uplink = judge(8, lossy);
        assert_eq!(uplink.line, UplinkState::Doubtful);
        assert_eq!(uplink.why, "33 % of what the controls are asked is lost");
        let once = judge(
            8,
            |control, look| if look == 5 { lossy(control, look) } else { ControlAnswer::Right },
        );
        assert_eq!(once.line, UplinkState::Good, "one bad look is an edge");
    }

    #[test]
    fn a_part_of_the_internet_that_is_not_reached_is_named() {
        let uplink = judge(8, |control, _| {
            if matches!(control, 4 | 5) { ControlAnswer::Nothing } else { ControlAnswer::Right }
        });
        assert_eq!(uplink.line, UplinkState::Doubtful, "{}", uplink.why);
        assert_eq!(uplink.why, "a part is not reached from here: RIPE NCC, WIDE");
    }

    #[test]
    fn a_portal_or_a_resolver_that_lies_is_told_by_its_answer() {
        let uplink = judge(1, |control, _| {
            if control == 0 {
                ControlAnswer::Wrong("10.0.0.1".into())
            } else {
                ControlAnswer::Right
            }
        });
        assert_eq!(uplink.line, UplinkState::Doubtful);
        assert_eq!(uplink.why, "somebody answers in place of Cloudflare: 10.0.0.1");
    }

    #[test]
    fn without_ipv6_only_what_is_asked_over_it_is_unknown() {
        let uplink =
            judge(
                4,
                |control, _| {
                    if control > 5 { ControlAnswer::Nothing } else { ControlAnswer::Right }
                },
            );
        assert_eq!((uplink.line, uplink.v6), (UplinkState::Good, false));
        assert_eq!(uplink.why, "6 of 6 operators answer; over IPv6 no control answers");
    }

    #[test]
    fn a_clock_that_jumps_is_our_own_fault_for_one_look() {
        let controls = controls();
        let mut looks = Looks::default();
        let answer = |control| Answer { control, said: ControlAnswer::Right, at_once: true };
        for (at, wall) in [(0, 0), (15_000, 7_215_000), (30_000, 7_230_000)] {
            looks.add(ControlCheck { at, wall, answers: (0..6).map(answer).collect() }, &controls);
            let uplink = looks.judge(&controls);
            assert_eq!(uplink.line == UplinkState::Doubtful, at == 15_000, "{}", uplink.why);
        }
    }
}
