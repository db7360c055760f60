-- How long a platform asked not to be called: kept, so that a restart keeps to it. An empty place is the whole platform.
CREATE TABLE pause (
    platform TEXT    NOT NULL CHECK (platform <> ''),
    place    TEXT    NOT NULL,
    until    INTEGER NOT NULL,
    PRIMARY KEY (platform, place)
) STRICT, WITHOUT ROWID;

-- Attempts in a row that failed by a fault of the platform or the network: these alone make the pauses longer. An attempt
-- that a restart interrupted, and a pause that the platform asked for, are no such failures.
ALTER TABLE delivery ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;

-- Starts that are fresh go before those that are late, and both before everything else; then by age.
DROP INDEX delivery_owed;
CREATE INDEX delivery_owed ON delivery (platform, is_start DESC, owed_at, notice_id, id) WHERE state = 'owed';

-- The chat refuses edits until a new message is in it: the card is edited after that, or after `next_at`.
ALTER TABLE card ADD COLUMN is_refused INTEGER NOT NULL DEFAULT 0 CHECK (is_refused IN (0, 1));
CREATE INDEX card_refused ON card (chat_id) WHERE is_refused = 1;
