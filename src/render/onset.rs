//! Puts the onset of an outage into words: the order in which layers fell, the judgement on it, and
//! corrections of earlier judgements.

use super::outside::tame;
use super::words::{duration, listed, utc_time};
use crate::domain::onset::{AT_ONCE, Correction, Gateway, Judgement, Reason, Timing};
use crate::domain::time::MINUTE;
use crate::domain::{Assessment, Evidence, Layer, Onset, Seconds, Timestamp};

/// Returns a gateway's name: `China Unicom AS4837`.
pub fn gateway_name(asn: u32, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{} AS{asn}", tame(name, 40)),
        None => format!("AS{asn}"),
    }
}

/// Returns the judgement on the fall, in the past tense, since it does not describe the present. If
/// the sources disagree about the routes, it says so and draws no conclusion. Returns `None` if the
/// fall is unclear.
pub fn judged(onset: &Onset, assessments: &[Assessment]) -> Option<String> {
    if let Some(went) = first_loss(onset, &[Layer::Routing])
        && assessments.iter().any(|a| stood_through(a, went))
    {
        return Some("The sources disagree on whether the routes went.".to_owned());
    }
    let named = |gateways: &mut dyn Iterator<Item = &Gateway>| {
        listed(&gateways.map(|g| gateway_name(g.asn, g.name.as_deref())).collect::<Vec<_>>())
    };
    let gone = || onset.gateways.iter().filter(|gateway| gateway.gone_at.is_some());
    match onset.judgement {
        Judgement::Unclear => None,
        Judgement::AllGateways(timing) => Some(all_gateways(onset, gone().count(), timing)),
        Judgement::SomeGateways => Some(format!(
            "{} lost its routes{} while {} still led in: more like a lost link than a fault or a switch inside.",
            named(&mut gone()),
            moment(gone().filter_map(|gateway| gateway.gone_at).min()),
            named(&mut onset.gateways.iter().filter(|gateway| gateway.gone_at.is_none())),
        )),
        Judgement::RoutesAndReach => {
            let went = moment(first_loss(onset, &[Layer::Routing]));
            Some(format!("The routes went{went}, and what they led to stopped answering."))
        }
        Judgement::ReachBehindRoutes => Some(format!(
            "The routes stayed when much behind them stopped answering{}: more like power, or access that was \
             switched off inside, than a lost route.",
            moment(first_loss(onset, &[Layer::Reach]))
        )),
        Judgement::TrafficAlone => Some(format!(
            "Only traffic fell{}; the network itself stayed as usual.",
            moment(first_loss(onset, &[Layer::Traffic]))
        )),
        Judgement::ServicesAlone => Some(format!(
            "Services stopped working{} while the network stayed up: more like a fault of the services than a lost \
             line.",
            moment(first_loss(onset, &[Layer::Dns, Layer::Web, Layer::Mail]))
        )),
    }
}

/// Returns whether a routing signal stayed normal although another one fell at `went`.
fn stood_through(assessment: &Assessment, went: Timestamp) -> bool {
    assessment.layer == Layer::Routing
        && assessment.is_normal()
        && assessment.observed_at > went + AT_ONCE
        && assessment.back_since.is_none_or(|back| back <= went)
}

/// Returns a time with a preposition and a leading space: ` at 17:35 UTC`; empty without a time.
fn moment(at: Option<Timestamp>) -> String {
    at.map(|at| format!(" at {}", utc_time(at))).unwrap_or_default()
}

/// Returns when the first of these layers fell.
fn first_loss(onset: &Onset, layers: &[Layer]) -> Option<Timestamp> {
    onset.layers.iter().filter(|loss| layers.contains(&loss.layer)).map(|loss| loss.first).min()
}

fn all_gateways(onset: &Onset, gone: usize, timing: Timing) -> String {
    let (through, both) =
        if gone == 2 { ("both gateways", "both") } else { ("all gateways", "all of them") };
    let at = moment(
        onset
            .gateways
            .iter()
            .filter_map(|g| g.withdrawn.map(|(first, _)| first).or(g.gone_at))
            .min(),
    );
    match timing {
        Timing::AtOnce => format!(
            "The routes through {through} went{at}, within {}: more like a fault or a switch inside than one cut cable.",
            within(live_spread(onset).unwrap_or(AT_ONCE))
        ),
        Timing::Apart(seconds) => format!(
            "The routes through {through} went, the first{at} and the last {} later: one cut cable does not explain \
             {both}.",
            duration(seconds)
        ),
        Timing::Unknown => {
            format!(
                "The routes through {through} went; how far apart is not known. One cut cable does not explain {both}."
            )
        }
    }
}

