-- What is wrong with the bot itself, while it is: its operator is told once, and once more when it is over.

CREATE TABLE trouble (
    -- What it is about: `source ioda`, `disk`, `clock`.
    what  TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    said  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
