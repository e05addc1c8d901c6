-- Which ping URL stands for which task. The secret opens nothing but reporting, and is needed to show the URL again.
CREATE TABLE ping_urls (
    ping_id    TEXT    PRIMARY KEY,
    secret     TEXT    NOT NULL,  -- the UUID or the ping key in its path
    task       TEXT,              -- NULL: a ping key
    note       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    author     TEXT    NOT NULL,
    revoked_ms INTEGER
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 4;
