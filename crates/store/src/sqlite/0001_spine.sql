-- Times are microseconds since 1970 in UTC, spans too. Ids of 16 octets are UUIDv7.

CREATE TABLE workspace (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE configuration_set (
    id           INTEGER PRIMARY KEY,
    workspace_id INTEGER NOT NULL REFERENCES workspace (id),
    name         TEXT    NOT NULL,
    max_retries  INTEGER,
    expire_after INTEGER,
    created_at   INTEGER NOT NULL,
    UNIQUE (workspace_id, name)
) STRICT;

CREATE TABLE domain (
    name                 TEXT    PRIMARY KEY,
    workspace_id         INTEGER NOT NULL REFERENCES workspace (id),
    return_path_host     TEXT    NOT NULL,
    configuration_set_id INTEGER NOT NULL REFERENCES configuration_set (id),
    created_at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE destination (
    id                   BLOB    PRIMARY KEY,
    workspace_id         INTEGER NOT NULL REFERENCES workspace (id),
    configuration_set_id INTEGER NOT NULL REFERENCES configuration_set (id),
    name                 TEXT    NOT NULL,
    url                  TEXT    NOT NULL,
    secret               BLOB    NOT NULL,
    matching_event_types TEXT    NOT NULL, -- a JSON array of names
    format               TEXT    NOT NULL,
    state                TEXT    NOT NULL, -- active, disabled
    created_at           INTEGER NOT NULL,
    UNIQUE (configuration_set_id, name)
) STRICT, WITHOUT ROWID;

-- Counts the changes of the four tables above, so that other processes see that there was one.
CREATE TABLE directory_version (
    version INTEGER NOT NULL
) STRICT;
INSERT INTO directory_version VALUES (1);

-- The keys that tokens are signed with; the one with the highest id signs.
CREATE TABLE token_key (
    id     INTEGER PRIMARY KEY,
    secret BLOB    NOT NULL
) STRICT;

-- How many unended deliveries have their body in a segment file; at none, the file goes.
CREATE TABLE segment (
    id   INTEGER PRIMARY KEY,
    live INTEGER NOT NULL
) STRICT;

CREATE TABLE message (
    id                   BLOB    PRIMARY KEY,
    workspace_id         INTEGER NOT NULL,
    configuration_set_id INTEGER NOT NULL,
    mail_from            TEXT    NOT NULL, -- empty: the null reverse-path
    source               TEXT    NOT NULL,
    subject              TEXT    NOT NULL,
    header_message_id    TEXT    NOT NULL,
    accepted_at          INTEGER NOT NULL,
    size                 INTEGER NOT NULL,
    eight_bit            INTEGER NOT NULL,
    smtputf8             INTEGER NOT NULL,
    received_helo        TEXT    NOT NULL,
    received_peer        TEXT,
    received_with        TEXT    NOT NULL,
    body_segment         INTEGER NOT NULL,
    body_offset          INTEGER NOT NULL,
    body_length          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The state is one of queued, held, delivered, bounced, expired …; attempt is the number of the
-- one that is due or under way, next_at the time at which it is due in any process.
CREATE TABLE delivery (
    id           BLOB    PRIMARY KEY,
    message_id   BLOB    NOT NULL,
    workspace_id INTEGER NOT NULL,
    domain       TEXT    NOT NULL,
    recipient    TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    attempt      INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    next_at      INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_due ON delivery (workspace_id, domain, next_at) WHERE state = 'queued';

-- What is queued for one domain of one workspace: next_at is never later than the earliest
-- next_at of its queued deliveries.
CREATE TABLE lane (
    workspace_id INTEGER NOT NULL,
    domain       TEXT    NOT NULL,
    next_at      INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX lane_due ON lane (next_at);

-- The log: position orders the commits. The payload is what the fact carries, the attempt with
-- its tries included, as JSON; null where it carries nothing.
CREATE TABLE event (
    position             INTEGER PRIMARY KEY,
    id                   BLOB    NOT NULL,
    workspace_id         INTEGER NOT NULL,
    configuration_set_id INTEGER NOT NULL,
    delivery_id          BLOB,
    sequence             INTEGER NOT NULL,
    kind                 TEXT    NOT NULL,
    at                   INTEGER NOT NULL,
    payload              TEXT
) STRICT;
CREATE UNIQUE INDEX event_sequence ON event (delivery_id, sequence);

-- How far a destination has come in each log; a single process writes log 0.
CREATE TABLE cursor (
    destination_id BLOB    NOT NULL,
    log            INTEGER NOT NULL,
    position       INTEGER NOT NULL,
    PRIMARY KEY (destination_id, log)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER destination_cursor AFTER INSERT ON destination BEGIN
    INSERT INTO cursor SELECT NEW.id, 0, COALESCE(MAX(position), 0) FROM event;
END;

-- Calls that failed; next_at is null once the last try has failed.
CREATE TABLE webhook_retry (
    destination_id BLOB    NOT NULL,
    position       INTEGER NOT NULL,
    document       INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    next_at        INTEGER,
    last_error     TEXT    NOT NULL,
    PRIMARY KEY (destination_id, position, document)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_retry_due ON webhook_retry (destination_id, next_at)
    WHERE next_at IS NOT NULL;
