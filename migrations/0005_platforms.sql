-- Chats on platforms: where they belong, whether they can be reached, how they want to be told, what is held back.

-- `home` is what is left and entered as a whole: a Discord server, a Telegram group with all its topics.
-- `owner` is the platform's number of the person who last subscribed there: told when the chat cannot be.
ALTER TABLE chat ADD COLUMN home TEXT;
ALTER TABLE chat ADD COLUMN owner TEXT;
ALTER TABLE chat ADD COLUMN suspended_at INTEGER;
ALTER TABLE chat ADD COLUMN suspended_why TEXT CHECK ((suspended_at IS NULL) = (suspended_why IS NULL));
CREATE INDEX chat_by_home ON chat (platform, home);

ALTER TABLE subscription ADD COLUMN options TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(options));

-- An empty entity is everything.
CREATE TABLE mute (
    chat_id INTEGER NOT NULL REFERENCES chat (id),
    entity  TEXT    NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (chat_id, entity)
) STRICT, WITHOUT ROWID;

-- What an incident's cards should show: counted up with each transition, and whenever what is measured has changed.
-- `evidence` is the newest, where it is newer than that of the last transition.
ALTER TABLE incident ADD COLUMN revision INTEGER NOT NULL DEFAULT 0 CHECK (revision >= 0);
ALTER TABLE incident ADD COLUMN evidence TEXT CHECK (json_valid(evidence));
UPDATE incident SET revision = transitions;

-- An edit that failed, or was just made, is made again no sooner.
ALTER TABLE card ADD COLUMN next_at INTEGER NOT NULL DEFAULT 0;

-- What a platform was told once and need not be told again: the commands that it shows to people.
CREATE TABLE told_platform (
    platform TEXT NOT NULL,
    what     TEXT NOT NULL,
    digest   TEXT NOT NULL,
    PRIMARY KEY (platform, what)
) STRICT, WITHOUT ROWID;

-- New states: `held` until quiet hours or a mute end, `summed` into one line with others. `platform`, like
-- `incident_id`, `transition_number` and `is_start`, repeats what stands elsewhere, since it is asked for at every turn.
CREATE TABLE delivery_new (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    notice_id         INTEGER NOT NULL REFERENCES notice (id),
    chat_id           INTEGER NOT NULL REFERENCES chat (id),
    platform          TEXT    NOT NULL,
    incident_id       INTEGER,
    transition_number INTEGER,
    is_start          INTEGER NOT NULL CHECK (is_start IN (0, 1)),
    state             TEXT    NOT NULL DEFAULT 'owed'
                              CHECK (state IN ('owed', 'held', 'sending', 'sent', 'summed', 'given_up')),
    held_for          TEXT    CHECK (held_for IN ('mute', 'quiet')),
    -- An attempt whose outcome nobody knows was made: the chat may have it already.
    in_doubt          INTEGER NOT NULL DEFAULT 0 CHECK (in_doubt IN (0, 1)),
    -- When the first such attempt was made.
    doubt_since       INTEGER,
    -- How often it was sent again without knowing.
    doubts            INTEGER NOT NULL DEFAULT 0,
    -- The platform could not read it as it was written: plain text this time.
    plain             INTEGER NOT NULL DEFAULT 0 CHECK (plain IN (0, 1)),
    attempts          INTEGER NOT NULL DEFAULT 0,
    -- Since when it may go: what is told long after is late.
    owed_at           INTEGER NOT NULL,
    next_at           INTEGER NOT NULL,
    sending_at        INTEGER,
    sent_at           INTEGER,
    message_id        TEXT,
    error             TEXT,
    UNIQUE (notice_id, chat_id),
    CHECK ((state = 'sent') = (sent_at IS NOT NULL)),
    CHECK (state <> 'held' OR held_for IS NOT NULL)
) STRICT;
INSERT INTO delivery_new (id, notice_id, chat_id, platform, incident_id, transition_number, is_start, state, in_doubt,
                          attempts, owed_at, next_at, sending_at, sent_at, message_id, error)
SELECT d.id, d.notice_id, d.chat_id, c.platform, d.incident_id, d.transition_number, d.is_start, d.state, d.in_doubt,
       d.attempts, n.created_at, d.next_at, d.sending_at, d.sent_at, d.message_id, d.error
FROM delivery d JOIN chat c ON c.id = d.chat_id JOIN notice n ON n.id = d.notice_id;
DROP TABLE delivery;
ALTER TABLE delivery_new RENAME TO delivery;

-- The outbox proper: a few rows beside all that were ever sent.
CREATE INDEX delivery_pending ON delivery (chat_id, incident_id, transition_number)
    WHERE state IN ('owed', 'held', 'sending');
CREATE INDEX delivery_owed ON delivery (platform, is_start DESC, notice_id, id) WHERE state = 'owed';
CREATE INDEX delivery_held ON delivery (platform, next_at) WHERE state = 'held';
CREATE INDEX delivery_sending ON delivery (platform) WHERE state = 'sending';
CREATE INDEX delivery_by_chat ON delivery (chat_id);
-- What a chat was last told of an incident.
CREATE INDEX delivery_told ON delivery (chat_id, incident_id, sent_at) WHERE state = 'sent';
