-- Events that a sender is perhaps to be told of (RFC 3464), until the report is on its way. Each
-- counts as one more body in the segment of its message, since the report brings some of it back.
CREATE TABLE report_due (
    position INTEGER PRIMARY KEY, -- of the event
    segment  INTEGER NOT NULL
) STRICT;
ALTER TABLE delivery ADD COLUMN warned INTEGER NOT NULL DEFAULT 0; -- whether of its delay
