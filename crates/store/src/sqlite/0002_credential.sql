-- Usernames and passwords of submission. A revoked one stays, so that its name is not given anew.
CREATE TABLE credential (
    id            INTEGER PRIMARY KEY,
    workspace_id  INTEGER NOT NULL REFERENCES workspace (id),
    username      TEXT    NOT NULL UNIQUE,
    password_hash TEXT    NOT NULL, -- a PHC string
    created_at    INTEGER NOT NULL,
    revoked_at    INTEGER
) STRICT;
