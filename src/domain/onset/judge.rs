//! Judges how an outage began, from its evidence.

use super::{AT_ONCE, Correction, Gateway, Judgement, LayerLoss, Onset, Reason, Timing};
use crate::domain::observation::RIS_LIVE;
use crate::domain::time::HOUR;
use crate::domain::{Assessment, Evidence, FactKind, Layer, Reading, Seconds, Timestamp, Verdict};

/// The fall is over when nothing more was lost for this long: the slowest source that decides is
/// read half an hour after the fact.
const SETTLES: Seconds = HOUR;
/// A gateway that was lost more than this before the start is not part of the fall.
const BELONGS: Seconds = HOUR;
/// A layer held through the start if its newest value is at least this share of normal.
const STOOD: f64 = 0.8;
/// The number of corrections that are kept, the newest ones.
const CORRECTIONS: usize = 3;
/// The number of gateways that are kept. A source names fewer.
const GATEWAYS: usize = 16;

impl Onset {
    /// Updates the onset with the current evidence about an outage that began at `started_at`.
    /// `told` means that the outage has been reported already, so that a changed judgement is
    /// recorded as a correction.
    pub fn take(&mut self, evidence: &Evidence, started_at: Timestamp, told: bool) {
        let mut reasons = self.take_layers(&evidence.assessments);
        reasons.extend(self.take_gateways(evidence, started_at));
        let is_returning = matches!(evidence.verdict, Verdict::Returning | Verdict::Up);
        if self.returned_at.is_none() && is_returning {
            self.returned_at = Some(evidence.at);
        }
        if self.over_at.is_some() && reasons.is_empty() {
            return;
        }
        let judgement = self.judge();
        if told && self.judgement.is_corrected_by(judgement) {
            let because = reasons.first().copied().unwrap_or(Reason::Dated);
            self.corrections.push(Correction { at: evidence.at, was: self.judgement, because });
            let too_many = self.corrections.len().saturating_sub(CORRECTIONS);
            self.corrections.drain(..too_many);
        }
        self.judgement = judgement;
        let latest = self.layers.iter().map(|loss| loss.last);
        let latest = latest.chain(self.gateways.iter().filter_map(|gateway| gateway.gone_at)).max();
        let has_settled = latest.is_some_and(|latest| evidence.at - latest >= SETTLES);
        self.over_at = (self.returned_at.is_some() || has_settled).then_some(evidence.at);
    }

    /// Returns whether a loss at `at` is part of this fall.
    fn accepts(&self, at: Timestamp) -> bool {
        self.returned_at.is_none_or(|returned| at < returned)
    }

    /// Updates the layers. Returns the reasons that may change the judgement.
    fn take_layers(&mut self, assessments: &[Assessment]) -> Vec<Reason> {
        let mut reasons = Vec::new();
        for layer in Layer::ALL {
            let of = || assessments.iter().filter(move |a| a.layer == layer);
            let fell = || of().filter_map(|a| a.low_since);
            let known = self.layers.iter().position(|loss| loss.layer == layer);
            match (known, fell().min(), fell().max()) {
                (Some(at), Some(first), Some(last)) => {
                    let returned = self.returned_at;
                    let loss = &mut self.layers[at];
                    if returned.is_none() {
                        let is_back =
                            of().any(|a| a.back_since.is_some_and(|back| back > loss.first));
                        loss.first = if is_back { loss.first.min(first) } else { first };
                        loss.last =
                            if self.over_at.is_some() { loss.last.max(loss.first) } else { last };
                    }
                }
                (None, Some(first), Some(last)) if self.accepts(first) => {
                    self.layers.push(LayerLoss { layer, first, last });
                    reasons.push(Reason::LayerLost { layer, at: first });
                }
                (Some(at), None, _) => {
                    let first = self.layers[at].first;
                    let was_low = of().any(|a| a.back_since.is_some_and(|back| back > first));
                    if !was_low && of().any(Assessment::is_normal) {
                        self.layers.remove(at);
                        reasons.push(Reason::LayerStood { layer });
                    }
                }
                _ => {}
            }
        }
        self.layers.sort_by_key(|loss| loss.layer);
        let Some(began) = self.began() else { return reasons };
        let stood = |a: &&Assessment| {
            a.is_normal() && a.observed_at >= began && a.ratio().is_some_and(|share| share >= STOOD)
        };
        for assessment in assessments.iter().filter(stood) {
            if !self.stood.contains(&assessment.layer) {
                self.stood.push(assessment.layer);
            }
        }
        let layers = &self.layers;
        self.stood.retain(|layer| !layers.iter().any(|loss| loss.layer == *layer));
        reasons
    }

