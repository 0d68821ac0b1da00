-- Who a sandbox may send to: the key is what an address is found by, in lower case.
CREATE TABLE verified_address (
    workspace_id INTEGER NOT NULL REFERENCES workspace (id),
    key          TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    added_at     INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, key)
) STRICT, WITHOUT ROWID;

-- What sandboxes have sent: recipients on a day in UTC, counted from 1970. An empty domain stands for
-- the sandbox of the whole workspace.
CREATE TABLE sandbox_usage (
    day          INTEGER NOT NULL,
    workspace_id INTEGER NOT NULL,
    domain       TEXT    NOT NULL,
    recipients   INTEGER NOT NULL,
    PRIMARY KEY (day, workspace_id, domain)
) STRICT, WITHOUT ROWID;
