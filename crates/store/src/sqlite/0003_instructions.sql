-- What senders ask for, and mail that waits for its time.
ALTER TABLE message ADD COLUMN reports INTEGER NOT NULL DEFAULT 0; -- whether MAIL FROM gets them
ALTER TABLE message ADD COLUMN instructions TEXT; -- JSON; null: none
ALTER TABLE delivery ADD COLUMN notify TEXT; -- as in RCPT TO; null: none
ALTER TABLE delivery ADD COLUMN orcpt TEXT; -- decoded, as in Original-Recipient; null: none
ALTER TABLE configuration_set ADD COLUMN reports INTEGER;

-- A scheduled delivery is in no lane; next_at is the time of its release.
CREATE INDEX delivery_scheduled ON delivery (next_at) WHERE state = 'scheduled';

-- The keys of messages, for as long as a second one of the same key is not taken.
CREATE TABLE idempotency (
    workspace_id INTEGER NOT NULL,
    key          TEXT    NOT NULL,
    message_id   BLOB    NOT NULL,
    expires_at   INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expiry ON idempotency (expires_at);
