-- From here on the durations of a roll-up may be bytes, in order, instead of a map: see rollup_content.py. Rows that hold a map
-- stay as they are; the number of the schema keeps a program that knows maps only from reading them.

PRAGMA user_version = 11;
