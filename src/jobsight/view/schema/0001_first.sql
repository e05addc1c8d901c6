-- The view as it was first. Times are milliseconds since the epoch, UTC, unless a column says relative to what.
-- A column of type ANY that holds a name holds the number of its word, or the text itself where there are too many words.

PRAGMA application_id = 0x6a6f6273;

-- One row: up to which place in the log everything here is true, and what concerns all jobs.
CREATE TABLE applied (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    log_id          TEXT,
    applied_seq     INTEGER NOT NULL DEFAULT 0,
    checksum        BLOB    NOT NULL DEFAULT x'',
    jobs_total      INTEGER NOT NULL DEFAULT 0,
    statuses        TEXT    NOT NULL DEFAULT '{}',  -- JSON: status word -> jobs that stand there
    duration_sum_us TEXT    NOT NULL DEFAULT '0',   -- decimal: it may pass 64 bits
    duration_count  INTEGER NOT NULL DEFAULT 0,
    retries_max     INTEGER,
    silence_ms      INTEGER NOT NULL DEFAULT 86400000
) STRICT;
INSERT INTO applied (id) VALUES (1);

-- Names that come again and again (statuses, tasks, queues, hosts), once each: a job's row holds a byte instead.
CREATE TABLE words (
    id   INTEGER PRIMARY KEY,
    word TEXT NOT NULL UNIQUE
) STRICT;
-- `completed` must be 1: an index below leaves it out.
INSERT INTO words (id, word) VALUES
    (1, 'completed'), (2, 'failed'), (3, 'cancelled'), (4, 'lost'), (5, 'queued'), (6, 'running'), (7, 'retrying');

-- The latest state of each job. Values that are mostly equal are stored as differences: 0 and 1 take no room.
CREATE TABLE jobs (
    number                INTEGER PRIMARY KEY,  -- place among all jobs ever seen, from 1
    job_id                TEXT    NOT NULL,
    created_ms            INTEGER NOT NULL,
    status                ANY     NOT NULL,     -- word
    task                  ANY,                  -- word
    queue                 ANY,                  -- word
    host                  ANY,                  -- word
    progress              ANY,                  -- percent, integer or real as it was reported
    progress_max          ANY,                  -- NULL: the same as progress
    duration_ms           ANY,
    resource_usage        TEXT,                 -- JSON object of numbers
    labels                TEXT,                 -- JSON object of strings
    attempt               INTEGER,
    retries               INTEGER,
    max_retries           INTEGER,
    error                 TEXT,
    message               TEXT,
    updated_after_ms      INTEGER NOT NULL,     -- from created_ms
    started_after_ms      INTEGER,              -- from created_ms
    moved_before_ms       INTEGER NOT NULL,     -- back from the update
    ended_before_ms       INTEGER,              -- back from the update; NULL: active
    end_at_after_ms       INTEGER,              -- from created_ms; the end by the worker's own clock
    end_host              ANY,                  -- word
    is_end_told_by_update INTEGER NOT NULL,
    events                INTEGER NOT NULL,
    last_digest           INTEGER NOT NULL,
    alert_id              TEXT,
    history               BLOB    NOT NULL,     -- places of the latest events in the log, see history.py
    updated_ms            INTEGER GENERATED ALWAYS AS (created_ms + updated_after_ms) VIRTUAL
) STRICT;

-- Finds a job by the name that its worker gave it, see job_index.py. No index over job_id itself: with random names it
-- would take a random page for each new job, and 50 bytes.
CREATE TABLE job_hashes (
    id      INTEGER PRIMARY KEY,  -- generation, partition (10 bits), segment in the generation (5 bits)
    entries BLOB    NOT NULL      -- a tag (4 bytes) for each job, then an offset in the segment (2 bytes) for each
) STRICT;

-- What says that a name was never seen, for each generation of 1,048,576 jobs.
CREATE TABLE job_filters (
    generation INTEGER PRIMARY KEY,
    segments   INTEGER NOT NULL,  -- full segments of the generation that it knows; it may know more
    words      BLOB    NOT NULL   -- 262,144 words of 64 bits, little-endian
) STRICT;

-- Active jobs (at start, and in lists) and those that ended badly; completed ones are most, and nobody asks for them alone.
CREATE INDEX jobs_by_status ON jobs (status) WHERE status <> 1;

-- The runs of a task, newest first.
CREATE INDEX jobs_by_task ON jobs (task) WHERE task IS NOT NULL;

-- Older places of jobs with many events, moved out of the job's row so that it stays small.
CREATE TABLE history (
    number INTEGER NOT NULL,
    upto   INTEGER NOT NULL,  -- the job's count of events at the end of this piece
    refs   BLOB    NOT NULL,
    PRIMARY KEY (number, upto)
) STRICT, WITHOUT ROWID;

-- Counters by (task, queue).
CREATE TABLE pairs (
    number          INTEGER PRIMARY KEY,
    task            TEXT,
    queue           TEXT,
    statuses        TEXT    NOT NULL,
    duration_sum_us TEXT    NOT NULL,
    duration_count  INTEGER NOT NULL
) STRICT;

-- Episodes of problems, in the order in which they were opened.
CREATE TABLE alerts (
    number        INTEGER PRIMARY KEY,
    alert_id      TEXT    NOT NULL UNIQUE,
    fingerprint   TEXT    NOT NULL,
    rule          TEXT    NOT NULL,
    task          TEXT,
    queue         TEXT,
    state         TEXT    NOT NULL,
    count         INTEGER NOT NULL,
    jobs_failed   INTEGER NOT NULL,
    first_error   TEXT    NOT NULL,
    last_error    TEXT    NOT NULL,
    first_job_id  TEXT    NOT NULL,
    last_job_id   TEXT    NOT NULL,
    last_retries  INTEGER NOT NULL,
    opened_ms     INTEGER NOT NULL,
    updated_ms    INTEGER NOT NULL,
    resolved_ms   INTEGER,
    reason        TEXT
) STRICT;

-- Open alerts, at start and in lists: few among all that ever were.
CREATE INDEX alerts_open ON alerts (state) WHERE state <> 'resolved';

-- The episodes of a task, newest first.
CREATE INDEX alerts_by_task ON alerts (task);

-- What ended within each bucket of time. `task`: a name, 0 for all jobs together, 1 for jobs without a task.
CREATE TABLE rollups (
    width_s   INTEGER NOT NULL,
    task      ANY     NOT NULL,
    bucket_ms INTEGER NOT NULL,
    content   BLOB    NOT NULL,  -- msgpack, see rollups.py
    PRIMARY KEY (width_s, task, bucket_ms)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;
