-- How the sources do: health, what of their budgets is used, how far an entity's first backfill has come.

CREATE TABLE source_health (
    source             TEXT PRIMARY KEY,
    last_success       INTEGER,
    newest_bin         INTEGER,
    last_error         TEXT,
    error_at           INTEGER,
    -- In a row, since the last success.
    failures           INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
    backing_off_until  INTEGER
) STRICT, WITHOUT ROWID;

-- `day` counts days (UTC) since 1970.
CREATE TABLE budget (
    source TEXT    NOT NULL,
    day    INTEGER NOT NULL,
    calls  INTEGER NOT NULL CHECK (calls >= 0),
    PRIMARY KEY (source, day)
) STRICT, WITHOUT ROWID;

-- Bins in [covered_from, covered_to) are in.
CREATE TABLE backfill (
    source       TEXT    NOT NULL,
    entity       TEXT    NOT NULL,
    covered_from INTEGER NOT NULL,
    covered_to   INTEGER NOT NULL,
    done         INTEGER NOT NULL CHECK (done IN (0, 1)),
    PRIMARY KEY (source, entity),
    CHECK (covered_from <= covered_to)
) STRICT, WITHOUT ROWID;

-- When a bot that runs on this database last said that it is alive; no row once it was stopped cleanly.
CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at INTEGER NOT NULL
) STRICT;
