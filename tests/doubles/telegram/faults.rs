//! The ways in which the Bot API falls ill on demand.

use super::TelegramDouble;
use super::refusal::Refusal;
use crate::doubles::disobeyed::Disobeyed;
use crate::doubles::web::Reply;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error page of the front end with this status.
    Status(u16),
    /// The connection breaks before anything was done.
    Reset,
    /// The request is taken, and never answered.
    Hang,
    /// 429; as many seconds are then closed to the chat, too.
    RateLimited(u32),
    /// All is done, but the connection breaks before the answer.
    AcceptThenReset,
    /// 400 with these words after "Bad Request: ".
    BadRequest(&'static str),
    /// A page with 200 where JSON was due.
    NotJson,
}

impl Fault {
    /// The answer where nothing is done.
    pub fn reply(self) -> Option<Reply> {
        Some(match self {
            Self::Status(status) => Reply::Html {
                status,
                body: format!(
                    "<html>\r\n<head><title>{status}</title></head>\r\n<body>nginx/1.18.0</body>\r\n</html>"
                ),
            },
            Self::Reset => Reply::Reset,
            Self::Hang => Reply::Hang,
            Self::RateLimited(seconds) => Refusal::too_many(i64::from(seconds)).reply(),
            Self::AcceptThenReset => return None,
            Self::BadRequest(why) => Refusal::bad(why).reply(),
            Self::NotJson => Reply::Html {
                status: 200,
                body: "<html><body>Please log in</body></html>".to_owned(),
            },
        })
    }
}

/// What is ill; see [`super::chat::Chat`] for what is so in one chat alone.
#[derive(Debug, Default)]
pub struct Faults {
    pub sending: VecDeque<Fault>,
    pub polling: VecDeque<Fault>,
    share: Option<(f64, fastrand::Rng)>,
}

impl Faults {
    /// The fault of the next call that sends.
    pub fn of_sending(&mut self, in_chat: Option<Fault>) -> Option<Fault> {
        if let Some(fault) = self.sending.pop_front().or(in_chat) {
            return Some(fault);
        }
        let (share, random) = self.share.as_mut()?;
        if random.f64() >= *share {
            return None;
        }
        let seconds = random.u32(1..=5);
        random.choice([Fault::RateLimited(seconds), Fault::Status(500), Fault::Reset, Fault::Hang])
    }
}

impl TelegramDouble {
    /// The next `times` calls that send or edit a text get it.
    pub fn fault(&self, fault: Fault, times: usize) {
        self.act(|world| world.faults.sending.extend(std::iter::repeat_n(fault, times)));
    }

    /// The next `times` calls of getUpdates get it.
    pub fn fault_polling(&self, fault: Fault, times: usize) {
        self.act(|world| world.faults.polling.extend(std::iter::repeat_n(fault, times)));
    }

    /// Of the calls that send or edit a text, this share gets 429, 500, a reset or no answer.
    pub fn fault_share(&self, share: f64, seed: u64) {
        self.act(|world| world.faults.share = Some((share, fastrand::Rng::with_seed(seed))));
    }

    /// Every text for this chat gets it, until [`TelegramDouble::heal`].
    pub fn fault_in(&self, chat: i64, fault: Fault) {
        self.act(|world| world.chat_mut(chat).fault = Some(fault));
    }

    /// Nothing is ill any more.
    pub fn heal(&self) {
        self.act(|world| {
            world.faults = Faults::default();
            world.chats.values_mut().for_each(|chat| chat.fault = None);
        });
    }

    /// Everything is answered with 401.
    pub fn revokes_token(&self) {
        self.act(|world| world.revoked = true);
    }

    pub fn restores_token(&self) {
        self.act(|world| world.revoked = false);
    }

    /// Another one polls with the same token: getUpdates is answered with 409.
    pub fn second_instance(&self, is_there: bool) {
        self.act(|world| world.second_instance = is_there);
    }

    /// Nothing is too much.
    pub fn unlimited(&self) {
        self.act(|world| world.unlimited = true);
    }

    /// Calls that came although a 429 had said to wait.
    pub fn disobedience(&self) -> usize {
        self.look(|world| world.disobeyed.len())
    }

    /// Describes each of those calls.
    pub fn disobeyed(&self) -> Vec<Disobeyed> {
        self.look(|world| world.disobeyed.clone())
    }
}
