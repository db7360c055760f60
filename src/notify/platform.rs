//! What the outbox needs of a platform. Each platform implements it in `chat/`.

use super::retry::SendError;
use crate::domain::Chat;
use crate::render::Card;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// A message on its way.
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub chat: &'a Chat,
    pub card: &'a Card,
    /// The delivery's number: a platform that knows idempotent sending uses it as the key.
    pub key: i64,
    /// Whether the program was stopped while sending this very message: it may have arrived already.
    pub in_doubt: bool,
}

/// The platform's id of a message that arrived.
pub type MessageId = String;

pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<MessageId, SendError>> + Send + 'a>>;

pub trait Platform: Send + Sync + fmt::Debug {
    /// The word by which chats name it: `console`.
    fn name(&self) -> &'static str;

    /// Sends one message, once; retrying is the outbox's.
    fn send<'a>(&'a self, message: Outgoing<'a>) -> Sending<'a>;
}
