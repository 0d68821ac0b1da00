-- How mail of a configuration set leaves; null: as configured.
ALTER TABLE configuration_set ADD COLUMN source_ipv4 TEXT;
ALTER TABLE configuration_set ADD COLUMN source_ipv6 TEXT;
ALTER TABLE configuration_set ADD COLUMN ehlo_name TEXT;
