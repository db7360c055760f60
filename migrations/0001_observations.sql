-- What the sources said, in the order in which it reached us, and the detector's checkpoint over it.
-- Times are Unix seconds, UTC.

CREATE TABLE batch (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at INTEGER NOT NULL,
    arrival     TEXT    NOT NULL CHECK (arrival IN ('live', 'caught_up', 'backfilled'))
) STRICT;

-- Pruning asks for the oldest.
CREATE INDEX batch_by_age ON batch (received_at);

CREATE TABLE series (
    id      INTEGER PRIMARY KEY,
    entity  TEXT NOT NULL,
    source  TEXT NOT NULL,
    signal  TEXT NOT NULL,
    vantage TEXT NOT NULL DEFAULT 'local',
    UNIQUE (entity, source, signal, vantage)
) STRICT;

-- A further value of the same bin is a further revision; the highest one stands. NULL is unknown, never zero.
CREATE TABLE observation (
    series_id   INTEGER NOT NULL REFERENCES series (id),
    observed_at INTEGER NOT NULL,
    revision    INTEGER NOT NULL CHECK (revision >= 0),
    batch_id    INTEGER NOT NULL REFERENCES batch (id),
    position    INTEGER NOT NULL CHECK (position >= 0),
    value       REAL,
    PRIMARY KEY (series_id, observed_at, revision)
) STRICT, WITHOUT ROWID;

-- Gives the batches back as they came.
CREATE UNIQUE INDEX observation_by_batch ON observation (batch_id, position);

-- `key` tells apart what may stand side by side: a report by its id, a gateway by its AS number.
CREATE TABLE fact (
    id          INTEGER PRIMARY KEY,
    batch_id    INTEGER NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL CHECK (position >= 0),
    entity      TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    word        TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    observed_at INTEGER NOT NULL,
    detail      TEXT    NOT NULL CHECK (json_valid(detail)),
    UNIQUE (batch_id, position)
) STRICT;

-- Whether a fact is news: the newest of its kind.
CREATE INDEX fact_by_kind ON fact (entity, source, word, key, observed_at);

-- What is left of an hour once its observations are pruned. An hour in which nothing was known has no row.
CREATE TABLE hourly (
    series_id INTEGER NOT NULL REFERENCES series (id),
    hour      INTEGER NOT NULL CHECK (hour % 3600 = 0),
    count     INTEGER NOT NULL CHECK (count > 0),
    low       REAL    NOT NULL,
    median    REAL    NOT NULL,
    high      REAL    NOT NULL,
    PRIMARY KEY (series_id, hour)
) STRICT, WITHOUT ROWID;

-- The detector's state after `batch_id`: a cache, to be thrown away when it cannot be read.
CREATE TABLE checkpoint (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    format   INTEGER NOT NULL,
    batch_id INTEGER NOT NULL,
    state    BLOB    NOT NULL
) STRICT;
