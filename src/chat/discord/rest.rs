//! Calls to Discord's REST interface whose answers we read ourselves.

use super::refusal::{self, Refusal};
use crate::notify::retry::SendError;
use reqwest::{Client, Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;

const API: &str = "https://discord.com";
/// No answer of Discord's that we ask for is longer.
const LONGEST_BODY: usize = 1 << 20;

pub(super) struct Rest {
    client: Client,
    base: Url,
    token: SecretString,
}

/// An answer, and for how long that route is to be left alone.
#[derive(Debug)]
pub(super) struct Answer {
    pub body: Value,
    pub rest_ms: i64,
}

impl Rest {
    pub(super) fn new(token: &SecretString, api: Option<&Url>, deadline: Duration) -> Result<Self, String> {
        let agent = concat!("DiscordBot (https://linkdown.example/, ", env!("CARGO_PKG_VERSION"), ")");
        let client = Client::builder()
            .user_agent(agent)
            .connect_timeout(deadline.min(Duration::from_secs(5)))
            .timeout(deadline)
            // A redirect would carry the token to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let base = match api {
            Some(api) => api.clone(),
            None => Url::parse(API).map_err(|error| error.to_string())?,
        };
        Ok(Self { client, base, token: token.clone() })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, Refusal> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Refusal> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Answer, Refusal> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Refusal> {
        let url = format!("{}/api/v10{path}", self.base.as_str().trim_end_matches('/'));
        let mut call =
            self.client.request(method, url).header("Authorization", format!("Bot {}", self.token.expose_secret()));
        if let Some(body) = body {
            call = call.header("Content-Type", "application/json").body(body.to_string());
        }
        let mut response = call.send().await.map_err(|error| Refusal::of_transport(&error))?;
        let status = response.status();
        let headers = refusal::Headers::read(response.headers());
        let mut bytes = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| Refusal::of_transport(&error))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > LONGEST_BODY {
                return Err(Refusal::transport(SendError::in_doubt("Discord's answer is too long to be one")));
            }
        }
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() && !body.is_null() {
            return Ok(Answer { body, rest_ms: headers.rest_ms() });
        }
        Err(Refusal::of_answer(status.as_u16(), &body, &headers))
    }
}
