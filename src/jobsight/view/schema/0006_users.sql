-- Operators who may sign in. The hashes of their passwords stand in files of their own, never here.
CREATE TABLE users (
    name         TEXT    PRIMARY KEY,
    scope        TEXT    NOT NULL,
    password_ref TEXT    NOT NULL,
    created_ms   INTEGER NOT NULL,
    changed_ms   INTEGER NOT NULL,
    author       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 6;
