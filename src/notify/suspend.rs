//! Suspends a chat that cannot be reached any more, however that became known.

use super::body::Body;
use crate::domain::{Chat, NewDelivery, Timestamp};
use crate::store::{NewNotice, Place, StoreError, Tx};

/// Suspends the chat, so that nothing more is sent there. The person who subscribed there last is
/// notified in a direct chat, if there is one; that message calls the suspended chat `shown` and
/// links to it by `link`. Returns `false` if the chat was suspended already.
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
