//! Calls to Discord's REST API whose answers the bot reads itself.

use super::refusal::{self, Refusal};
use crate::clock::{Clock, Millis};
use crate::notify::pace::SharedPace;
use crate::notify::retry::{LimitScope, SendError};
use reqwest::{Client, Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const API: &str = "https://discord.com";
/// The most bytes of an answer; those that the bot requests are shorter.
const LONGEST_BODY: usize = 1 << 20;

pub(super) struct Rest {
    client: Client,
    base: Url,
    token: SecretString,
    invalid: Invalid,
    clock: Clock,
    /// Shared with the outbox: no call is made while Discord accepts none at all.
    pace: SharedPace,
}

/// An answer, and the ms for which no further call may use its route.
#[derive(Debug)]
pub(super) struct Answer {
    pub body: Value,
    pub rest_ms: i64,
}

impl Rest {
    pub(super) fn new(
        token: &SecretString,
        api: Option<&Url>,
        deadline: Duration,
        pace: SharedPace,
    ) -> Result<Self, String> {
        let agent =
            concat!("DiscordBot (https://linkdown.example/, ", env!("CARGO_PKG_VERSION"), ")");
        let client = Client::builder()
            .user_agent(agent)
            .connect_timeout(deadline.min(Duration::from_secs(5)))
            .timeout(deadline)
            // A redirect would carry the token to another host.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.without_url().to_string())?;
        let base = match api {
            Some(api) => api.clone(),
            None => Url::parse(API).map_err(|error| error.to_string())?,
        };
        let invalid = Invalid { window: Mutex::default() };
        Ok(Self { client, base, token: token.clone(), invalid, clock: Clock::system(), pace })
    }

    /// Replaces the system's clock.
    pub(super) fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
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

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Refusal> {
        let now = self.clock.millis();
        let paused_ms = Some(self.pace.lock().all_rest_until() - now).filter(|left| *left > 0);
        if let Some(pause_ms) = self.invalid.pause(now).or(paused_ms) {
            return Err(Refusal::transport(SendError::RateLimited {
                pause_ms,
                scope: LimitScope::Platform,
            }));
        }
        let url = format!("{}/api/v10{path}", self.base.as_str().trim_end_matches('/'));
        let mut call = self
            .client
            .request(method, url)
            .header("Authorization", format!("Bot {}", self.token.expose_secret()));
        if let Some(body) = body {
            call = call.header("Content-Type", "application/json").body(body.to_string());
        }
        let mut response = call.send().await.map_err(|error| Refusal::of_transport(&error))?;
        let status = response.status();
        let headers = refusal::Headers::read(response.headers());
        let mut bytes = Vec::new();
        while let Some(piece) =
            response.chunk().await.map_err(|error| Refusal::of_transport(&error))?
        {
            bytes.extend_from_slice(&piece);
            if bytes.len() > LONGEST_BODY {
                return Err(Refusal::transport(SendError::in_doubt(
                    "Discord's answer is too long to be one",
                )));
            }
        }
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() && !body.is_null() {
            return Ok(Answer { body, rest_ms: headers.rest_ms() });
        }
        let now = self.clock.millis();
        if matches!(status.as_u16(), 401 | 403 | 429) {
            self.invalid.count(now);
        }
        let refusal = Refusal::of_answer(status.as_u16(), &body, &headers);
        if let SendError::RateLimited { pause_ms, scope: LimitScope::Platform } = refusal.error {
            self.pace.lock().rest_all(now + pause_ms);
        }
        Err(refusal)
    }
}

/// Counts refused requests. Discord bans an address after 10,000 invalid requests within ten
/// minutes; the bot stops at half of that.
#[derive(Debug)]
struct Invalid {
    /// The start of the window, and the number of refused requests in it.
    window: Mutex<(Millis, u32)>,
}

const WINDOW_MS: Millis = 600_000;
const INVALID_AT_MOST: u32 = 5_000;

impl Invalid {
    fn count(&self, now: Millis) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now - window.0 >= WINDOW_MS {
            *window = (now, 0);
        }
        window.1 += 1;
    }

    /// Returns the ms for which no request may be made, if too many were refused.
    fn pause(&self, now: Millis) -> Option<Millis> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let left = window.0 + WINDOW_MS - now;
        (window.1 >= INVALID_AT_MOST && left > 0).then_some(left)
    }
}
