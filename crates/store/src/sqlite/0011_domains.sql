-- Hosts of a domain beside that of its return path; null: the usual ones.
ALTER TABLE domain ADD COLUMN reply_host TEXT;
ALTER TABLE domain ADD COLUMN tracking_host TEXT;

-- What the DNS last said of a domain.
CREATE TABLE domain_check (
    domain      TEXT    PRIMARY KEY REFERENCES domain (name),
    checked_at  INTEGER NOT NULL,
    verified_at INTEGER, -- since when all needed records are there; null: they are not
    missing     TEXT    NOT NULL -- a JSON array: those that are not
) STRICT, WITHOUT ROWID;

-- Domains that were removed, until the mail that waited has been rejected and some time longer.
CREATE TABLE domain_removal (
    id           INTEGER PRIMARY KEY,
    workspace_id INTEGER NOT NULL,
    domain       TEXT    NOT NULL,
    removed_at   INTEGER NOT NULL,
    rejected     INTEGER NOT NULL DEFAULT 0, -- deliveries, so far
    ended_at     INTEGER -- null: some may still wait
) STRICT;
