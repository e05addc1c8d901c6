-- Names of tasks: so many have statistics, alerts and rows of their own, further ones are one task.
CREATE TABLE tasks (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO tasks (name) SELECT DISTINCT task FROM pairs WHERE task IS NOT NULL AND task <> '(other)';

-- The bound, and how often a name was not taken because of it.
ALTER TABLE applied ADD COLUMN tasks_max INTEGER NOT NULL DEFAULT 200000;
ALTER TABLE applied ADD COLUMN tasks_folded INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 8;