/// Returns the time from the first to the last withdrawal; `None` unless the loss of every lost
/// gateway was seen live.
fn live_spread(onset: &Onset) -> Option<Seconds> {
    let gone = onset.gateways.iter().filter(|gateway| gateway.gone_at.is_some());
    let live: Vec<_> = gone.map(|gateway| gateway.withdrawn).collect::<Option<_>>()?;
    let first = live.iter().map(|(first, _)| *first).min()?;
    Some(live.iter().map(|(_, last)| *last).max()? - first)
}

/// Returns a length of time in words, rounded up to minutes: `a minute`, `two minutes`, `5 min`.
pub fn within(seconds: Seconds) -> String {
    match seconds {
        seconds if seconds <= MINUTE => "a minute".to_owned(),
        seconds if seconds <= 2 * MINUTE => "two minutes".to_owned(),
        seconds => duration(seconds + MINUTE - 1 - (seconds - 1).rem_euclid(MINUTE)),
    }
}

/// Returns each published judgement that no longer holds, with the reason, a line each.
pub fn corrections(evidence: &Evidence) -> Option<String> {
    let onset = evidence.onset.as_ref()?;
    let line = |correction: &Correction| {
        format!(
            "until {} the reading was “{}”; {}.",
            utc_time(correction.at),
            in_short(correction.was),
            reason(onset, correction.because)
        )
    };
    (!onset.corrections.is_empty())
        .then(|| onset.corrections.iter().map(line).collect::<Vec<_>>().join("\n"))
}

fn in_short(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Unclear => "not clear yet",
        Judgement::AllGateways(Timing::AtOnce) => {
            "all gateways at once: more like a fault or a switch inside than one cut cable"
        }
        Judgement::AllGateways(Timing::Apart(_) | Timing::Unknown) => {
            "all gateways, not at once: one cut cable does not explain it"
        }
        Judgement::SomeGateways => {
            "a gateway is gone and another still leads in: more like a lost link than a fault or a switch inside"
        }
        Judgement::RoutesAndReach => "the routes went, and what they led to",
        Judgement::ReachBehindRoutes => {
            "the routes stayed while much behind them stopped answering: more like power or a switch inside"
        }
        Judgement::TrafficAlone => "only traffic fell",
        Judgement::ServicesAlone => "only services fell, the network stayed up",
    }
}

fn reason(onset: &Onset, because: Reason) -> String {
    match because {
        Reason::GatewayLost { asn, at } => {
            let name = onset
                .gateways
                .iter()
                .find(|gateway| gateway.asn == asn)
                .and_then(|g| g.name.as_deref());
            format!("{} went as well, at {}", gateway_name(asn, name), utc_time(at))
        }
        Reason::LayerLost { layer, at } => format!("{layer} fell as well, at {}", utc_time(at)),
        Reason::LayerStood { layer } => format!("revised data show that {layer} did not fall"),
        Reason::Dated => "later data date the fall otherwise".to_owned(),
    }
}

/// Returns the order in which all lost layers fell: `web at 17:34 UTC; routing and dns 1 min
/// later`.
pub fn order_of_fall(evidence: &Evidence) -> Option<String> {
    match &evidence.onset {
        Some(onset) => in_order(onset.layers.iter().map(|loss| (loss.first, loss.layer))),
        // An older version has stored the evidence.
        None => in_order(evidence.assessments.iter().filter_map(|a| Some((a.low_since?, a.layer)))),
    }
}

/// Returns the order in which the layers came back from an outage that began at `started_at`.
pub fn order_of_return(evidence: &Evidence, started_at: Timestamp) -> Option<String> {
    let back = evidence.assessments.iter().filter_map(|a| Some((a.back_since?, a.layer)));
    in_order(back.filter(|(back, _)| *back > started_at))
}

/// Returns the first time of each layer, earliest first, with layers of the same time together.
fn in_order(moments: impl Iterator<Item = (Timestamp, Layer)>) -> Option<String> {
    let mut moments: Vec<_> = moments.collect();
    moments.sort_unstable();
    let mut seen: Vec<Layer> = Vec::new();
    moments.retain(|(_, layer)| {
        let is_first = !seen.contains(layer);
        seen.push(*layer);
        is_first
    });
    let first = moments.first()?.0;
    let said = moments.chunk_by(|a, b| a.0 == b.0).map(|same| {
        let layers = listed(&same.iter().map(|(_, layer)| layer.to_string()).collect::<Vec<_>>());
        let at = same.first().map_or(first, |(at, _)| *at);
        if at == first {
            format!("{layers} at {}", utc_time(at))
        } else {
            format!("{layers} {} later", duration(at - first))
        }
    });
    Some(said.collect::<Vec<_>>().join("; "))
}
