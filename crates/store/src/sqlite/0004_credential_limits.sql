-- What proves a password by SCRAM-SHA-256; null where there is none.
ALTER TABLE credential ADD COLUMN scram_salt BLOB;
ALTER TABLE credential ADD COLUMN scram_iterations INTEGER;
ALTER TABLE credential ADD COLUMN scram_stored_key BLOB;
ALTER TABLE credential ADD COLUMN scram_server_key BLOB;

-- Messages a minute and recipients a day; null: no limit.
ALTER TABLE credential ADD COLUMN rate INTEGER;
ALTER TABLE credential ADD COLUMN quota INTEGER;
ALTER TABLE workspace ADD COLUMN rate INTEGER;
ALTER TABLE workspace ADD COLUMN quota INTEGER;

-- Recipients that were taken out of a quota. A day is one in UTC, counted from 1970.
CREATE TABLE usage (
    day        INTEGER NOT NULL,
    kind       TEXT    NOT NULL, -- workspace, credential
    id         INTEGER NOT NULL,
    recipients INTEGER NOT NULL,
    PRIMARY KEY (day, kind, id)
) STRICT, WITHOUT ROWID;
