//! A chat that cannot be told any more, by whatever way that became known.

use super::body::Body;
use crate::domain::{Chat, NewDelivery, Timestamp};
use crate::store::{NewNotice, Place, StoreError, Tx};

/// Nothing more is told there; the person who subscribed hears of it, where they can be told alone: of a chat that is
/// called `shown` and is opened by `link`. Says whether it could be told until now.
pub fn suspend(
    tx: &Tx<'_>,
    place: &Place,
    shown: &str,
    link: Option<String>,
    why: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let chat = &place.chat;
    if !tx.chats().suspend(chat.id, why, now)? {
        return Ok(false);
    }
    let direct = place.owner.as_deref().and_then(|owner| Chat::direct(&chat.platform, owner));
    if let Some(direct) = direct.filter(|direct| *direct != chat.address) {
        let owner = tx.chats().ensure(&chat.platform, &direct)?;
        let body = Body::Suspended { place: shown.to_owned(), link, why: why.to_owned() };
        let notice = NewNotice::operator(format!("suspended {} {now}", chat.id), body.to_json());
        tx.deliveries().owe(&notice, &[NewDelivery::now(owner.id, false)], now, 0)?;
    }
    Ok(true)
}
