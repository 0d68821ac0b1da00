-- Since when no new link is at the host of a certificate; NULL: new links are.
ALTER TABLE certificate ADD COLUMN retired_at INTEGER;
