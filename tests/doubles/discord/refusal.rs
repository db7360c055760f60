//! What Discord says when it refuses, in its words and shapes.

use crate::doubles::web::Reply;
use serde_json::{Map, Value, json};

#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    code: u64,
    message: &'static str,
    errors: Option<Value>,
}

pub(super) const MALFORMED: Refusal = Refusal::new(400, 50035, "Invalid Form Body");
pub(super) const EMPTY_MESSAGE: Refusal = Refusal::new(400, 50006, "Cannot send an empty message");
pub(super) const NO_TEXT_CHANNEL: Refusal =
    Refusal::new(400, 50008, "Cannot send messages in a non-text channel");
pub(super) const NO_JSON: Refusal =
    Refusal::new(400, 50109, "The request body contains invalid JSON.");
pub(super) const ACKNOWLEDGED: Refusal =
    Refusal::new(400, 40060, "Interaction has already been acknowledged.");
/// As in discord/discord-api-docs#5517 and victornpb/undiscord#399.
pub(super) const THREAD_ARCHIVED: Refusal = Refusal::new(400, 50083, "Thread is archived");
/// As in aikaterna/aikaterna-cogs#302; the body has neither `retry_after` nor `global`.
pub(super) const OLD_EDITS: Refusal = Refusal::new(
    429,
    30046,
    "Maximum number of edits to messages older than 1 hour reached. Try again later.",
);
pub(super) const UNAUTHORIZED: Refusal = Refusal::new(401, 0, "401: Unauthorized");
pub(super) const STALE_TOKEN: Refusal = Refusal::new(401, 50027, "Invalid Webhook Token");
pub(super) const MISSING_ACCESS: Refusal = Refusal::new(403, 50001, "Missing Access");
pub(super) const NOT_YOURS: Refusal =
    Refusal::new(403, 50005, "Cannot edit a message authored by another user");
pub(super) const NOT_TO_THIS_USER: Refusal =
    Refusal::new(403, 50007, "Cannot send messages to this user");
pub(super) const NO_MUTUAL_GUILDS: Refusal =
    Refusal::new(403, 50278, "Cannot send messages to this user due to having no mutual guilds");
pub(super) const MISSING_PERMISSIONS: Refusal = Refusal::new(403, 50013, "Missing Permissions");
pub(super) const NO_USER_AGENT: Refusal = Refusal::new(403, 40333, "internal network error");
pub(super) const REPLY_WITHOUT_HISTORY: Refusal =
    Refusal::new(403, 160_002, "Cannot reply without permission to read message history");
pub(super) const NO_SUCH_PATH: Refusal = Refusal::new(404, 0, "404: Not Found");
pub(super) const UNKNOWN_APPLICATION: Refusal = Refusal::new(404, 10002, "Unknown Application");
pub(super) const UNKNOWN_CHANNEL: Refusal = Refusal::new(404, 10003, "Unknown Channel");
pub(super) const UNKNOWN_GUILD: Refusal = Refusal::new(404, 10004, "Unknown Guild");
pub(super) const UNKNOWN_MEMBER: Refusal = Refusal::new(404, 10007, "Unknown Member");
pub(super) const UNKNOWN_MESSAGE: Refusal = Refusal::new(404, 10008, "Unknown Message");
pub(super) const UNKNOWN_USER: Refusal = Refusal::new(404, 10013, "Unknown User");
pub(super) const UNKNOWN_WEBHOOK: Refusal = Refusal::new(404, 10015, "Unknown Webhook");
pub(super) const UNKNOWN_INTERACTION: Refusal = Refusal::new(404, 10062, "Unknown interaction");

impl Refusal {
    const fn new(status: u16, code: u64, message: &'static str) -> Self {
        Self { status, code, message, errors: None }
    }

    pub(super) fn body(&self) -> Value {
        let mut body = json!({"message": self.message, "code": self.code});
        if let Some(errors) = &self.errors {
            body["errors"] = errors.clone();
        }
        body
    }

    pub(super) fn reply(&self) -> Reply {
        Reply::json(self.status, self.body())
    }
}

/// What is wrong with a body, field by field.
#[derive(Debug, Default)]
pub(super) struct Complaints(Map<String, Value>);

impl Complaints {
    /// `path` as in `embeds.0.title`.
    pub(super) fn say(&mut self, path: &str, code: &str, message: impl Into<String>) {
        let mut here = &mut self.0;
        for name in path.split('.').filter(|name| !name.is_empty()) {
            let below = here.entry(name).or_insert_with(|| json!({}));
            here = below.as_object_mut().expect("complaints are objects");
        }
        let complaint = json!({"code": code, "message": message.into()});
        let all = here.entry("_errors").or_insert_with(|| json!([]));
        all.as_array_mut().expect("a list").push(complaint);
    }

    pub(super) fn required(&mut self, path: &str) {
        self.say(path, "BASE_TYPE_REQUIRED", "This field is required");
    }

    pub(super) fn choice(&mut self, path: &str, of: &str) {
        self.say(path, "BASE_TYPE_CHOICES", format!("Value must be one of {of}."));
    }

    /// A text of `min` to `max` characters; nothing or null is one of none.
    pub(super) fn text(&mut self, path: &str, value: Option<&Value>, min: usize, max: usize) {
        let long = match value {
            None | Some(Value::Null) => 0,
            Some(Value::String(text)) => text.trim().chars().count(),
            Some(_) => {
                return self.say(
                    path,
                    "STRING_TYPE_CONVERT",
                    "Could not interpret value as string.",
                );
            }
        };
        if long == 0 && min > 0 {
            self.required(path);
        } else if long > max && min == 0 {
            self.say(path, "BASE_TYPE_MAX_LENGTH", format!("Must be {max} or fewer in length."));
        } else if long > max || long < min {
            self.say(
                path,
                "BASE_TYPE_BAD_LENGTH",
                format!("Must be between {min} and {max} in length."),
            );
        }
    }

    /// The list at `value`, which may hold no more than `max`; nothing or null is an empty one.
    pub(super) fn list<'v>(
        &mut self,
        path: &str,
        value: Option<&'v Value>,
        max: usize,
    ) -> &'v [Value] {
        match value {
            None | Some(Value::Null) => &[],
            Some(Value::Array(list)) => {
                if list.len() > max {
                    self.say(
                        path,
                        "BASE_TYPE_MAX_LENGTH",
                        format!("Must be {max} or fewer in length."),
                    );
                }
                list
            }
            Some(_) => {
                self.say(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType");
                &[]
            }
        }
    }

    pub(super) fn settle(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Refusal { errors: Some(Value::Object(self.0)), ..MALFORMED })
        }
    }
}
