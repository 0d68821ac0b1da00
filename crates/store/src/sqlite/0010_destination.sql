-- A destination without a configuration set belongs to its whole workspace. Its settings are a
-- JSON object to which members are added; previous_secret signs as well until previous_until.
CREATE TABLE destination_new (
    id                   BLOB    PRIMARY KEY,
    workspace_id         INTEGER NOT NULL REFERENCES workspace (id),
    configuration_set_id INTEGER REFERENCES configuration_set (id),
    name                 TEXT    NOT NULL,
    url                  TEXT    NOT NULL,
    secret               BLOB    NOT NULL,
    previous_secret      BLOB,
    previous_until       INTEGER,
    matching_event_types TEXT    NOT NULL, -- a JSON array of names
    format               TEXT    NOT NULL,
    settings             TEXT,
    replays              INTEGER NOT NULL DEFAULT 0,
    state                TEXT    NOT NULL, -- active, disabled
    created_at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO destination_new (id, workspace_id, configuration_set_id, name, url, secret,
    matching_event_types, format, state, created_at)
SELECT id, workspace_id, configuration_set_id, name, url, secret,
    matching_event_types, format, state, created_at FROM destination;

DROP TABLE destination;
ALTER TABLE destination_new RENAME TO destination;
CREATE UNIQUE INDEX destination_name
    ON destination (workspace_id, COALESCE(configuration_set_id, 0), name);

CREATE TRIGGER destination_cursor AFTER INSERT ON destination BEGIN
    INSERT INTO cursor SELECT NEW.id, 0, COALESCE(MAX(position), 0) FROM event;
END;

-- The last calls of each destination: those that failed, and a few of those that did not. The
-- status is null where there was no answer, and error says why; next_at is null where the call
-- is not made again.
CREATE TABLE webhook_call (
    destination_id BLOB    NOT NULL,
    number         INTEGER NOT NULL, -- counts each destination's
    at             INTEGER NOT NULL,
    position       INTEGER NOT NULL,
    document       INTEGER NOT NULL,
    attempt        INTEGER NOT NULL,
    took           INTEGER NOT NULL,
    status         INTEGER,
    error          TEXT,
    answer         BLOB    NOT NULL, -- how it begins
    next_at        INTEGER,
    PRIMARY KEY (destination_id, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER destination_removed AFTER DELETE ON destination BEGIN
    DELETE FROM cursor WHERE destination_id = OLD.id;
    DELETE FROM webhook_retry WHERE destination_id = OLD.id;
    DELETE FROM webhook_call WHERE destination_id = OLD.id;
END;
