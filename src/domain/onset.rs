//! The onset of an outage: which layers and gateways were lost, in which order and when, and the
//! judgement that follows. The judgement is updated while the outage deepens, and is frozen once
//! the fall is over.

mod judge;

use super::{Layer, Seconds, Timestamp};
use serde::{Deserialize, Serialize};

/// Losses at most this far apart count as simultaneous: the width of a BGP bin.
pub const AT_ONCE: Seconds = 300;

/// The beginning of one outage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Onset {
    /// The layers that fell, sorted by layer.
    pub layers: Vec<LayerLoss>,
    /// The layers that were measured as usual after the start and did not fall.
    pub stood: Vec<Layer>,
    /// The networks that lead to the entity, in the order in which they were first reported.
    pub gateways: Vec<Gateway>,
    /// The kind of fall, as far as is known now.
    pub judgement: Judgement,
    /// Changes of the judgement after something had been reported, oldest first.
    pub corrections: Vec<Correction>,
    /// When a first part of the outage was seen to be back. Later losses belong to another fall.
    pub returned_at: Option<Timestamp>,
    /// When the fall was found to be over. From then on the judgement is frozen. Only a further
    /// loss, or revised data about the fall, reopens it.
    pub over_at: Option<Timestamp>,
}

/// A layer that fell. A signal falls at the start of its first low bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerLoss {
    /// The layer that fell.
    pub layer: Layer,
    /// When the first of its signals fell.
    pub first: Timestamp,
    /// When the last of its signals fell.
    pub last: Timestamp,
}

/// A neighbouring network through which the entity is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// The neighbour's AS number.
    pub asn: u32,
    /// The neighbour's name, if a source reported it.
    pub name: Option<String>,
    /// When it was last seen to lead to the entity, before its loss.
    pub seen_at: Option<Timestamp>,
    /// When it was first seen not to lead to the entity any more.
    pub gone_at: Option<Timestamp>,
    /// When the first and the last of its peers lost their route, if that was seen live.
    pub withdrawn: Option<(Timestamp, Timestamp)>,
}

/// The kind of fall, judged from the layers and gateways that were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Too little is known about the order of the losses.
    #[default]
    Unclear,
    /// The routes through every gateway were lost.
    AllGateways(Timing),
    /// Some gateways were lost while others still led to the entity.
    SomeGateways,
    /// Routes, and hosts or services behind them, were lost. The gateways are not known.
    RoutesAndReach,
    /// Hosts stopped answering while the routes stayed.
    ReachBehindRoutes,
    /// Only the traffic of people fell.
    TrafficAlone,
    /// Only services (DNS, web, mail) fell.
    ServicesAlone,
}

/// The time between the losses of the gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// At most [`AT_ONCE`] apart.
    AtOnce,
    /// The seconds from the first loss to the last.
    Apart(Seconds),
    /// The times of the losses are not known well enough.
    Unknown,
}

/// A judgement that was reported and no longer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// When it was changed.
    pub at: Timestamp,
    /// The earlier judgement.
    pub was: Judgement,
    /// The cause of the change.
    pub because: Reason,
}

/// The reason for a changed judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A further gateway was lost.
    GatewayLost {
        /// The gateway's AS number.
        asn: u32,
        /// When it was lost.
        at: Timestamp,
    },
    /// A further layer was lost.
    LayerLost {
        /// The layer that was lost.
        layer: Layer,
        /// When its first signal fell.
        at: Timestamp,
    },
    /// Revised data show that the layer did not fall.
    LayerStood {
        /// The layer that held.
        layer: Layer,
    },
    /// Later data give other times for the fall.
    Dated,
}

impl Judgement {
    /// Returns whether `next` contradicts this judgement, and does not only add to it.
    fn is_corrected_by(self, next: Self) -> bool {
        match (self, next) {
            (Self::Unclear, _)
            | (Self::RoutesAndReach, Self::AllGateways(_) | Self::SomeGateways) => false,
            (Self::AllGateways(was), Self::AllGateways(now)) => {
                was != Timing::Unknown
                    && std::mem::discriminant(&was) != std::mem::discriminant(&now)
            }
            _ => self != next,
        }
    }
}

impl Onset {
    /// Returns when the first layer fell, or `None` if none has fallen.
    pub fn began(&self) -> Option<Timestamp> {
        self.layers.iter().map(|loss| loss.first).min()
    }

    /// Returns whether the layer is among those that fell.
    pub fn lost(&self, layer: Layer) -> bool {
        self.layers.iter().any(|loss| loss.layer == layer)
    }

    /// Applies `right` to every instant, after the clock was found to have been ahead.
    pub fn move_back(&mut self, right: impl Fn(Timestamp) -> Timestamp) {
        for loss in &mut self.layers {
            (loss.first, loss.last) = (right(loss.first), right(loss.last));
        }
        for gateway in &mut self.gateways {
            gateway.seen_at = gateway.seen_at.map(&right);
            gateway.gone_at = gateway.gone_at.map(&right);
            gateway.withdrawn = gateway.withdrawn.map(|(first, last)| (right(first), right(last)));
        }
        for correction in &mut self.corrections {
            correction.at = right(correction.at);
            match &mut correction.because {
                Reason::GatewayLost { at, .. } | Reason::LayerLost { at, .. } => *at = right(*at),
                Reason::LayerStood { .. } | Reason::Dated => {}
            }
        }
        self.returned_at = self.returned_at.map(&right);
        self.over_at = self.over_at.map(&right);
    }
}

#[cfg(test)]
mod tests;
