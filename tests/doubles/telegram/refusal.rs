//! How the Bot API says yes and no.

use crate::doubles::web::Reply;
use serde_json::{Value, json};

/// A "no", with the words that the real one uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: u16,
    pub description: String,
    pub parameters: Value,
}

impl Refusal {
    fn new(code: u16, description: String) -> Self {
        Self { code, description, parameters: Value::Null }
    }

    pub fn bad(why: &str) -> Self {
        Self::new(400, format!("Bad Request: {why}"))
    }

    pub fn forbidden(why: &str) -> Self {
        Self::new(403, format!("Forbidden: {why}"))
    }

    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized".to_owned())
    }

    pub fn conflict() -> Self {
        let who = "terminated by other getUpdates request; make sure that only one bot instance is running";
        Self::new(409, format!("Conflict: {who}"))
    }

    /// Words from the source of the Bot API server (`Client.cpp`), as bots report them in public.
    pub fn webhook_is_active() -> Self {
        let why = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
        Self::new(409, format!("Conflict: {why}"))
    }

    /// What a poll under way gets when a webhook is set.
    pub fn terminated_by_webhook() -> Self {
        Self::new(409, "Conflict: terminated by setWebhook request".to_owned())
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(404, what.to_owned())
    }

    pub fn too_many(seconds: i64) -> Self {
        let description = format!("Too Many Requests: retry after {seconds}");
        Self { parameters: json!({"retry_after": seconds}), ..Self::new(429, description) }
    }

    pub fn upgraded(to: i64) -> Self {
        let parameters = json!({"migrate_to_chat_id": to});
        Self { parameters, ..Self::bad("group chat was upgraded to a supergroup chat") }
    }

    pub fn reply(self) -> Reply {
        let mut body =
            json!({"ok": false, "error_code": self.code, "description": self.description});
        if !self.parameters.is_null() {
            body["parameters"] = self.parameters;
        }
        Reply::json(self.code, body)
    }
}

pub type Outcome = Result<Value, Refusal>;

pub fn reply(outcome: Outcome) -> Reply {
    outcome.map_or_else(Refusal::reply, |result| {
        Reply::json(200, json!({"ok": true, "result": result}))
    })
}
