//! What a person did and saw.

mod chats;
mod killed;
mod outage;
mod restarts;
mod shares;
mod upgrade;
