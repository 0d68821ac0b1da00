-- Which credential a message was handed in with, so that its queue can be found: by a look through
-- what waits, which only an operator asks for, and no index is paid for at every message.
ALTER TABLE message ADD COLUMN credential_id INTEGER;

-- What is still to be done with the queue of a revoked credential: hold, cancel; null: nothing.
ALTER TABLE credential ADD COLUMN left_queue TEXT;

-- Whether mail is sent, as JSON; null: it is.
ALTER TABLE workspace ADD COLUMN sending TEXT;
ALTER TABLE domain ADD COLUMN sending TEXT;
CREATE INDEX workspace_paused ON workspace (id) WHERE sending IS NOT NULL;
CREATE INDEX domain_paused ON domain (workspace_id) WHERE sending IS NOT NULL;

-- What was removed keeps its row, so that its number is not given anew: events, messages and
-- tokens tell of it. Its name is free.
ALTER TABLE workspace ADD COLUMN removed_at INTEGER;
ALTER TABLE configuration_set ADD COLUMN removed_at INTEGER;

-- Keys of the HTTP API. The prefix is how the key begins; the hash is SHA-256 of all of it.
CREATE TABLE api_key (
    prefix       TEXT    PRIMARY KEY,
    workspace_id INTEGER NOT NULL REFERENCES workspace (id),
    name         TEXT    NOT NULL,
    kind         TEXT    NOT NULL, -- secret, public
    hash         BLOB    NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    UNIQUE (workspace_id, name)
) STRICT, WITHOUT ROWID;
