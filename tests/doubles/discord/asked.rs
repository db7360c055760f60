//! What the bot has asked for.

use super::DiscordDouble;
use linkdown::clock::Millis;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Of the answer; 0 where there was none.
    pub status: u16,
    pub at_millis: Millis,
    pub body: Value,
    /// Of the answer; `Null` where it was no JSON.
    pub answer: Value,
}

impl DiscordDouble {
    /// Every REST call, in the order of their arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.lock().calls.clone()
    }

    /// Calls that this double has no answer for.
    pub fn unexpected(&self) -> Vec<String> {
        self.inner.lock().unexpected.clone()
    }

    /// The global commands as they were last registered.
    pub fn registered(&self) -> Vec<Value> {
        self.inner.lock().commands.clone()
    }

    /// How often they were.
    pub fn registrations(&self) -> usize {
        self.inner.lock().registrations
    }
}
