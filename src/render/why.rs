//! Renders the answer to "why this alert?" and "why no alert?": the value, normal and evidence of
//! each signal, and the rules with their thresholds.

use super::card::{Card, Row};
use super::measure::{measured, of_part, source_name, why_unknown};
use super::status::tone;
use super::words::{duration, listed, number, utc_time};
use crate::domain::lookup::display_name;
use crate::domain::observation::PROBE;
use crate::domain::{
    Explanation, Forbidden, Part, Phase, Reading, Rule, Series, SignalReport, Tested, Timestamp,
    Verdict,
};
use chrono_tz::Tz;
use std::sync::Arc;

/// Renders an explanation. `zone` is the time zone of the entity.
pub fn why(explanation: &Explanation, zone: Tz, now: Timestamp) -> Card {
    let name = display_name(&explanation.entity);
    let line = super::card::Line::from(format!("{} · ", title(explanation, &name)));
    let mut card =
        Card::titled(line.at(explanation.at, zone, now)).toned(tone(explanation.verdict));
    card.rows = rows(explanation);
    if explanation.signals.is_empty() {
        card.note("Evidence", "no signal of it was measured by then");
        return card;
    }
    card.note("Evidence", evidence(explanation).join("\n"));
    card.note(
        if explanation.met().is_some() { "Told by" } else { "Rules" },
        rules(explanation).join("\n"),
    );
    if let Some((phase, since)) = explanation.open {
        card.note("Open", open(phase, since, explanation.at));
    }
    card.foot.push(UNIT.to_owned());
    card
}

const UNIT: &str = "Evidence is summed up in natural-log units: 2.3 is ten to one, 4.6 a hundred to one, 20 the most a signal can say.";

fn title(explanation: &Explanation, name: &str) -> String {
    match (explanation.verdict, explanation.met()) {
        (Verdict::Down, _) => format!("🔴 Why {name} is told as down"),
        (Verdict::Returning, _) => format!("🟡 Why {name} is told as coming back"),
        (Verdict::Suspected, _) => format!("🟠 Why {name} is only suspected"),
        (Verdict::Up, _) => format!("🟢 Why there is no alert of {name}"),
        (Verdict::Unknown, _) => format!("⚪ Why nothing can be said of {name}"),
    }
}

fn rows(explanation: &Explanation) -> Vec<Row> {
    let mut last = None;
    let row = |said: &SignalReport| {
        let assessment = &said.assessment;
        let series = &assessment.series;
        let name = of_part(
            &explanation.entity,
            &series.entity,
            source_name(&series.source, &series.signal),
        );
        let layer = if last == Some(assessment.layer) {
            String::new()
        } else {
            assessment.layer.to_string()
        };
        last = Some(assessment.layer);
        let normal = assessment.normal.map(|normal| match said.usual_low {
            Some(low) => format!("normal {}, usual from {}", number(normal), number(low)),
            None => format!("normal {}", number(normal)),
        });
        Row {
            layer,
            measured: measured(assessment, None),
            source: name,
            normal: normal.unwrap_or_else(|| "no normal yet".to_owned()),
            at: if assessment.observed_at.unix() > 0 {
                utc_time(assessment.observed_at)
            } else {
                "never".to_owned()
            },
        }
    };
    explanation.signals.iter().map(row).collect()
}

/// Returns a sentence for each signal that is not simply up, and one for all those that are.
fn evidence(explanation: &Explanation) -> Vec<String> {
    let mut lines = Vec::new();
    let mut up = Vec::new();
    for said in &explanation.signals {
        let name = signal(explanation, &said.assessment.series);
        let sum = number_of(said.evidence);
        lines.push(match &said.part {
            Part::Up => {
                up.push(name);
                continue;
            }
            Part::Unheard => match said.assessment.reading {
                Reading::Unknown { why } => {
                    format!("{name}: not judged, {}", why_unknown(why, said.assessment.observed_at))
                }
                Reading::Normal | Reading::Low => format!("{name}: not judged"),
            },
            Part::TooLittle { needed } => {
                format!(
                    "{name}: {sum}, which is too little: it scatters so much that it counts from {}",
                    number_of(*needed)
                )
            }
            Part::WaitsForOthers => {
                format!("{name}: {sum}, but waits for the word of others, lest it be the source or our own line")
            }
            Part::OfAnEarlierOutage => format!("{name}: {sum}, left of an outage that is over"),
            Part::SpokenForBy { series } => {
                format!("{name}: {sum}, the same witness as {}, which speaks for both", signal(explanation, series))
            }
            Part::Counts => format!("{name}: {}, counts", number_of(said.counts)),
        });
    }
    if !up.is_empty() {
        lines.push(format!("{}: nothing is missing", listed(&up)));
    }
    lines
}

