//! What the outbox needs of a platform. Each platform implements it in `chat/`.

use super::pace::{Limit, SharedPace};
use super::retry::SendError;
use crate::domain::{Chat, Timestamp};
use crate::render::Card;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub chat: Chat,
    pub card: Card,
    /// The delivery's number: a platform that knows idempotent sending uses it as the key.
    pub key: i64,
    /// When an attempt was made at this very message of which nobody knows whether it arrived.
    pub in_doubt: Option<Timestamp>,
    /// The message that it answers, where there is one.
    pub answers: Option<MessageId>,
    /// Who is called by name.
    pub mention: Option<String>,
    pub volume: Volume,
    /// Whether the platform can be trusted to read markup: it could not, the last time.
    pub form: Form,
}

/// Whether people are to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    Loud,
    /// Without a sound: a change in the course of what they know of.
    Silent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Rich,
    Plain,
}

/// A message that is there and should say something else.
#[derive(Clone, Debug)]
pub struct Edit {
    pub chat: Chat,
    pub message: MessageId,
    pub card: Card,
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub message: MessageId,
    /// For so long nothing more may go to that chat, as the platform said with its answer.
    pub rest_ms: i64,
}

/// The platform's id of a message.
pub type MessageId = String;

pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, SendError>> + Send + 'a>>;

/// Whether messages can be edited there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cards {
    Kept,
    /// Each change is a message of its own.
    None,
}

pub trait Platform: Send + Sync + fmt::Debug {
    /// The word by which chats name it: `console`.
    fn name(&self) -> &'static str;

    fn cards(&self) -> Cards;

    /// Returns the pace that everything sent to this platform shares.
    fn pace(&self) -> SharedPace;

    /// Returns how fast messages may go to this chat.
    fn pace_of(&self, chat: &Chat) -> Limit;

    /// Returns the place that the platform counts together when it limits messages: by default the chat itself.
    fn place_of(&self, chat: &Chat) -> String {
        chat.address.clone()
    }

    /// What a chat is called to somebody who is told of it elsewhere.
    fn place(&self, chat: &Chat) -> String;

    /// Where it can be opened, where there is such an address. `home` is what it belongs to.
    fn link(&self, chat: &Chat, home: Option<&str>) -> Option<String>;

    /// Sends one message, once; retrying is the outbox's.
    fn send<'a>(&'a self, message: &'a Outgoing) -> Doing<'a, Sent>;

    fn edit<'a>(&'a self, edit: &'a Edit) -> Doing<'a, ()>;
}
