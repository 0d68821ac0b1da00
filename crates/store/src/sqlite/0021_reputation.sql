-- How the mail of workspaces fares, by the hour, counted since 1970: deliveries that ended, those to
-- dead addresses, complaints.
CREATE TABLE reputation (
    workspace_id INTEGER NOT NULL,
    hour         INTEGER NOT NULL,
    outcomes     INTEGER NOT NULL,
    hard_bounces INTEGER NOT NULL,
    complaints   INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, hour)
) STRICT, WITHOUT ROWID;

-- From when on is counted what was forgotten at that time.
CREATE TABLE reputation_start (
    workspace_id INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL
) STRICT;

-- How far in the log it was counted, and how often something was forgotten: what was read before that
-- is not counted after it. What happened before there was a count is not counted.
CREATE TABLE reputation_cursor (
    position INTEGER NOT NULL,
    starts   INTEGER NOT NULL
) STRICT;
INSERT INTO reputation_cursor SELECT COALESCE(MAX(position), 0), 0 FROM event;
