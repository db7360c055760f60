//! The controls that show whether the bot's own connection works: the shipped ones, or a file of
//! the operator's own where some of these cannot be reached.

use super::explain::{self, Place, address};
use crate::domain::entity::site;
use crate::domain::{Ask, Control};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::Path;
use toml::Spanned;

const SHIPPED: &str = include_str!("../../config/controls.toml");
/// The least number of operators: fewer cannot outvote one that has an outage itself.
const OPERATORS_AT_LEAST: usize = 3;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    control: Vec<RawControl>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawControl {
    operator: Spanned<String>,
    place: String,
    resolver: Option<Spanned<String>>,
    name: Option<String>,
    #[serde(default)]
    expect: Vec<Spanned<String>>,
    root: Option<Spanned<String>>,
    tcp: Option<Spanned<String>>,
    page: Option<Spanned<String>>,
    status: Option<u16>,
    text: Option<String>,
}

/// Returns the controls in `file`, relative to `folder`, or the shipped ones if no file is named.
pub(super) fn find(file: Option<&Spanned<String>>, folder: &Path) -> Result<Vec<Control>, Place> {
    let Some(file) = file else { return parse(SHIPPED) };
    explain::read_beside(file, folder, "", parse)
}

fn parse(text: &str) -> Result<Vec<Control>, Place> {
    let raw: Raw = toml::from_str(text).map_err(|error| explain::toml_error(text, &error))?;
    let controls: Vec<Control> =
        raw.control.iter().map(RawControl::check).collect::<Result<_, _>>()?;
    let mut operators: Vec<&str> =
        controls.iter().map(|control| control.operator.as_str()).collect();
    operators.sort_unstable();
    operators.dedup();
    if operators.len() < OPERATORS_AT_LEAST {
        let message =
            format!("controls of at least {OPERATORS_AT_LEAST} different operators are needed");
        return Err(Place::new(0, message));
    }
    Ok(controls)
}

impl RawControl {
    fn check(&self) -> Result<Control, Place> {
        let ask = match (&self.resolver, &self.root, &self.tcp, &self.page) {
            (Some(server), None, None, None) => {
                let addresses = self.expect.iter().map(address).collect::<Result<Vec<_>, _>>()?;
                let name =
                    self.name.clone().filter(|_| !addresses.is_empty()).ok_or_else(|| {
                        Place::new(
                            server.span().start,
                            "a resolver needs a `name` and the addresses to `expect` of it",
                        )
                    })?;
                Ask::Resolver {
                    server: SocketAddr::new(address(server)?, 53),
                    name,
                    expect: addresses,
                }
            }
            (None, Some(server), None, None) => {
                Ask::Root { server: SocketAddr::new(address(server)?, 53) }
            }
            (None, None, Some(to), None) => Ask::Tcp {
                address: to.get_ref().parse().map_err(|_| {
                    Place::new(
                        to.span().start,
                        format!("`{}` is no address with a port", to.get_ref()),
                    )
                })?,
            },
            (None, None, None, Some(page)) => self.page(page)?,
            _ => {
                let message = "a control has one of `resolver`, `root`, `tcp` and `page`";
                return Err(Place::new(self.operator.span().start, message));
            }
        };
        Ok(Control { operator: self.operator.get_ref().clone(), place: self.place.clone(), ask })
    }

    fn page(&self, page: &Spanned<String>) -> Result<Ask, Place> {
        let wrong = || {
            Place::new(
                page.span().start,
                "a page is an address such as http://host/path: without TLS, as a captive portal would answer it",
            )
        };
        let rest = page.get_ref().strip_prefix("http://").ok_or_else(wrong)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match host.split_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (host, 80),
        };
        let host = site(host).ok_or_else(wrong)?;
        let status = self.status.unwrap_or(200);
        Ok(Ask::Page { host, port, path: format!("/{path}"), status, text: self.text.clone() })
    }
}
