//! Data of the bot that a platform stores, such as the commands in its menus. It is sent when it
//! changes, not at every start.

use crate::command::AppContext;
use std::future::Future;

/// Runs `tell` unless exactly this text was sent to the platform for `what` before. Returns whether
/// it was sent now.
pub(super) async fn tell_changed<E>(
    context: &AppContext,
    platform: &'static str,
    what: String,
    said: String,
    tell: impl Future<Output = Result<(), E>>,
) -> Result<bool, E> {
    let (known_what, known_said) = (what.clone(), said.clone());
    let known =
        context.store.read(move |db| db.chats().was_told(platform, &known_what, &known_said)).await;
    if known.unwrap_or(false) {
        return Ok(false);
    }
    tell.await?;
    if let Err(error) = context.store.write(move |tx| tx.chats().told(platform, &what, &said)).await
    {
        tracing::warn!(
            platform,
            "told again at the next start, since it could not be noted: {error}"
        );
    }
    Ok(true)
}
