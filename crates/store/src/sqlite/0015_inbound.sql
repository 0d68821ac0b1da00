-- Whether a domain's answers are caught, whether it takes mail to its own addresses, and what it
-- does with mail that its senders' domains forbid: off, mark, enforce.
ALTER TABLE domain ADD COLUMN reply_capture INTEGER NOT NULL DEFAULT 1;
ALTER TABLE domain ADD COLUMN inbound INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domain ADD COLUMN dmarc TEXT NOT NULL DEFAULT 'mark';

-- What becomes of mail to the addresses of a domain. It goes on to an address, or to a host and a
-- port, or to nobody.
CREATE TABLE inbound_route (
    domain          TEXT    NOT NULL REFERENCES domain (name),
    pattern         TEXT    NOT NULL,
    tells           INTEGER NOT NULL,
    forward_address TEXT,
    forward_host    TEXT,
    forward_port    INTEGER,
    PRIMARY KEY (domain, pattern)
) STRICT, WITHOUT ROWID;

-- A file of bodies that came in is kept for a set time after the newest of them, which counts as one
-- more body in it. Null: it is a file of mail that goes out, or that time is over.
ALTER TABLE segment ADD COLUMN kept_at INTEGER;

-- Messages that came in, one for each address of ours. Those of one reception have one body, which
-- bears the id of the first of them; it is there for as long as its file is kept.
CREATE TABLE inbound (
    id                BLOB    PRIMARY KEY,
    workspace_id      INTEGER, -- null: nobody knows
    delivery_id       BLOB,    -- the one that it is about; null: none
    kind              TEXT    NOT NULL,
    at                INTEGER NOT NULL,
    peer              TEXT    NOT NULL,
    mail_from         TEXT    NOT NULL, -- empty: the null reverse-path
    recipient         TEXT    NOT NULL,
    from_mailbox      TEXT    NOT NULL,
    subject           TEXT    NOT NULL,
    header_message_id TEXT,
    size              INTEGER NOT NULL,
    body_id           BLOB    NOT NULL,
    body_segment      INTEGER NOT NULL,
    body_offset       INTEGER NOT NULL,
    body_length       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Messages that are to be forwarded, until they were handed to the queue. Each counts as one more
-- body in its segment.
CREATE TABLE forward_due (
    inbound_id      BLOB    PRIMARY KEY,
    segment         INTEGER NOT NULL,
    forward_address TEXT,
    forward_host    TEXT,
    forward_port    INTEGER,
    authentication  TEXT    NOT NULL -- what was found out about the sender, as JSON
) STRICT, WITHOUT ROWID;

-- What is left of deliveries whose events were removed, so that what others say of them later still
-- finds them. Its sequence goes on.
CREATE TABLE slim_delivery (
    id                   BLOB    PRIMARY KEY,
    message_id           BLOB    NOT NULL,
    workspace_id         INTEGER NOT NULL,
    configuration_set_id INTEGER NOT NULL,
    recipient            TEXT    NOT NULL,
    state                TEXT    NOT NULL,
    sequence             INTEGER NOT NULL,
    header_message_id    TEXT    NOT NULL,
    accepted_at          INTEGER NOT NULL,
    stream               TEXT,
    told_at              INTEGER -- of its newest event since then; null: there is none
) STRICT, WITHOUT ROWID;
CREATE INDEX slim_delivery_told ON slim_delivery (told_at) WHERE told_at IS NOT NULL;
