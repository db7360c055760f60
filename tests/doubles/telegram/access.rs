//! Who may do what in which chat, in the order in which the real one looks, and what it costs.

use super::chat::{Chat, Kind, Membership, TopicState};
use super::limits::{GROUP, OVERALL, PRIVATE};
use super::params::Params;
use super::refusal::Refusal;
use super::world::World;
use crate::doubles::disobeyed::Disobeyed;

/// What is wanted of a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Members,
    Edit,
    Write,
}

impl World {
    /// The chat that `chat_id` names, if it may be used so.
    pub fn access(&self, params: &Params, wanted: Access) -> Result<i64, Refusal> {
        let name = params.text("chat_id");
        if name.is_empty() {
            return Err(Refusal::bad("chat_id is empty"));
        }
        let known = name.parse().ok().and_then(|id: i64| self.chats.get(&id));
        let chat = known
            .filter(|chat| chat.standing != Membership::Stranger)
            .ok_or_else(|| Refusal::bad("chat not found"))?;
        match chat.kind {
            Kind::Private => private(chat, wanted),
            Kind::Group => group(chat, wanted),
            Kind::Supergroup | Kind::Channel => inside(chat),
        }?;
        if wanted == Access::Write {
            writes(chat)?;
        }
        Ok(chat.id)
    }

    /// One message more, if that is not too much.
    pub fn spend(&mut self, id: i64) -> Result<(), Refusal> {
        if self.unlimited {
            return Ok(());
        }
        let now = self.now();
        if let Some(seconds) = self.pace.wait(now, OVERALL) {
            return Err(self.pace.close(now, seconds));
        }
        let chat = self.chat_mut(id);
        let windows = if chat.kind == Kind::Private { PRIVATE } else { GROUP };
        if let Some(seconds) = chat.pace.wait(now, windows) {
            return Err(chat.pace.close(now, seconds));
        }
        chat.pace.spend(now);
        self.pace.spend(now);
        Ok(())
    }

    /// Refuses what comes although it was told to wait.
    pub fn heeds_the_wait(&mut self, params: &Params) -> Result<(), Refusal> {
        let now = self.now();
        let chat = params.number("chat_id").and_then(|id| self.chats.get(&id));
        let of_chat = chat.map(|chat| &chat.pace).filter(|pace| pace.closed_for(now).is_some());
        let Some(pace) = of_chat.or(Some(&self.pace).filter(|pace| pace.closed_for(now).is_some()))
        else {
            return Ok(());
        };
        let seconds = pace.closed_for(now).unwrap_or_default();
        // What was on its way already could not know of a pause that is everybody's.
        if of_chat.is_some() || !pace.may_not_know_yet(now) {
            let (told_at, early_ms) = (pace.told_at(), pace.left(now));
            self.disobeyed.push(Disobeyed {
                told_at,
                at: now,
                early_ms,
                call: format!("Telegram: {}", params.whole()),
            });
        }
        Err(Refusal::too_many(seconds))
    }
}

fn private(chat: &Chat, wanted: Access) -> Result<(), Refusal> {
    let changes = matches!(wanted, Access::Edit | Access::Write);
    if chat.deactivated && changes {
        return Err(Refusal::forbidden("user is deactivated"));
    }
    if chat.standing == Membership::Kicked && changes {
        return Err(Refusal::forbidden("bot was blocked by the user"));
    }
    if !chat.started && wanted == Access::Write {
        return Err(Refusal::forbidden("bot can't initiate conversation with a user"));
    }
    Ok(())
}

fn group(chat: &Chat, wanted: Access) -> Result<(), Refusal> {
    if wanted == Access::Read {
        return Ok(());
    }
    if let Some(to) = chat.migrated_to {
        return Err(Refusal::upgraded(to));
    }
    match chat.standing {
        _ if chat.gone => Err(Refusal::forbidden("the group chat was deleted")),
        Membership::Kicked => Err(Refusal::forbidden("bot was kicked from the group chat")),
        Membership::Left => Err(Refusal::forbidden("bot is not a member of the group chat")),
        _ => Ok(()),
    }
}

fn inside(chat: &Chat) -> Result<(), Refusal> {
    let kind = if chat.kind == Kind::Channel { "channel" } else { "supergroup" };
    match chat.standing {
        _ if chat.gone => Err(Refusal::bad("chat not found")),
        Membership::Kicked => {
            Err(Refusal::forbidden(&format!("bot was kicked from the {kind} chat")))
        }
        Membership::Left => {
            Err(Refusal::forbidden(&format!("bot is not a member of the {kind} chat")))
        }
        _ => Ok(()),
    }
}

fn writes(chat: &Chat) -> Result<(), Refusal> {
    match (chat.kind, chat.standing) {
        (Kind::Channel, standing) if standing != Membership::Admin => {
            Err(Refusal::bad("need administrator rights in the channel chat"))
        }
        (_, Membership::Restricted) => {
            Err(Refusal::bad("not enough rights to send text messages to the chat"))
        }
        _ => Ok(()),
    }
}

/// The topic to write to; a thread that is no topic is ignored outside forums.
pub fn topic(chat: &Chat, params: &Params) -> Result<Option<i32>, Refusal> {
    if !chat.forum {
        return Ok(None);
    }
    let Some(id) = params.number("message_thread_id").filter(|id| *id > 0) else {
        return if chat.general_is_closed { Err(Refusal::bad("TOPIC_CLOSED")) } else { Ok(None) };
    };
    // "General" has the number 1, but must not be named.
    let topic =
        i32::try_from(id).ok().and_then(|id| chat.topics.get(&id).map(|topic| (id, topic.state)));
    match topic {
        Some((id, TopicState::Open)) => Ok(Some(id)),
        Some((_, TopicState::Closed)) => Err(Refusal::bad("TOPIC_CLOSED")),
        Some((_, TopicState::Deleted)) | None => Err(Refusal::bad("message thread not found")),
    }
}
