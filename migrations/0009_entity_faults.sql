-- What a source does not answer about one entity while it answers about others. Times are Unix seconds, UTC.

CREATE TABLE entity_fault (
    source      TEXT    NOT NULL,
    entity      TEXT    NOT NULL,
    why         TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    -- In a row.
    failures    INTEGER NOT NULL CHECK (failures > 0),
    -- Until when the source is not asked about it; NULL: it is asked as usual.
    rests_until INTEGER,
    PRIMARY KEY (source, entity)
) STRICT, WITHOUT ROWID;
