//! getUpdates by our own client: the answer is taken apart before any update is read, so that one update that cannot be
//! read spoils no other.

use super::refusal::Refusal;
use super::rest::client;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a poll waits for something to happen. Telegram takes 50 s at most.
const PATIENCE: Duration = Duration::from_secs(50);
/// So many updates Telegram gives at once.
const AT_ONCE: usize = 100;
/// An answer that is longer is not read; the next poll asks for one update.
const LONGEST_BODY: usize = 32 << 20;

/// What is asked for by name; everything else stays away.
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

/// Why a poll brought nothing.
#[derive(Debug)]
pub(super) enum Failed {
    Refused(Refusal),
    /// More bytes than are read at once.
    TooLong,
}

impl Poller {
    pub(super) fn new(token: &SecretString, base: Url, deadline: Duration) -> Result<Self, String> {
        Ok(Self { client: client(PATIENCE + deadline)?, base, token: token.clone() })
    }

    /// Waits for updates and returns each as it was written. `offset` confirms those before it.
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

/// How many updates to ask for.
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
