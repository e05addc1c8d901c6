-- What the monitor expects, what it has told whom, and what it still has to tell. Times in ms since the epoch, UTC.

-- What an alert has beside the columns that are searched: severity, labels, who was told, who acknowledged it (JSON).
ALTER TABLE alerts ADD COLUMN detail TEXT NOT NULL DEFAULT '{}';

-- When the monitor is known to have watched last: not derived from the log, and worth nothing once it is older than that.
ALTER TABLE applied ADD COLUMN alive_ms INTEGER NOT NULL DEFAULT 0;

-- One row: routing, silences, maintenance windows, blind times, what each channel was told last (JSON).
CREATE TABLE watch (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    content TEXT NOT NULL
) STRICT;

-- What is expected of each task, and the state of its runs.
CREATE TABLE checks (
    task        TEXT PRIMARY KEY,
    deadline_ms INTEGER,            -- of its schedule; NULL without one
    content     TEXT NOT NULL       -- JSON, a `core.check.Check`
) STRICT, WITHOUT ROWID;

-- The checks that are due first.
CREATE INDEX checks_by_deadline ON checks (deadline_ms) WHERE deadline_ms IS NOT NULL;

-- Groups of alerts that a channel is told of together.
CREATE TABLE groups (
    key         TEXT PRIMARY KEY,
    deadline_ms INTEGER,
    content     TEXT NOT NULL       -- JSON, a `core.groups.Group`
) STRICT, WITHOUT ROWID;

-- Notifications: those that wait are the outbox, the others are the record of what was delivered or given up.
CREATE TABLE deliveries (
    number      INTEGER PRIMARY KEY,
    delivery_id TEXT    NOT NULL UNIQUE,
    channel     TEXT    NOT NULL,
    alert_id    TEXT,
    dedup_key   TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    created_ms  INTEGER NOT NULL,
    done_ms     INTEGER,
    content     TEXT    NOT NULL    -- JSON, a `core.outbox.Delivery`
) STRICT;

-- The outbox, at start.
CREATE INDEX deliveries_waiting ON deliveries (number) WHERE state = 'waiting';

-- Who was told of an alert.
CREATE INDEX deliveries_by_dedup_key ON deliveries (dedup_key);

PRAGMA user_version = 2;
