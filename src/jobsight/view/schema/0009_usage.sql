-- From here on `resource_usage` of a job may be a JSON array as well: the number of the word that lists the names of its
-- measures (a JSON array of strings), then their values. Rows that hold an object stay as they are; the number of the schema
-- keeps a program that knows objects only from reading them.

PRAGMA user_version = 9;
