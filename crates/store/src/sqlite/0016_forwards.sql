-- Of a message that came in and goes on: where from and where to, as JSON; null: of a submission.
ALTER TABLE message ADD COLUMN forward TEXT;
