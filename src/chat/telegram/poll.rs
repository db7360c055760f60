//! Calls getUpdates by a client of our own: the answer is split into updates before any of them is
//! parsed, so that one malformed update does not affect the others.

use super::refusal::Refusal;
use super::rest::client;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;

/// The longest time that a poll waits for an update. Telegram accepts 50 s at most.
const PATIENCE: Duration = Duration::from_secs(50);
/// The most updates that Telegram returns at once.
const AT_ONCE: usize = 100;
/// The most bytes of an answer. A longer one is not read; the next poll requests one update.
const LONGEST_BODY: usize = 32 << 20;

/// The kinds of updates that are requested; Telegram does not send the others.
const KINDS: [&str; 4] = ["message", "channel_post", "callback_query", "my_chat_member"];

pub(super) struct Poller {
    client: Client,
    base: Url,
    token: SecretString,
}

#[derive(Deserialize)]
struct Answer {
    result: Vec<Box<RawValue>>,
}

/// The reason why a poll returned no updates.
#[derive(Debug)]
pub(super) enum Failed {
    /// Telegram refused the call, or it failed on the way.
    Refused(Refusal),
    /// The answer has more than [`LONGEST_BODY`] bytes.
    TooLong,
}

impl Poller {
    pub(super) fn new(token: &SecretString, base: Url, deadline: Duration) -> Result<Self, String> {
        Ok(Self { client: client(PATIENCE + deadline)?, base, token: token.clone() })
    }

    /// Waits for updates and returns the JSON text of each. `offset` confirms all updates before
    /// it.
    pub(super) async fn updates(
        &self,
        offset: Option<i64>,
        limit: Limit,
    ) -> Result<Vec<Box<RawValue>>, Failed> {
        let of_transport = |error: reqwest::Error| Failed::Refused(Refusal::of_transport(&error));
        let base = self.base.as_str().trim_end_matches('/');
        let url = format!("{base}/bot{}/getUpdates", self.token.expose_secret());
        let mut asked = json!({ "timeout": PATIENCE.as_secs(), "limit": limit.count(), "allowed_updates": KINDS });
        if let Some(offset) = offset {
            asked["offset"] = json!(offset);
        }
        let call = self
            .client
            .post(url)
            .header("Content-Type", "application/json")
            .body(asked.to_string());
        let mut response = call.send().await.map_err(of_transport)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(of_transport)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > LONGEST_BODY {
                return Err(Failed::TooLong);
            }
        }
        if status.is_success()
            && let Ok(answer) = serde_json::from_slice::<Answer>(&bytes)
        {
            return Ok(answer.result);
        }
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Err(Failed::Refused(Refusal::of_answer(status.as_u16(), &answer)))
    }
}

/// The number of updates to request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Limit {
    #[default]
    AsUsual,
    One,
}

impl Limit {
    fn count(self) -> usize {
        match self {
            Self::AsUsual => AT_ONCE,
            Self::One => 1,
        }
    }
}
