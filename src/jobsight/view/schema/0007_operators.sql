-- What operators ask for: alerts by how bad they are, what was delivered, who has changed what.
ALTER TABLE alerts ADD COLUMN severity TEXT GENERATED ALWAYS AS (detail ->> '$.severity') VIRTUAL;

-- What was given up, to be tried again.
CREATE INDEX deliveries_dead ON deliveries (number) WHERE state = 'dead';

-- One row for each action of an operator.
CREATE TABLE audit (
    number  INTEGER PRIMARY KEY,  -- place of the event in the log
    at_ms   INTEGER NOT NULL,
    author  TEXT    NOT NULL,
    action  TEXT    NOT NULL,     -- type of the event
    subject TEXT    NOT NULL,     -- a task, an alert, a channel, ...; empty for the monitor as a whole
    detail  TEXT    NOT NULL      -- JSON, the rest of the event
) STRICT;

-- What was done to one thing.
CREATE INDEX audit_by_subject ON audit (subject);

PRAGMA user_version = 7;
