//! Tests of the file, the transactions and the query plans, and of the single nouns.

mod erased;
mod file;
mod half_written;
mod ownership;
mod plans;
mod standing;
mod story;

pub(crate) use story::transition;

use super::Store;

/// Makes every query of deliveries fail until [`is_mended`] is called: simulates a temporary fault
/// of the database.
pub(crate) async fn falls_ill(store: &Store) {
    rename(store, "ALTER TABLE delivery RENAME TO delivery_away").await;
}

pub(crate) async fn is_mended(store: &Store) {
    rename(store, "ALTER TABLE delivery_away RENAME TO delivery").await;
}

async fn rename(store: &Store, sql: &'static str) {
    store.write(move |tx| Ok(tx.connection.execute_batch(sql)?)).await.unwrap();
}
