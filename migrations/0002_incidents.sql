-- Outages and their numbered changes, each with the evidence that it rests on. Kept for good.

CREATE TABLE incident (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    entity       TEXT    NOT NULL,
    ordinal      INTEGER NOT NULL CHECK (ordinal > 0),
    phase        TEXT    NOT NULL CHECK (phase IN ('suspected', 'down', 'returning', 'recovered', 'retracted')),
    started_at   INTEGER NOT NULL,
    recovered_at INTEGER,
    -- How many transitions it has: the number of the newest.
    transitions  INTEGER NOT NULL CHECK (transitions > 0),
    -- Why the alert of its start is held back, while it is.
    untold       TEXT CHECK (untold IN ('backfill', 'absence')),
    UNIQUE (entity, ordinal),
    CHECK ((phase = 'recovered') = (recovered_at IS NOT NULL))
) STRICT;

CREATE INDEX incident_by_start ON incident (started_at);
CREATE INDEX incident_open ON incident (id) WHERE phase IN ('suspected', 'down', 'returning');
CREATE INDEX incident_untold ON incident (id) WHERE untold IS NOT NULL;

CREATE TABLE transition (
    incident_id INTEGER NOT NULL REFERENCES incident (id),
    number      INTEGER NOT NULL CHECK (number > 0),
    kind        TEXT    NOT NULL CHECK (kind IN ('suspected', 'started', 'worsened', 'partly_back', 'gone_again',
                                                 'recovered', 'retracted')),
    at          INTEGER NOT NULL,
    arrival     TEXT    NOT NULL CHECK (arrival IN ('live', 'caught_up', 'backfilled')),
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    evidence    TEXT    NOT NULL CHECK (json_valid(evidence)),
    PRIMARY KEY (incident_id, number)
) STRICT, WITHOUT ROWID;
