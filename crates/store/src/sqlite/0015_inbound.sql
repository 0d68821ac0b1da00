-- Whether a domain's answers are caught, whether it takes mail to its own addresses, and what it
-- does with mail that its senders' domains forbid: off, mark, enforce.
ALTER TABLE domain ADD COLUMN reply_capture INTEGER NOT NULL DEFAULT 1;
ALTER TABLE domain ADD COLUMN inbound INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domain ADD COLUMN dmarc TEXT NOT NULL DEFAULT 'mark';
