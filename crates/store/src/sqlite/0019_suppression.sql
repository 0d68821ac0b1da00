-- Addresses that a workspace does not send to. The key is the address as it is compared. Numbers are
-- never given anew, so that whoever knows the highest finds what has come since.
CREATE TABLE suppression (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace_id INTEGER NOT NULL,
    key          TEXT    NOT NULL,
    stream       TEXT    NOT NULL, -- empty: all mail
    address      TEXT,             -- as it was given; null: as the key
    cause        TEXT    NOT NULL, -- BOUNCE, COMPLAINT, UNSUBSCRIBE, MANUAL
    since        INTEGER NOT NULL,
    event_id     BLOB,             -- what it follows from; null: somebody has put it there
    expires_at   INTEGER,
    note         TEXT
) STRICT;
CREATE UNIQUE INDEX suppression_key ON suppression (workspace_id, key, stream);
CREATE INDEX suppression_expiry ON suppression (expires_at) WHERE expires_at IS NOT NULL;

-- How keys are made: fold, exact.
CREATE TABLE suppression_keys (
    local_part TEXT NOT NULL
) STRICT;
INSERT INTO suppression_keys VALUES ('fold');

-- How often in a row mail to an address was given up without the address being dead.
CREATE TABLE soft_bounce (
    workspace_id INTEGER NOT NULL,
    key          TEXT    NOT NULL,
    count        INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX soft_bounce_last ON soft_bounce (last_at);
