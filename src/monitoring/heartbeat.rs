//! The dead man's switch: an address that is called while all is well. The service behind it
//! notices when the calls end, even when this machine is gone altogether. The address is a secret:
//! it is in no log and no error.

use crate::clock::Clock;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// The longest time that a call may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The heartbeat address and the client that calls it.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    client: reqwest::Client,
    url: SecretString,
    clock: Clock,
}

/// The reason why a call failed, without the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeartbeatError {
    /// No connection, or one that broke off.
    #[error("it cannot be reached")]
    Unreachable,
    /// No complete answer within the deadline.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    TimedOut,
    /// An HTTP status other than success.
    #[error("it answers {0}")]
    Refused(u16),
    /// The HTTP client could not be built.
    #[error("no client can be made")]
    NoClient,
}

impl Heartbeat {
    /// Returns a heartbeat that calls `url`. It follows no redirects.
    pub fn new(url: &SecretString, clock: Clock) -> Result<Self, HeartbeatError> {
        let client = reqwest::Client::builder()
            .timeout(DEADLINE)
            .redirect(Policy::none())
            .user_agent(concat!("linkdown/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| HeartbeatError::NoClient)?;
        Ok(Self { client, url: url.clone(), clock })
    }

    /// Calls the address once.
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
