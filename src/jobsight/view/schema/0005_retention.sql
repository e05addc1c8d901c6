-- From when on ended jobs and roll-ups are kept (0: all of them), and how far the deletion of the others has come.
ALTER TABLE applied ADD COLUMN completed_from_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE applied ADD COLUMN other_from_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE applied ADD COLUMN kept_as_of_ms INTEGER NOT NULL DEFAULT 0;

-- Rows in `jobs`: those that are gone already, but not deleted yet, count.
ALTER TABLE applied ADD COLUMN retained INTEGER NOT NULL DEFAULT 0;
UPDATE applied SET retained = (SELECT count(*) FROM jobs);

-- The next number to be looked at; NULL when everything up to `swept_ms` (the sum of both cutoffs) was looked at.
ALTER TABLE applied ADD COLUMN sweep_next INTEGER;
ALTER TABLE applied ADD COLUMN swept_ms INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 5;
