-- Who wants to hear of what, and what is owed to whom: the outbox.

CREATE TABLE chat (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    platform TEXT NOT NULL CHECK (platform <> ''),
    address  TEXT NOT NULL,
    UNIQUE (platform, address)
) STRICT;

-- An empty entity is everything that the config watches.
CREATE TABLE subscription (
    chat_id        INTEGER NOT NULL REFERENCES chat (id),
    entity         TEXT    NOT NULL,
    from_suspected INTEGER NOT NULL CHECK (from_suspected IN (0, 1)),
    since          INTEGER NOT NULL,
    PRIMARY KEY (chat_id, entity)
) STRICT, WITHOUT ROWID;

-- An alert is told by its transition, everything else by a key of its own: neither is owed twice.
CREATE TABLE notice (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    kind              TEXT    NOT NULL CHECK (kind IN ('alert', 'summary', 'test', 'operator')),
    incident_id       INTEGER,
    transition_number INTEGER,
    once              TEXT UNIQUE,
    body              TEXT CHECK (json_valid(body)),
    created_at        INTEGER NOT NULL,
    UNIQUE (kind, incident_id, transition_number),
    FOREIGN KEY (incident_id, transition_number) REFERENCES transition (incident_id, number),
    CHECK ((kind = 'alert') = (incident_id IS NOT NULL AND transition_number IS NOT NULL)),
    CHECK ((kind = 'alert') = (once IS NULL)),
    CHECK ((kind = 'alert') = (body IS NULL))
) STRICT;

CREATE INDEX notice_by_incident ON notice (incident_id, transition_number);

-- `incident_id`, `transition_number` and `is_start` repeat what the notice says, since the order in which deliveries may
-- go is asked for at every turn of the outbox.
CREATE TABLE delivery (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    notice_id         INTEGER NOT NULL REFERENCES notice (id),
    chat_id           INTEGER NOT NULL REFERENCES chat (id),
    incident_id       INTEGER,
    transition_number INTEGER,
    is_start          INTEGER NOT NULL CHECK (is_start IN (0, 1)),
    state             TEXT    NOT NULL DEFAULT 'owed' CHECK (state IN ('owed', 'sending', 'sent', 'given_up')),
    -- An attempt whose outcome nobody knows was made: the chat may have it already.
    in_doubt          INTEGER NOT NULL DEFAULT 0 CHECK (in_doubt IN (0, 1)),
    attempts          INTEGER NOT NULL DEFAULT 0,
    next_at           INTEGER NOT NULL,
    sending_at        INTEGER,
    sent_at           INTEGER,
    message_id        TEXT,
    error             TEXT,
    UNIQUE (notice_id, chat_id),
    CHECK ((state = 'sent') = (sent_at IS NOT NULL))
) STRICT;

-- The outbox proper: a few rows beside all that were ever sent.
CREATE INDEX delivery_pending ON delivery (chat_id, incident_id, transition_number) WHERE state IN ('owed', 'sending');

-- An incident's message in a chat, edited as the picture grows.
CREATE TABLE card (
    incident_id INTEGER NOT NULL REFERENCES incident (id),
    chat_id     INTEGER NOT NULL REFERENCES chat (id),
    message_id  TEXT,
    wanted      INTEGER NOT NULL CHECK (wanted >= 0),
    sent        INTEGER NOT NULL DEFAULT 0 CHECK (sent >= 0),
    PRIMARY KEY (incident_id, chat_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX card_behind ON card (chat_id) WHERE wanted > sent;
