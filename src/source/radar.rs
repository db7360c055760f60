//! Cloudflare Radar: plans requests and opens replies. Facts and traps: docs/sources/radar.md
//!
//! The data is under CC BY-NC 4.0 and needs a token; without one the source is off, not failing.

mod netflows;
mod reports;

use super::json::{Items, Loose, Member, excerpt, parse};
use super::{Polled, PublishSchedule, Purpose, Query, Readings, Request, SourceError, SourceInfo};
use crate::domain::time::{DAY, MINUTE};
use crate::domain::{Asn, Entity, Seconds, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Names, address and limits of Radar. Its own limit is 1,200 requests in five minutes.
pub const ABOUT: SourceInfo = SourceInfo {
    name: "radar",
    title: "Radar",
    url: "https://api.cloudflare.com/client/v4",
    url_variable: "LINKDOWN_RADAR_URL",
    token_variable: Some(TOKEN),
    attribution: "Cloudflare Radar (CC BY-NC 4.0)",
    in_flight: 4,
    spacing: 0,
    calls_a_day: None,
    refusal,
};

const TOKEN: &str = "LINKDOWN_RADAR_TOKEN";
/// Error codes of a token that is missing, malformed, invalid or has too few rights: asking again
/// does not help.
const TOKEN_CODES: [u32; 4] = [6003, 9106, 9109, 10_000];

const NETFLOWS: &str = "/radar/netflows/timeseries";
const ANNOTATIONS: &str = "/radar/annotations/outages";
const ANOMALIES: &str = "/radar/traffic_anomalies";

/// The window of reports, in seconds back from the end of the query: people write reports hours to
/// days late and back-date them.
const REPORTS_BACK: Seconds = 14 * DAY;

/// The source `radar`; it has no state, and the token is kept by the HTTP client's `Base`.
#[derive(Debug)]
pub struct Radar;

impl Polled for Radar {
    fn about(&self) -> &'static SourceInfo {
        &ABOUT
    }

    fn covers(&self, entity: &Entity) -> bool {
        matches!(entity, Entity::Country(_) | Entity::Asn(_))
    }

    /// Plans one call for the traffic of each entity and week. Unless the query is a backfill, adds
    /// one call for each kind of report, which covers the whole world.
    fn plan(&self, wanted: &Query, _now: Timestamp, allowance: u32) -> Vec<Request> {
        let ours: Vec<Entity> =
            wanted.entities.iter().filter(|entity| self.covers(entity)).cloned().collect();
        let mut requests: Vec<Request> =
            ours.iter().flat_map(|entity| netflows::requests(entity, wanted)).collect();
        if !ours.is_empty() && wanted.purpose != Purpose::Backfill {
            for path in [ANNOTATIONS, ANOMALIES] {
                let window = [
                    ("dateStart", (wanted.until - REPORTS_BACK).to_string()),
                    ("dateEnd", wanted.until.to_string()),
                    ("limit", "500".to_owned()),
                    ("format", "JSON".to_owned()),
                ];
                requests.push(Request::new(path, window, wanted.about(&ours)));
            }
        }
        requests.truncate(allowance as usize);
        requests
    }

    fn read(
        &self,
        request: &Request,
        body: &[u8],
        received_at: Timestamp,
    ) -> Result<Readings, SourceError> {
        match request.path.as_str() {
            ANNOTATIONS => {
                reports::annotations(request, result(body)?, received_at).unless_all_odd()
            }
            ANOMALIES => reports::anomalies(request, result(body)?, received_at).unless_all_odd(),
            _ => netflows::read(request, result(body)?, received_at),
        }
    }

    fn rhythm(&self, _signal: &str) -> PublishSchedule {
        PublishSchedule { step: netflows::STEP, delay: 45 * MINUTE }
    }

    fn link(&self, entity: &Entity, _from: Timestamp, _until: Timestamp) -> Option<String> {
        match entity {
            Entity::Country(code) => {
                Some(format!("https://radar.cloudflare.com/{}", code.as_str().to_ascii_lowercase()))
            }
            Entity::Asn(Asn(number)) => Some(format!("https://radar.cloudflare.com/as{number}")),
            Entity::Region(_) | Entity::Prefix(_) | Entity::Site(_) | Entity::Name(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    success: bool,
    #[serde(default)]
    errors: Member<Items<Complaint>>,
    #[serde(default)]
    message: Loose,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Complaint {
    code: Loose,
    message: Loose,
}

#[derive(Deserialize)]
struct Answer<T> {
    result: T,
}

/// Returns the result of a reply. Fails if `success` is false, even with status 200.
fn result<T: DeserializeOwned>(body: &[u8]) -> Result<T, SourceError> {
    let envelope: Envelope = parse(body)?;
    if !envelope.success {
        return Err(refused(200, envelope));
    }
    Ok(parse::<Answer<T>>(body)?.result)
}

fn refusal(status: u16, body: &[u8]) -> SourceError {
    // Some refusals hold only a message, without `success`.
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Bare {
        errors: Member<Items<Complaint>>,
        message: Loose,
    }
    let Bare { errors, message } = parse(body).unwrap_or_default();
    refused(status, Envelope { success: false, errors, message })
}

fn refused(status: u16, envelope: Envelope) -> SourceError {
    let first = envelope.errors.0.unwrap_or_default().read.into_iter().next();
    let code = first.as_ref().and_then(|complaint| complaint.code.whole());
    let said =
        first.as_ref().and_then(|complaint| complaint.message.text()).or(envelope.message.text());
    let words = excerpt(said.unwrap_or_default());
    let said = code.map_or_else(|| words.clone(), |code| format!("{words}, code {code}"));
    if status == 401 || code.is_some_and(|code| TOKEN_CODES.contains(&code)) {
        SourceError::TokenRefused { said, variable: TOKEN }
    } else {
        SourceError::Refused { status, said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IgnoredAny;

    #[test]
    fn a_refused_token_is_final_and_says_what_to_do() {
        let refused =
            refusal(400, br#"{"success":false,"errors":[{"code":9106,"message":"Missing headers"}],"result":null}"#);
        assert!(refused.is_final());
        assert_eq!(
            refused.to_string(),
            "refused the token (Missing headers, code 9106): put a valid one into LINKDOWN_RADAR_TOKEN and start again; until then this source rests"
        );
        for code in TOKEN_CODES {
            let body = format!(
                r#"{{"success":false,"errors":[{{"code":{code},"message":"no"}}],"result":{{}}}}"#
            );
            assert!(
                result::<IgnoredAny>(body.as_bytes()).unwrap_err().is_final(),
                "{code} on 200 too"
            );
        }
    }

    #[test]
    fn other_refusals_are_about_the_question() {
        let error =
            refusal(422, br#"{"success":false,"errors":[{"code":2002,"message":"too costly"}]}"#);
        assert_eq!(error.to_string(), "refused the question (HTTP 422): too costly, code 2002");
        assert_eq!(
            refusal(400, br#"{"message":"bad"}"#).to_string(),
            "refused the question (HTTP 400): bad"
        );
        assert_eq!(
            refusal(404, b"<html>").to_string(),
            "refused the question (HTTP 404): no reason given"
        );
        assert!(!error.is_final() && !error.is_worth_retrying());
    }
}
