-- Who may come in by HTTP. Of a secret only its SHA-256 is known anywhere.
CREATE TABLE tokens (
    token_id   TEXT    PRIMARY KEY,
    scope      TEXT    NOT NULL,
    sha256     TEXT    NOT NULL,
    note       TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    author     TEXT    NOT NULL,
    revoked_ms INTEGER
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 3;