fn rules(explanation: &Explanation) -> Vec<String> {
    if let Some(met) = explanation.met() {
        return vec![rule(explanation, met)];
    }
    if explanation.rules.is_empty() {
        return vec!["no signal has 3.4 (30 to 1), so no rule is even tried".to_owned()];
    }
    explanation.rules.iter().map(|tested| rule(explanation, tested)).collect()
}

/// Returns a rule with its evidence and threshold: `two witnesses that agree: IODA BGP and RIPE RIS
/// have 9.2 together, it takes 7.2`.
fn rule(explanation: &Explanation, tested: &Tested) -> String {
    let by =
        listed(&tested.by.iter().map(|series| signal(explanation, series)).collect::<Vec<_>>());
    let (has, needs) = (number_of(tested.has), number_of(tested.needs));
    let said = match tested.rule {
        Rule::TwoAgree => {
            format!("two witnesses that agree: {by} have {has} together, it takes {needs}")
        }
        Rule::OneIsSureAndAnotherLeans => {
            format!(
                "one that is sure and another that leans: of {by} the other has {has}, it takes {needs}"
            )
        }
        Rule::AloneAndSure => format!("one alone that is sure: {by} has {has}, it takes {needs}"),
        Rule::ServicesAlone => {
            format!("services alone, the network being up: {by} has {has}, it takes {needs}")
        }
        Rule::SilentBehindWholeRoutes => {
            format!("silent for hours behind whole routes: {by} has {has}, it takes {needs}")
        }
    };
    match &tested.forbidden {
        None => said,
        Some(Forbidden::Contradicted { by }) => {
            let by =
                listed(&by.iter().map(|series| signal(explanation, series)).collect::<Vec<_>>());
            format!("{said}; not with {by} heard beside it")
        }
        Some(Forbidden::NotComparable) => {
            format!("{said}; not without other entities to compare it with")
        }
        Some(Forbidden::PeopleAlone) => {
            format!("{said}; not for what people do: they have holidays")
        }
        Some(Forbidden::TooShort { lasted, needed }) => {
            format!("{said}; not after {}, it takes {}", duration(*lasted), duration(*needed))
        }
    }
}

fn open(phase: Phase, since: Timestamp, at: Timestamp) -> String {
    format!("an incident, {phase}, for {}", duration(at - since))
}

/// Returns the name of a signal: `IODA BGP`, `IODA BGP of AS131279`, `own probes (dns)`.
fn signal(explanation: &Explanation, series: &Arc<Series>) -> String {
    let mut name = source_name(&series.source, &series.signal);
    if series.source == PROBE {
        name = format!("{name} ({})", series.signal);
    }
    if series.entity == explanation.entity {
        name
    } else {
        format!("{name} of {}", display_name(&series.entity))
    }
}

