//! The dead man's switch: an address that is called while all is well. Whoever listens there notices when the calls end, also
//! where this machine is gone altogether. The address is a secret: it is in no log and no error.

use crate::clock::Clock;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Heartbeat {
    client: reqwest::Client,
    url: SecretString,
    clock: Clock,
}

/// Why a call failed; without the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeartbeatError {
    #[error("it cannot be reached")]
    Unreachable,
    #[error("no answer within {} s", DEADLINE.as_secs())]
    TimedOut,
    #[error("it answers {0}")]
    Refused(u16),
    #[error("no client can be made")]
    NoClient,
}

impl Heartbeat {
    pub fn new(url: &SecretString, clock: Clock) -> Result<Self, HeartbeatError> {
        let client = reqwest::Client::builder()
            .timeout(DEADLINE)
            .redirect(Policy::none())
            .user_agent(concat!("linkdown/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| HeartbeatError::NoClient)?;
        Ok(Self { client, url: url.clone(), clock })
    }

    /// Calls it once.
    pub async fn call(&self) -> Result<(), HeartbeatError> {
        let call = self.client.get(self.url.expose_secret()).send();
        match self.clock.within(DEADLINE, call).await {
            None => Err(HeartbeatError::TimedOut),
            Some(Err(error)) if error.is_timeout() => Err(HeartbeatError::TimedOut),
            Some(Err(_)) => Err(HeartbeatError::Unreachable),
            Some(Ok(answer)) if answer.status().is_success() => Ok(()),
            Some(Ok(answer)) => Err(HeartbeatError::Refused(answer.status().as_u16())),
        }
    }
}
