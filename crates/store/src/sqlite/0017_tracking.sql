-- What a domain tracks where nobody says otherwise, and how it looks to those who unsubscribe: a name,
-- and a colour as #rrggbb.
ALTER TABLE domain ADD COLUMN track_opens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domain ADD COLUMN track_clicks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE domain ADD COLUMN brand_name TEXT;
ALTER TABLE domain ADD COLUMN brand_colour TEXT;

-- What a configuration set says of tracking and unsubscribing, as JSON; null: nothing.
ALTER TABLE configuration_set ADD COLUMN tracking TEXT;

-- What was called reject of a pause is called refuse, since mail can also be taken and rejected.
UPDATE workspace SET sending = json_replace(sending, '$.new_mail', 'refuse')
    WHERE sending ->> '$.new_mail' = 'reject';
UPDATE domain SET sending = json_replace(sending, '$.new_mail', 'refuse')
    WHERE sending ->> '$.new_mail' = 'reject';