fn number_of(evidence: f32) -> String {
    format!("{evidence:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Assessment, Unknown};

    fn said(
        source: &str,
        signal: &str,
        reading: Reading,
        evidence: f32,
        part: Part,
    ) -> SignalReport {
        let series = Series {
            entity: "country/KP".parse().unwrap(),
            source: source.into(),
            signal: signal.into(),
        };
        let assessment = Assessment {
            layer: series.layer(),
            series: Arc::new(series),
            reading,
            value: Some(1.0),
            normal: Some(4.0),
            observed_at: Timestamp::parse("2025-06-06 17:30").unwrap(),
            step: 300,
            low_since: None,
            back_since: None,
            weight: f64::from(evidence),
        };
        SignalReport { assessment, usual_low: Some(3.0), evidence, counts: evidence, part }
    }

    fn explained(signals: Vec<SignalReport>, rules: Vec<Tested>) -> String {
        let at = Timestamp::parse("2025-06-06 18:00").unwrap();
        let entity = "country/KP".parse().unwrap();
        let explanation =
            Explanation { entity, at, verdict: Verdict::Suspected, open: None, signals, rules };
        let card = why(&explanation, Tz::UTC, at);
        card.notes
            .iter()
            .map(|note| format!("{}: {}", note.label, note.text))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn each_reason_that_keeps_a_signal_or_a_rule_from_counting_is_said() {
        let bgp = said("ioda", "bgp", Reading::Low, 9.2, Part::Counts);
        let series = Arc::clone(&bgp.assessment.series);
        let ping = said("ioda", "ping-slash24", Reading::Normal, 0.0, Part::Up);
        let heard = Arc::clone(&ping.assessment.series);
        let tested = |rule, forbidden| Tested {
            rule,
            by: vec![Arc::clone(&series)],
            has: 9.2,
            needs: 7.5,
            forbidden,
        };
        let signals = vec![
            bgp.clone(),
            ping,
            said("ioda", "merit-nt", Reading::Normal, 2.1, Part::TooLittle { needed: 5.0 }),
            said(
                "radar",
                "netflow",
                Reading::Low,
                4.6,
                Part::SpokenForBy { series: Arc::clone(&series) },
            ),
            said("ripestat", "visibility", Reading::Low, 4.6, Part::WaitsForOthers),
            said("probe", "http", Reading::Unknown { why: Unknown::Uplink }, 0.0, Part::Unheard),
            said("probe", "dns", Reading::Low, 3.0, Part::OfAnEarlierOutage),
        ];
        let rules = vec![
            tested(Rule::AloneAndSure, Some(Forbidden::Contradicted { by: vec![heard] })),
            tested(Rule::AloneAndSure, Some(Forbidden::NotComparable)),
            tested(
                Rule::SilentBehindWholeRoutes,
                Some(Forbidden::TooShort { lasted: 3600, needed: 10_800 }),
            ),
            tested(Rule::SilentBehindWholeRoutes, Some(Forbidden::PeopleAlone)),
        ];
        insta::assert_snapshot!(explained(signals, rules), @"
        Evidence: IODA BGP: 9.2, counts
        IODA telescope: 2.1, which is too little: it scatters so much that it counts from 5.0
        Cloudflare Radar: 4.6, the same witness as IODA BGP, which speaks for both
        RIPE RIS: 4.6, but waits for the word of others, lest it be the source or our own line
        own probes (http): not judged, our own connection is in doubt
        own probes (dns): 3.0, left of an outage that is over
        IODA probing: nothing is missing
        Rules: one alone that is sure: IODA BGP has 9.2, it takes 7.5; not with IODA probing heard beside it
        one alone that is sure: IODA BGP has 9.2, it takes 7.5; not without other entities to compare it with
        silent for hours behind whole routes: IODA BGP has 9.2, it takes 7.5; not after 1 h, it takes 3 h
        silent for hours behind whole routes: IODA BGP has 9.2, it takes 7.5; not for what people do: they have holidays
        ");
    }

    #[test]
    fn a_rule_that_is_met_is_the_only_one_that_is_named() {
        let bgp = said("ioda", "bgp", Reading::Low, 9.2, Part::Counts);
        let by = vec![Arc::clone(&bgp.assessment.series)];
        let met =
            Tested { rule: Rule::TwoAgree, by: by.clone(), has: 13.8, needs: 7.2, forbidden: None };
        let other = Tested {
            rule: Rule::AloneAndSure,
            by,
            has: 9.2,
            needs: 7.5,
            forbidden: Some(Forbidden::NotComparable),
        };
        let text = explained(vec![bgp], vec![other, met]);
        assert!(
            text.contains(
                "Told by: two witnesses that agree: IODA BGP have 13.8 together, it takes 7.2"
            ),
            "{text}"
        );
        assert!(!text.contains("alone"), "{text}");
    }

    #[test]
    fn where_nothing_was_measured_nothing_is_reckoned() {
        assert_eq!(explained(vec![], vec![]), "Evidence: no signal of it was measured by then");
    }
}
