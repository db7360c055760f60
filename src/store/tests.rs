//! Stories about the file, the transactions and the plans; what belongs to one noun is told here as well, by chapter.

mod erased;
mod file;
mod half_written;
mod ownership;
mod plans;
mod standing;
mod story;

pub(crate) use story::transition;

use super::Store;

/// Whatever asks for what is owed fails, until it is mended: a database that is ill for a while.
pub(crate) async fn falls_ill(store: &Store) {
    rename(store, "ALTER TABLE delivery RENAME TO delivery_away").await;
}

pub(crate) async fn is_mended(store: &Store) {
    rename(store, "ALTER TABLE delivery_away RENAME TO delivery").await;
}

async fn rename(store: &Store, sql: &'static str) {
    store.write(move |tx| Ok(tx.connection.execute_batch(sql)?)).await.unwrap();
}
