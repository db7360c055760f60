//! Sends messages by a client of our own with the library's payloads as the body: the library's
//! call sleeps ten seconds after a server error and drops the status, and the outbox must know how
//! a send ended.

use super::refusal::Refusal;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

const API: &str = "https://api.telegram.org";
/// The most bytes of an answer; those to a message are shorter.
const LONGEST_BODY: usize = 1 << 20;

pub(super) struct Rest {
    client: Client,
    base: Url,
    token: SecretString,
}

impl Rest {
    pub(super) fn new(
        token: &SecretString,
        api: Option<&Url>,
        deadline: Duration,
    ) -> Result<Self, String> {
        let base = match api {
            Some(api) => api.clone(),
            None => Url::parse(API).map_err(|error| error.to_string())?,
        };
        Ok(Self { client: client(deadline)?, base, token: token.clone() })
    }

    /// Calls a method of the Bot API and returns its `result`.
    pub(super) async fn call(
        &self,
        method: &str,
        payload: &impl Serialize,
    ) -> Result<Value, Refusal> {
        let base = self.base.as_str().trim_end_matches('/');
        let url = format!("{base}/bot{}/{method}", self.token.expose_secret());
        let body = serde_json::to_string(payload).map_err(|error| Refusal::unwritable(&error))?;
        let call = self.client.post(url).header("Content-Type", "application/json").body(body);
        let mut response = call.send().await.map_err(|error| Refusal::of_transport(&error))?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(piece) =
            response.chunk().await.map_err(|error| Refusal::of_transport(&error))?
        {
            bytes.extend_from_slice(&piece);
            if bytes.len() > LONGEST_BODY {
                return Err(Refusal::in_doubt("an answer that is too long to be Telegram's"));
            }
        }
        let mut answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if answer.get("ok") == Some(&Value::Bool(true)) {
            return Ok(answer.get_mut("result").map(Value::take).unwrap_or_default());
        }
        Err(Refusal::of_answer(status, &answer))
    }
}

/// Builds a client that follows no redirects: these would carry the token to another host.
pub(super) fn client(deadline: Duration) -> Result<Client, String> {
    Client::builder()
        .connect_timeout(deadline.min(Duration::from_secs(5)))
        .timeout(deadline)
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .build()
        .map_err(|error| error.without_url().to_string())
}
