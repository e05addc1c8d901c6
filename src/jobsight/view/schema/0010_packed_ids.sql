-- Ids that end in a UUID, as most do that are made by machines, hold it in 16 bytes instead of 36. Rows that hold the whole id as
-- text stay as they are.
ALTER TABLE jobs RENAME COLUMN job_id TO id_start;  -- the id, up to its UUID
ALTER TABLE jobs ADD COLUMN id_uuid BLOB;           -- the bytes of the UUID at its end, lower case; NULL: there is none
ALTER TABLE jobs ADD COLUMN job_id TEXT GENERATED ALWAYS AS (
    CASE WHEN id_uuid IS NULL THEN id_start ELSE id_start || lower(
        hex(substr(id_uuid, 1, 4)) || '-' || hex(substr(id_uuid, 5, 2)) || '-' || hex(substr(id_uuid, 7, 2)) || '-'
        || hex(substr(id_uuid, 9, 2)) || '-' || hex(substr(id_uuid, 11))
    ) END
) VIRTUAL;

PRAGMA user_version = 10;
