-- Up to where the coarser buckets of a task hold what the finest ones hold: what the finest hold from `upto_ms` on, the coarser ones
-- lack, and a reader adds it. A task without a row lacks nothing. `task` as in `rollups`.
CREATE TABLE rollup_watermarks (
    task    ANY     NOT NULL PRIMARY KEY,
    upto_ms INTEGER NOT NULL  -- the start of one of the finest buckets
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 12;
