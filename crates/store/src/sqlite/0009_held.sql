-- What an operator keeps back, found without looking at what has ended.
CREATE INDEX delivery_held ON delivery (workspace_id, domain, next_at) WHERE state = 'held';
