-- Accounts at certificate authorities, by the address of their directory. The key is sealed.
CREATE TABLE certificate_account (
    authority  TEXT    NOT NULL PRIMARY KEY,
    secret     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Certificates of hosts that were asked for, and what became of asking. The key is sealed; without a
-- certificate the five columns behind the host are NULL.
CREATE TABLE certificate (
    host       TEXT    NOT NULL PRIMARY KEY,
    authority  TEXT,
    chain      TEXT,               -- PEM, its own first
    secret     BLOB,
    issued_at  INTEGER,
    expires_at INTEGER,
    failures   INTEGER NOT NULL DEFAULT 0, -- in a row
    fault      TEXT,
    fault_at   INTEGER,
    retry_at   INTEGER,            -- not before
    wanted     INTEGER NOT NULL DEFAULT 0, -- 1: an operator wants another one
    holder     TEXT,               -- who asks for one now, and until when nobody else does
    held_until INTEGER
) STRICT, WITHOUT ROWID;

-- When certificates were asked for, for the limit on how often that is done.
CREATE TABLE certificate_order (
    at   INTEGER NOT NULL,
    host TEXT    NOT NULL,
    PRIMARY KEY (at, host)
) STRICT, WITHOUT ROWID;

-- What is shown to prove that a host is ours, while a certificate is being asked for.
CREATE TABLE certificate_proof (
    token             TEXT    NOT NULL PRIMARY KEY,
    host              TEXT    NOT NULL,
    key_authorization TEXT    NOT NULL,
    until             INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts all changes of what is shown, for other processes to see.
CREATE TABLE certificate_version (
    version INTEGER NOT NULL
) STRICT;
INSERT INTO certificate_version VALUES (0);
