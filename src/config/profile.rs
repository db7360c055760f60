//! Profiles: the targets worth probing for one country or network, each with its reason and the day
//! on which it was last known to work. The shipped ones are in `config/profiles`; an operator's own
//! profile is a file of the same shape.

use super::explain::{self, Place};
use super::raw::RawTarget;
use super::watch::entity_at;
use crate::domain::entity::prefix;
use crate::domain::{Asn, Certificate, Entity, Host, ProbeKind, Target, Timestamp};
use ipnet::IpNet;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;

/// The profiles that are compiled in: name and TOML text.
pub const SHIPPED: [(&str, &str); 5] = [
    ("bt", include_str!("../../config/profiles/bt.toml")),
    ("cu", include_str!("../../config/profiles/cu.toml")),
    ("er", include_str!("../../config/profiles/er.toml")),
    ("fk", include_str!("../../config/profiles/fk.toml")),
    ("kp", include_str!("../../config/profiles/kp.toml")),
];

/// The checked content of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The country or network that the profile is about.
    pub entity: Entity,
    /// The targets to probe, in the order of the file.
    pub targets: Vec<Target>,
    /// The blocks that the entity announces. The live route stream watches each of them separately.
    pub routes: Vec<IpNet>,
    /// The neighbour networks through which the entity is reached, with their common names.
    pub gateways: BTreeMap<Asn, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    entity: Spanned<String>,
    /// A note for readers of the file; the program does not use it.
    #[serde(default)]
    #[allow(dead_code)]
    about: String,
    #[serde(default)]
    routes: Vec<Spanned<String>>,
    #[serde(default)]
    gateways: BTreeMap<Spanned<String>, String>,
    #[serde(default)]
    target: Vec<RawTarget>,
}

/// Returns the shipped profile of that name, or reads the file of that name relative to `folder`.
pub(super) fn find(name: &Spanned<String>, folder: &Path) -> Result<Profile, Place> {
    let failed = |message: String| Place::new(name.span().start, message);
    let named = name.get_ref();
    if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| shipped == named) {
        return parse(text).map_err(|place| {
            failed(format!("(shipped) config/profiles/{named}.toml: {}", place.message))
        });
    }
    if Path::new(named).extension().is_none_or(|ending| ending != "toml") {
        let near = explain::did_you_mean_or(named, &SHIPPED.map(|(name, _)| name), |all| {
            format!("; shipped are {all}; a file of yours ends in .toml")
        });
        return Err(failed(format!("unknown profile `{named}`{near}")));
    }
    explain::read_beside(name, folder, "profile ", parse)
}

fn parse(text: &str) -> Result<Profile, Place> {
    let raw: Raw = toml::from_str(text).map_err(|error| explain::toml_error(text, &error))?;
    let entity = entity_at(&raw.entity)?;
    let routes = raw.routes.iter().map(|route| {
        prefix(route.get_ref()).ok_or_else(|| {
            Place::new(
                route.span().start,
                format!("`{}` is no block, such as 175.45.176.0/24", route.get_ref()),
            )
        })
    });
    let gateways = raw.gateways.iter().map(|(asn, name)| {
        let number = crate::domain::entity::asn(asn.get_ref());
        let number = number.ok_or_else(|| {
            Place::new(
                asn.span().start,
                format!("`{}` is no AS number, such as AS4837", asn.get_ref()),
            )
        });
        Ok((number?, name.clone()))
    });
    let profile = Profile {
        routes: routes.collect::<Result<_, Place>>()?,
        gateways: gateways.collect::<Result<_, Place>>()?,
        targets: raw
            .target
            .iter()
            .map(|target| target.check(Some(&entity)))
            .collect::<Result<_, _>>()?,
        entity,
    };
    Ok(profile)
}

impl RawTarget {
    /// Checks a target. `usual` is the entity that it belongs to unless it names another.
    pub(super) fn check(&self, usual: Option<&Entity>) -> Result<Target, Place> {
        let at = |text: &Spanned<String>, message: String| Place::new(text.span().start, message);
        let entity = match (&self.entity, usual) {
            (Some(entity), _) => entity_at(entity)?,
            (None, Some(usual)) => usual.clone(),
            (None, None) => {
                return Err(at(
                    &self.probe,
                    "a target needs its `entity`, such as \"country/KP\"".into(),
                ));
            }
        };
        let mut target = Target::parse(self.probe.get_ref(), entity)
            .map_err(|error| at(&self.probe, error.to_string()))?;
        if let Some(address) = &self.address {
            target.address = Some(explain::address(address)?);
        } else if let Host::Address(address) = target.host {
            target.address = Some(address);
        }
        if let Some(wanted) = &self.certificate {
            let made_of_it = match wanted.get_ref().as_str() {
                "must hold" => Certificate::MustHold,
                "any" => Certificate::Any,
                other => {
                    return Err(at(
                        wanted,
                        format!("`certificate` is \"must hold\" or \"any\", not \"{other}\""),
                    ));
                }
            };
            match &mut target.knock {
                ProbeKind::Tls { certificate } | ProbeKind::Http { tls: Some(certificate), .. } => {
                    *certificate = made_of_it;
                }
                _ => {
                    return Err(at(
                        wanted,
                        "`certificate` is for https:// and tls:// alone".into(),
                    ));
                }
            }
        }
        if let Some(wanted) = &self.text {
            match &mut target.knock {
                ProbeKind::Http { text, .. } if !wanted.get_ref().is_empty() => {
                    *text = Some(wanted.get_ref().clone());
                }
                _ => {
                    return Err(at(
                        wanted,
                        "`text` is for http:// and https:// alone, and not empty".into(),
                    ));
                }
            }
        }
        if let Some(known) = &self.known {
            let is_date =
                |ending| Timestamp::parse(&format!("{}{ending}", known.get_ref())).is_some();
            if !["", "-01", "-01-01"].into_iter().any(is_date) {
                let message = "`known` is a day, a month or a year, such as \"2025-06-07\", \"2025-06\" or \"2025\"";
                return Err(at(known, message.to_owned()));
            }
            target.known = Some(known.get_ref().clone());
        }
        target.outside.clone_from(&self.outside);
        target.why.clone_from(&self.why);
        Ok(target)
    }
}
