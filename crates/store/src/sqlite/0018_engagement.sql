-- Requests to the tracking host that are still to be told, in the order in which they came. A number
-- is never given anew: who tells of a hit a second time must not tell of another one.
CREATE TABLE hit (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id BLOB    NOT NULL,
    at          INTEGER NOT NULL,
    request     TEXT    NOT NULL -- what else is known of it, as JSON
) STRICT;

-- What was told of the opens and clicks of a delivery, for as long as it is kept as a whole.
CREATE TABLE visit (
    delivery_id BLOB    PRIMARY KEY,
    opens       INTEGER NOT NULL,
    clicks      INTEGER NOT NULL,
    clicked_at  INTEGER -- the latest of the clicks
) STRICT, WITHOUT ROWID;

-- Whoever has unsubscribed is looked for among the events, of which a delivery may have very many.
CREATE INDEX event_unsubscribe ON event (delivery_id) WHERE kind = 'Unsubscribe';

-- Addresses that are too long for a token, by the first 16 octets of their SHA-256.
CREATE TABLE link (
    name    BLOB    PRIMARY KEY,
    url     TEXT    NOT NULL,
    kept_at INTEGER NOT NULL -- when somebody last wanted it kept, to the day
) STRICT;
CREATE INDEX link_kept ON link (kept_at);

-- Links that lead nowhere any more. The kind is one of url, domain, workspace.
CREATE TABLE link_block (
    number     INTEGER PRIMARY KEY,
    kind       TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    reason     TEXT,
    blocked_at INTEGER NOT NULL,
    UNIQUE (kind, value)
) STRICT;