    /// Updates the gateways. Returns the reasons that may change the judgement.
    fn take_gateways(&mut self, evidence: &Evidence, started_at: Timestamp) -> Vec<Reason> {
        // The live routes are reported again only when they change. The newest report therefore
        // holds as long as the live signals are known.
        let is_live = |a: &&Assessment| {
            a.series.source == RIS_LIVE && !matches!(a.reading, Reading::Unknown { .. })
        };
        let live_until = evidence.assessments.iter().filter(is_live).map(|a| a.observed_at).max();
        for fact in &evidence.facts {
            if let FactKind::Gateway { asn, name, prefixes_seen: 1.., .. } = &fact.kind {
                let until =
                    live_until.filter(|_| fact.source == RIS_LIVE).unwrap_or(fact.observed_at);
                self.sees(*asn, name.as_ref(), fact.observed_at.max(until));
            }
        }
        let mut reasons = Vec::new();
        for fact in &evidence.facts {
            if let FactKind::Gateway { asn, name, prefixes_seen: 0, .. } = &fact.kind
                && fact.observed_at >= started_at - BELONGS
            {
                reasons.extend(self.misses(*asn, name.as_ref(), fact.observed_at));
            }
        }
        for fact in &evidence.facts {
            let FactKind::Withdrawn { gateways } = &fact.kind else { continue };
            for fall in gateways.iter().filter(|fall| fall.first >= started_at - BELONGS) {
                if self.accepts(fall.first)
                    && let Some(gateway) = self.gateways.iter_mut().find(|g| g.asn == fall.gateway)
                {
                    gateway.withdrawn = Some((fall.first, fall.last));
                }
            }
        }
        reasons
    }

    /// Notes that a gateway led to the entity at `at`.
    fn sees(&mut self, asn: u32, name: Option<&String>, at: Timestamp) {
        let has_room = self.gateways.len() < GATEWAYS;
        match self.gateways.iter_mut().find(|gateway| gateway.asn == asn) {
            // A route that comes back for a few minutes is still part of the fall.
            Some(Gateway { gone_at: Some(gone), .. }) if at - *gone <= 2 * AT_ONCE => {}
            Some(Gateway { gone_at: Some(_), .. }) => {
                self.returned_at = Some(self.returned_at.map_or(at, |returned| returned.min(at)));
            }
            Some(gateway) => gateway.seen_at = gateway.seen_at.max(Some(at)),
            None if has_room => {
                let name = name.cloned();
                self.gateways.push(Gateway {
                    asn,
                    name,
                    seen_at: Some(at),
                    gone_at: None,
                    withdrawn: None,
                });
            }
            None => {}
        }
    }

    /// Notes that a gateway no longer led to the entity at `at`. Returns the reason if this is a
    /// loss that was not known yet.
    fn misses(&mut self, asn: u32, name: Option<&String>, at: Timestamp) -> Option<Reason> {
        if !self.accepts(at) {
            return None;
        }
        let has_room = self.gateways.len() < GATEWAYS;
        match self.gateways.iter_mut().find(|gateway| gateway.asn == asn) {
            Some(gateway) if gateway.gone_at.is_some() || gateway.seen_at >= Some(at) => {
                return None;
            }
            Some(gateway) => gateway.gone_at = Some(at),
            None if has_room => {
                let name = name.cloned();
                self.gateways.push(Gateway {
                    asn,
                    name,
                    seen_at: None,
                    gone_at: Some(at),
                    withdrawn: None,
                });
            }
            None => return None,
        }
        Some(Reason::GatewayLost { asn, at })
    }

