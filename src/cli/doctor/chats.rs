//! Checks the tokens, the bot's permissions in each chat that gets alerts, and the operator's chat
//! and heartbeat.

use super::{Finding, Patient};
use crate::chat::{console, discord, discord::Discord, telegram, telegram::Telegram};
use crate::cli::Failure;
use crate::monitoring::Heartbeat;
use crate::render::words::plural;
use crate::store::Place;
use secrecy::SecretString;
use std::future::Future;

pub(super) async fn look(patient: &Patient<'_>) -> Result<Vec<(String, Finding)>, Failure> {
    let (secrets, addresses) = (&patient.environment.secrets, &patient.environment.addresses);
    let places: Vec<Place> = match &patient.store {
        Some(store) => {
            let chats =
                store.read(|db| db.deliveries().overview(None)).await.map_err(Failure::work)?;
            chats.into_iter().map(|chat| chat.place).collect()
        }
        None => Vec::new(),
    };
    let mut findings = Vec::new();
    match made(discord::PLATFORM, secrets.discord_token.as_ref(), |token| {
        Discord::new(token, addresses.discord_api.as_ref(), None)
    }) {
        Err(finding) => findings.push((discord::PLATFORM.to_owned(), finding)),
        Ok(discord) => {
            findings.push((discord::PLATFORM.to_owned(), token_of(discord.invite().await)));
            findings.extend(
                each(&places, discord::PLATFORM, |address| discord.may_tell(address)).await,
            );
        }
    }
    match made(telegram::PLATFORM, secrets.telegram_token.as_ref(), |token| {
        Telegram::new(token, addresses.telegram_api.as_ref(), None)
    }) {
        Err(finding) => findings.push((telegram::PLATFORM.to_owned(), finding)),
        Ok(telegram) => {
            let token = token_of(telegram.invite().await);
            let is_good = matches!(token, Finding::Well(_));
            findings.push((telegram::PLATFORM.to_owned(), token));
            if is_good {
                findings.extend(
                    webhook(patient, &telegram)
                        .await
                        .map(|found| (telegram::PLATFORM.to_owned(), found)),
                );
            }
            findings.extend(
                each(&places, telegram::PLATFORM, |address| telegram.may_tell(address)).await,
            );
        }
    }
    findings.push(("operator".to_owned(), operator(patient)));
    findings.push(("heartbeat".to_owned(), heartbeat(patient).await));
    Ok(findings)
}

fn made<P>(
    platform: &str,
    token: Option<&SecretString>,
    make: impl FnOnce(&SecretString) -> Result<P, String>,
) -> Result<P, Finding> {
    let variable = format!("LINKDOWN_{}_TOKEN_FILE", platform.to_uppercase());
    let token = token.ok_or_else(|| {
        Finding::Hint(format!(
            "off: no token; to use it, put one into a file and name that in {variable}"
        ))
    })?;
    make(token).map_err(Finding::Wrong)
}

fn token_of(answer: Result<String, String>) -> Finding {
    match answer {
        Ok(_) => Finding::Well("the token is good".to_owned()),
        Err(why) => Finding::Wrong(why),
    }
}

/// Returns a finding about a webhook that keeps commands from arriving, or about the failed lookup.
async fn webhook(patient: &Patient<'_>, telegram: &Telegram) -> Option<Finding> {
    let webhook = match telegram.left_webhook().await {
        Ok(webhook) => webhook?,
        Err(why) => {
            return Some(Finding::Wrong(format!(
                "whether a webhook is set could not be looked up: {why}"
            )));
        }
    };
    let waiting = plural(webhook.waiting, "update waits", "updates wait");
    let said = format!(
        "a webhook at {} takes this bot's commands, so none arrives here ({waiting} for it)",
        webhook.host
    );
    Some(if patient.config.telegram.remove_webhook {
        Finding::Hint(format!(
            "{said}; `linkdown run` removes it ([telegram] remove_webhook = true)"
        ))
    } else {
        Finding::Wrong(format!(
            "{said}: stop the program that uses it, then call deleteWebhook, or set [telegram] remove_webhook = true and \
             let `linkdown run` remove it"
        ))
    })
}

/// Checks every chat of the platform that has ever got a message.
async fn each<'a, W: Future<Output = Result<(), String>>>(
    places: &'a [Place],
    platform: &str,
    may_tell: impl Fn(&'a str) -> W,
) -> Vec<(String, Finding)> {
    let mut findings = Vec::new();
    for place in places
        .iter()
        .filter(|place| place.chat.platform == platform && platform != console::PLATFORM)
    {
        let finding = match may_tell(&place.chat.address).await {
            Ok(()) => Finding::Well("it can be told".to_owned()),
            Err(why) => {
                Finding::Wrong(format!("{why}: let the bot in, or give it back what is missing"))
            }
        };
        findings.push((format!("{platform} {}", place.chat.address), finding));
    }
    findings
}

fn operator(patient: &Patient<'_>) -> Finding {
    let secrets = &patient.environment.secrets;
    match &patient.config.operator {
        None => Finding::Hint(
            "no chat is told when the bot itself is ill: name yours in [operator] chat".to_owned(),
        ),
        Some((platform, _)) => {
            let has_token = if platform == discord::PLATFORM {
                secrets.discord_token.is_some()
            } else {
                secrets.telegram_token.is_some()
            };
            if has_token {
                Finding::Well(format!("told on {platform} when the bot itself is ill"))
            } else {
                Finding::Wrong(format!(
                    "[operator] chat is on {platform}, for which there is no token"
                ))
            }
        }
    }
}

async fn heartbeat(patient: &Patient<'_>) -> Finding {
    let Some(url) = &patient.environment.secrets.heartbeat_url else {
        return Finding::Hint(
            "nobody notices when this machine is gone: give LINKDOWN_HEARTBEAT_URL_FILE an address that is called each minute"
                .to_owned(),
        );
    };
    let called = match Heartbeat::new(url, patient.clock.clone()) {
        Ok(heartbeat) => heartbeat.call().await,
        Err(error) => Err(error),
    };
    match called {
        Ok(()) => Finding::Well("it is heard".to_owned()),
        Err(error) => Finding::Wrong(format!("LINKDOWN_HEARTBEAT_URL: {error}")),
    }
}
