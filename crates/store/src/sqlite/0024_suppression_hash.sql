-- By what entries are looked up: a number that follows from workspace and key, so that the index that every
-- recipient is looked up in has twenty octets for an entry in the place of fifty. Two addresses may have
-- the same. The program puts it to the entries that are there.
ALTER TABLE suppression ADD COLUMN hash INTEGER;
CREATE INDEX suppression_hash ON suppression (hash);