    /// Returns the judgement that follows from the layers and gateways lost so far.
    fn judge(&self) -> Judgement {
        let lost = |layer| self.lost(layer);
        let stood = |layer| self.stood.contains(&layer);
        let answers = [Layer::Reach, Layer::Dns, Layer::Web, Layer::Mail];
        let services = [Layer::Dns, Layer::Web, Layer::Mail];
        if lost(Layer::Routing) {
            return match self.gateways_gone() {
                Some(judgement) => judgement,
                None if answers.into_iter().any(lost) => Judgement::RoutesAndReach,
                None => Judgement::Unclear,
            };
        }
        let network_stood = stood(Layer::Routing) || stood(Layer::Reach);
        if lost(Layer::Reach) {
            return if stood(Layer::Routing) {
                Judgement::ReachBehindRoutes
            } else {
                Judgement::Unclear
            };
        }
        if services.into_iter().any(lost) {
            let is_alone = network_stood && !lost(Layer::Traffic);
            return if is_alone { Judgement::ServicesAlone } else { Judgement::Unclear };
        }
        if lost(Layer::Traffic) && network_stood {
            Judgement::TrafficAlone
        } else {
            Judgement::Unclear
        }
    }

    /// Returns the judgement that follows from the gateways, or `None` if one of them was not seen
    /// since the fall, or if there is only one.
    fn gateways_gone(&self) -> Option<Judgement> {
        let gone: Vec<&Gateway> = self.gateways.iter().filter(|g| g.gone_at.is_some()).collect();
        let fell = self.layers.iter().find(|loss| loss.layer == Layer::Routing)?.first;
        let last_gone = gone.iter().filter_map(|g| g.gone_at).max()?;
        let still_leads =
            |g: &&Gateway| g.gone_at.is_none() && g.seen_at >= Some(fell.max(last_gone));
        let standing = self.gateways.iter().filter(still_leads).count();
        match self.gateways.len() - gone.len() - standing {
            0 if standing > 0 => Some(Judgement::SomeGateways),
            0 if gone.len() > 1 => Some(Judgement::AllGateways(self.timing(&gone))),
            _ => None,
        }
    }

    /// Returns how far apart the lost gateways went, by the live routes if these are known for all.
    fn timing(&self, gone: &[&Gateway]) -> Timing {
        let named = |seconds: Seconds| {
            if seconds <= AT_ONCE { Timing::AtOnce } else { Timing::Apart(seconds) }
        };
        let live: Vec<_> = gone.iter().filter_map(|gateway| gateway.withdrawn).collect();
        if live.len() == gone.len() {
            let whole = live
                .iter()
                .map(|(_, last)| *last)
                .max()
                .zip(live.iter().map(|(first, _)| *first).min());
            return whole.map_or(Timing::Unknown, |(last, first)| named(last - first));
        }
        let seen_gone = || gone.iter().filter_map(|gateway| gateway.gone_at);
        let Some((first, last)) = seen_gone().min().zip(seen_gone().max()) else {
            return Timing::Unknown;
        };
        // Another gateway was still seen when the first one was gone.
        let was_seen_after = gone.iter().any(|gateway| gateway.seen_at >= Some(first));
        if was_seen_after {
            return named(last - first);
        }
        let routing = self.layers.iter().find(|loss| loss.layer == Layer::Routing);
        match routing {
            Some(loss) if loss.last - loss.first <= AT_ONCE => Timing::AtOnce,
            _ => Timing::Unknown,
        }
    }
}
